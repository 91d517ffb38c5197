"""CycleGAN: two generators, two discriminators, and a way there and back. The Lightning side."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from anime_gen.blocks.adversarial import AdversarialLoss
from anime_gen.blocks.layers import BATCHES, measure_statistics, mixes_batch
from anime_gen.blocks.steps import frozen, optimizer_step
from anime_gen.contract import Batch, Condition, Preview, Translator, UserError, at_least_float32, unseen
from anime_gen.families.cyclegan.assistance import Assistant, Data, Landmarks, Shown
from anime_gen.families.cyclegan.landmarks import NUM_POINTS, with_maps
from anime_gen.families.cyclegan.loss import cycle_loss, identity_loss, linear_decay
from anime_gen.families.cyclegan.network import Discriminators, Generators
from anime_gen.families.cyclegan.pool import ImagePool
from anime_gen.noise import Noise, normal_like

# Pictures whose like BatchNorm's statistics are measured on, in each of BATCHES batches.
REMEMBERED = 16


class Pair(nn.Module):
    """The generators of both directions."""

    def __init__(self, to_anime: nn.Module, to_photo: nn.Module) -> None:
        super().__init__()
        self.to_anime = to_anime
        self.to_photo = to_photo


class CycleGAN(Translator):
    """Unpaired translation between photos and anime faces. Zhu et al. 2017.

    Args:
        image_size: linked from the data.
        generators: which networks translate.
        discriminators: which networks judge.
        loss: which game it is. With `LeastSquares`, whose two sides are both halved, the weights below are half of
            Zhu et al.'s (10 and 5), who halve the discriminators' only.
        cycle: weight of the way there and back; 0 leaves it out.
        identity: weight of leaving pictures of the target domain alone; 0 leaves it out.
        noise: deviation of the Gaussian noise that is added to every photo before it is translated, [-1, 1] being black
            to white (S3, which states no level). A seed chooses it.
        pool: pictures in each discriminator's pool.
        landmarks: landmark-assisted training; null for none.
        lr: Adam's learning rate, for all.
        betas: Adam's, for all.
        constant: share of the run after which the learning rates fall down a line to 0.

    Raises:
        UserError: a weight, a share or a size that cannot be.
    """

    remembered_2NCHW: Tensor

    def __init__(
        self,
        image_size: int,
        generators: Generators,
        discriminators: Discriminators,
        loss: AdversarialLoss,
        cycle: float = 5.0,
        identity: float = 2.5,
        noise: float = 0.0,
        pool: int = 50,
        landmarks: Landmarks | None = None,
        lr: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        constant: float = 0.5,
    ) -> None:
        super().__init__(image_size)
        if min(cycle, identity, noise, pool) < 0:
            raise UserError(
                f"model: cycle is {cycle}, identity {identity}, noise {noise} and pool {pool}; none may be negative"
            )
        if not 0 <= constant < 1:
            raise UserError(f"model.constant={constant}: give a share of the run, from 0 to below 1")
        if loss.per_picture:
            raise UserError("model.loss: a gradient penalty is not made for patches; use LeastSquares or NonSaturating")
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.loss = loss
        self.cycle = cycle
        self.identity = identity
        self.noise = noise
        self.lr = lr
        self.betas = betas
        self.constant = constant
        self.assistant = Assistant(landmarks) if landmarks else None
        maps = NUM_POINTS if self.assistant else 0
        self.generators = Pair(generators.generator(image_size, 3 + maps), generators.generator(image_size, 3))
        networks = {name: discriminators.discriminator(image_size, 3) for name in ("anime", "photo")}
        if self.assistant:
            networks |= self.assistant.discriminators(image_size, discriminators)
        self.discriminators = nn.ModuleDict(networks)
        self.pools = {name: ImagePool(pool) for name in networks}
        self._saved_pools: list[dict[str, Tensor]] = []
        if mixes_batch(self.generators):
            # Of both domains, the latest: where the averaged weights' BatchNorms are measured.
            shape = (2, BATCHES * REMEMBERED, 3, image_size, image_size)
            self.register_buffer("remembered_2NCHW", torch.zeros(shape))

    @property
    def varies(self) -> bool:
        return bool(self.noise)

    @property
    def averaged(self) -> nn.Module:
        return self.generators

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.Adam([{"params": list(network.parameters()), "initial_lr": self.lr}], self.lr, self.betas)
            for network in (self.generators, self.discriminators)
        ]

    # ----------------------------------------------------------------------------------------------------------------
    # What a checkpoint keeps beside weights

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        own = {name: pool.pictures.cpu() for name, pool in self.pools.items()}
        every: list[Any] = [own]
        if torch.distributed.is_initialized():
            every = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(every, own)
        checkpoint["pools"] = every

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._saved_pools = checkpoint["pools"]

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self._saved_pools:
            for name, pictures in self._saved_pools[self.global_rank % len(self._saved_pools)].items():
                self.pools[name].pictures = pictures[: self.pools[name].size]
        if self.assistant and not self.assistant.are_trained:
            data: Data | None = self.trainer.datamodule  # type: ignore[attr-defined]
            if data is None:  # one batch, to see what a step costs
                rank_zero_warn("without a DataModule the landmark finders stay untrained")
            else:
                self.assistant.learn(data, self.device, self.trainer.strategy.broadcast)

    # ----------------------------------------------------------------------------------------------------------------
    # Training

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of both generators, then one of all discriminators (Zhu et al. 2017, equation 3).

        Returns:
            Detached scalars.
        """
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        photo_BCHW = batch.condition.source_BCHW
        assert photo_BCHW is not None
        share = self._share_done(batch)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate = group["initial_lr"] * linear_decay(share, self.constant)
        if mixes_batch(self.generators):
            both = torch.stack([photo_BCHW, batch.image_BCHW])
            self.remembered_2NCHW.copy_(
                torch.cat([both, self.remembered_2NCHW], dim=1)[:, : self.remembered_2NCHW.shape[1]]
            )
        scalars, shown = self._train_generators(optimizers[0], photo_BCHW, batch.image_BCHW, share)
        return {**scalars, **self._train_discriminators(optimizers[1], shown), "lr": torch.tensor(rate)}

    def _share_done(self, batch: Batch) -> float:
        """The share of the run's pictures that had been shown before this batch; 0 in a run without an end."""
        images = len(batch.image_BCHW) * self.trainer.world_size
        # Not `estimated_stepping_batches`: with `max_steps` it counts the steps of both optimisers.
        batches = self.trainer.num_training_batches * (self.trainer.max_epochs or -1)
        return (self.images_shown - images) / (batches * images) if batches > 0 else 0.0

    def _train_generators(
        self, optimizer: LightningOptimizer, photo_BCHW: Tensor, anime_BCHW: Tensor, share: float
    ) -> tuple[dict[str, Tensor], dict[str, Shown]]:
        """Returns the scalars, and what each discriminator is shown."""
        photo_BK2, anime_BK2 = self.assistant.points(photo_BCHW, anime_BCHW) if self.assistant else (None, None)
        noisy_photo = with_maps(self._noisy(photo_BCHW), photo_BK2)
        anime_with_maps = with_maps(anime_BCHW, anime_BK2)
        to_anime, to_photo = self.generators.to_anime, self.generators.to_photo
        losses: dict[str, Tensor] = {}
        if self.identity:
            made_anime, same_anime = passes(to_anime, [noisy_photo, anime_with_maps])
            made_photo, same_photo = passes(to_photo, [anime_BCHW, photo_BCHW])
            losses["identity"] = self.identity * (
                identity_loss(anime_BCHW, same_anime) + identity_loss(photo_BCHW, same_photo)
            )
        else:
            made_anime, made_photo = to_anime(noisy_photo), to_photo(anime_BCHW)
        if self.cycle:
            losses["cycle_photo"] = self.cycle * cycle_loss(photo_BCHW, to_photo(made_anime))
            again_anime = to_anime(with_maps(self._noisy(made_photo), anime_BK2))
            losses["cycle_anime"] = self.cycle * cycle_loss(anime_BCHW, again_anime)
        shown = {"anime": Shown(anime_BCHW, made_anime), "photo": Shown(photo_BCHW, made_photo)}
        if self.assistant:
            assert photo_BK2 is not None
            assert anime_BK2 is not None
            losses["landmarks"] = self.assistant.consistency(made_anime, photo_BK2)
            shown |= self.assistant.shown(anime_BCHW, anime_BK2, made_anime, photo_BK2, share)
        with frozen(self.discriminators):
            for name, of in shown.items():
                losses[f"generator_{name}"] = of.weight * self.loss.generator(self.discriminators[name](of.made))
            norm = optimizer_step(self, optimizer, torch.stack(list(losses.values())).sum(), self.generators)
        scalars = {f"loss_{name}": loss.detach() for name, loss in losses.items()}
        return scalars | {"gradient_norm_generators": norm}, shown

    def _train_discriminators(self, optimizer: LightningOptimizer, shown: dict[str, Shown]) -> dict[str, Tensor]:
        scalars: dict[str, Tensor] = {}
        losses = []
        for name, of in shown.items():
            pair = [of.real, self.pools[name](of.made)]
            real_logits, made_logits = passes(self.discriminators[name], pair)
            losses.append(self.loss.discriminator(at_least_float32(real_logits), at_least_float32(made_logits)))
            scalars[f"loss_discriminator_{name}"] = losses[-1].detach()
        norm = optimizer_step(self, optimizer, torch.stack(losses).sum(), self.discriminators)
        return scalars | {"gradient_norm_discriminators": norm}

    def _noisy(self, photo_BCHW: Tensor) -> Tensor:
        return photo_BCHW + self.noise * normal_like(photo_BCHW) if self.noise else photo_BCHW

    # ----------------------------------------------------------------------------------------------------------------
    # Sampling

    def settle(self) -> None:
        if not mixes_batch(self.generators):
            return
        batches = iter(torch.split(self.remembered_2NCHW, REMEMBERED, dim=1))

        def translate(noise: Noise) -> None:
            photo_BCHW, anime_BCHW = next(batches)
            self.generate(Condition(source_BCHW=photo_BCHW), noise, self.settings, unseen)
            self.generators.to_photo(anime_BCHW)

        measure_statistics(self.generators, translate, self.device)

    def generate(self, condition: Condition, noise: Noise, settings: Any, preview: Preview) -> Tensor:
        photo_BCHW = condition.source_BCHW
        assert photo_BCHW is not None
        points_BK2 = self.assistant.finds_in_photo.points(photo_BCHW) if self.assistant else None
        if self.noise:
            photo_BCHW = photo_BCHW + self.noise * noise.normal(*photo_BCHW.shape[1:])[: len(photo_BCHW)]
        return self.generators.to_anime(with_maps(photo_BCHW, points_BK2))

    def generate_back(self, image_BCHW: Tensor) -> Tensor:
        return self.generators.to_photo(image_BCHW)

    def believed(self, image_BCHW: Tensor, photo_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        was_training = self.discriminators.training
        self.discriminators.eval()
        half = self.loss.boundary
        anime, photo = (
            (self.discriminators[name](pictures) > half).float().view(len(pictures), -1).mean(1)
            for name, pictures in (("anime", image_BCHW), ("photo", photo_BCHW))
        )
        self.discriminators.train(was_training)
        return anime, photo


def passes(network: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    """The network's output for each of the inputs: in one pass where pictures do not mix. The same numbers, sooner."""
    if mixes_batch(network):
        return [network(part) for part in inputs]
    return list(torch.split(network(torch.cat(inputs)), [len(part) for part in inputs]))
