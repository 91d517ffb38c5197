"""DCGAN: two networks, two optimisers, one game."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from anime_gen.blocks.adversarial import AdversarialLoss
from anime_gen.blocks.augment.diffaugment import DiffAugment
from anime_gen.blocks.layers import measure_statistics, mixes_batch, normalise_spectrally
from anime_gen.blocks.steps import frozen, optimizer_step
from anime_gen.contract import Batch, Condition, GenerativeModule, Preview, UserError
from anime_gen.families.dcgan.network import Networks
from anime_gen.noise import Noise, normal


class DCGAN(GenerativeModule):
    """An unconditional GAN. Radford et al. 2016 with `Convolutional` networks and the `NonSaturating` loss.

    Args:
        image_size: side of a picture in pixels; the data decides it.
        networks: which pair of networks plays.
        loss: which game it is.
        z_dim: width of the latent z ~ N(0, I). (The paper's is uniform; the normal one is common since.)
        spectral_norm: normalise the discriminator's layers spectrally.
        augment: what both sides' pictures go through before the discriminator; null for nothing.
        lr_generator: Adam's learning rate; two rates make the two-time-scale rule (Heusel et al. 2017).
        lr_discriminator: the other's.
        betas: Adam's, for both.
        discriminator_steps: batches the discriminator is trained on for each on which the generator is, too: the
            last of them.

    Raises:
        UserError: a per-picture penalty meets a discriminator that mixes its batch, or `discriminator_steps` < 1.
    """

    def __init__(
        self,
        image_size: int,
        networks: Networks,
        loss: AdversarialLoss,
        z_dim: int = 100,
        spectral_norm: bool = False,
        augment: DiffAugment | None = None,
        lr_generator: float = 2e-4,
        lr_discriminator: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
        discriminator_steps: int = 1,
    ) -> None:
        super().__init__(image_size)
        if discriminator_steps < 1:
            raise UserError(f"discriminator_steps is {discriminator_steps}; give 1 or more")
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.loss = loss
        self.z_dim = z_dim
        self.augment = augment
        self.lr_generator = lr_generator
        self.lr_discriminator = lr_discriminator
        self.betas = betas
        self.discriminator_steps = discriminator_steps
        # In the checkpoint: a resumed run keeps its place among the discriminator's extra steps.
        self.batches_seen = 0
        self.generator = networks.generator(z_dim, image_size)
        self.discriminator = networks.discriminator(image_size)
        if loss.per_picture and mixes_batch(self.discriminator):
            # Gulrajani et al. 2017, section 4: with BatchNorm the gradient of one picture's logit is not one picture's.
            raise UserError(
                "loss: a gradient penalty cannot go with BatchNorm in the discriminator; "
                "set --model.networks.norm=layer (Convolutional) or --model.networks.batch_norm=false (FullyConnected)"
            )
        if spectral_norm:
            normalise_spectrally(self.discriminator)

    @property
    def averaged(self) -> nn.Module:
        return self.generator

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["batches_seen"] = self.batches_seen

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.batches_seen = checkpoint["batches_seen"]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.Adam(self.generator.parameters(), self.lr_generator, self.betas),
            torch.optim.Adam(self.discriminator.parameters(), self.lr_discriminator, self.betas),
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of the discriminator, then one of the generator, both on the same made pictures.

        Returns:
            Detached scalars. Those of the generator only where it has its turn.
        """
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        of_generator, of_discriminator = optimizers
        self.batches_seen += 1
        generators_turn = self.batches_seen % self.discriminator_steps == 0
        z_BZ = normal(len(batch.image_BCHW), self.z_dim, device=self.device)
        with torch.set_grad_enabled(generators_turn):
            fake_BCHW = self.generator(z_BZ)
        scalars = self._train_discriminator(of_discriminator, batch.image_BCHW, fake_BCHW.detach())
        if generators_turn:
            scalars |= self._train_generator(of_generator, fake_BCHW)
        return scalars

    def _train_discriminator(
        self, optimizer: LightningOptimizer, real_BCHW: Tensor, fake_BCHW: Tensor
    ) -> dict[str, Tensor]:
        real_BCHW, fake_BCHW = self._seen(real_BCHW), self._seen(fake_BCHW)
        # Two passes: in one, BatchNorm would tell the discriminator which half of the batch is which.
        real_logits_B, fake_logits_B = self.discriminator(real_BCHW), self.discriminator(fake_BCHW)
        loss = self.loss.discriminator(real_logits_B, fake_logits_B)
        penalty = self.loss.penalty(self.discriminator, real_BCHW, fake_BCHW)
        norm = optimizer_step(self, optimizer, loss + penalty, self.discriminator)
        return {
            "loss_discriminator": loss.detach(),
            "penalty": penalty.detach(),
            "real_logits_mean": real_logits_B.detach().mean(),
            "fake_logits_mean": fake_logits_B.detach().mean(),
            "gradient_norm_discriminator": norm,
        }

    def _train_generator(self, optimizer: LightningOptimizer, fake_BCHW: Tensor) -> dict[str, Tensor]:
        with frozen(self.discriminator):
            loss = self.loss.generator(self.discriminator(self._seen(fake_BCHW)))
            norm = optimizer_step(self, optimizer, loss, self.generator)
        return {"loss_generator": loss.detach(), "gradient_norm_generator": norm}

    def _seen(self, image_BCHW: Tensor) -> Tensor:
        """Pictures as the discriminator sees them."""
        return image_BCHW if self.augment is None else self.augment(image_BCHW)

    def settle(self) -> None:
        measure_statistics(self.generator, lambda noise: self.generator(noise.normal(self.z_dim)), self.device)

    def generate(self, condition: Condition, noise: Noise, settings: Any, preview: Preview) -> Tensor:
        return self.generator(noise.normal(self.z_dim))
