"""StyleGAN2 with adaptive augmentation, told labels: the Lightning side."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from anime_gen.blocks.adversarial import non_saturating_discriminator, non_saturating_generator, r1_penalty
from anime_gen.blocks.augment.ada import ADA
from anime_gen.blocks.augment.diffaugment import DiffAugment
from anime_gen.blocks.labels import Words, partly_hidden, presence, redrawn
from anime_gen.blocks.steps import frozen, optimizer_step
from anime_gen.contract import Batch, Condition, Preview, StyleSpace, UserError
from anime_gen.families.stylegan2 import weights
from anime_gen.families.stylegan2.discriminator import Discriminator, Heads
from anime_gen.families.stylegan2.generator import Generator, Synthesis, channels
from anime_gen.families.stylegan2.mapping import Mappings
from anime_gen.families.stylegan2.regularisation import Regularisers, lazily, path_lengths
from anime_gen.noise import Noise, normal

# Latents whose styles' mean is the average w of a condition.
CENTRE_LATENTS = 256


class Labels(Enum):
    """Which labels the family is told."""

    everything = "everything"
    tags = "tags"
    classes = "classes"
    nothing = "nothing"

    def of(self, words: Words) -> Words:
        """Those of the data's."""
        return Words(
            words.num_tags if self in (Labels.everything, Labels.tags) else 0,
            words.attribute_sizes if self in (Labels.everything, Labels.classes) else (),
        )


@dataclass(frozen=True)
class StyleGAN2Settings:
    """How to sample.

    Args:
        truncation: psi, how far w stays from the average w, 1: as far as it is, 0: there (Karras et al. 2019, appendix
            B). Less is cleaner and more alike.
        conditional: towards the average of the pictures with the same labels; otherwise towards that of all, which
            pulls a picture away from what was asked for.
    """

    truncation: float = 1.0
    conditional: bool = True


class StyleGAN2(StyleSpace):
    """Karras et al. 2020b, with the augmentation of Karras et al. 2020a, on labels or on none.

    Args:
        image_size, num_tags, attribute_sizes: linked from the data.
        mapping: which mapping network; with the head, how labels are told.
        head: what the discriminator makes of its features and the labels.
        width: of z, of w and of the mapping network.
        channel_base: channels of a size are this over its side ...
        channel_max: ... but at most so many.
        deviation_group: pictures whose deviation the discriminator takes together (`paper256`'s is 8).
        labels: which labels it is told.
        label_dropout: share of the faces whose labels are told in part only in training, so that some may stay open.
        augment: what both sides' pictures go through before the discriminator; null for nothing. `ADA` adapts itself.
        lr: Adam's learning rate, for both sides.
        betas: Adam's, for both.
        regularisers: what keeps both sides smooth, and how often.
        start_from: weights to begin with (weights.py), perhaps of another data set or label set; null for new ones.
        settings: how to sample.

    Raises:
        UserError: a size, share or weight that cannot be, or a file that does not fit.
    """

    settings: StyleGAN2Settings
    path_mean: Tensor

    def __init__(
        self,
        image_size: int,
        mapping: Mappings,
        head: Heads,
        num_tags: int = 0,
        attribute_sizes: list[int] | None = None,
        width: int = 512,
        channel_base: int = 16384,
        channel_max: int = 512,
        deviation_group: int = 4,
        labels: Labels = Labels.everything,
        label_dropout: float = 0.0,
        augment: ADA | DiffAugment | None = None,
        lr: float = 0.0025,
        betas: tuple[float, float] = (0.0, 0.99),
        regularisers: Regularisers = Regularisers(),  # noqa: B008  an immutable tuple
        start_from: Path | None = None,
        settings: StyleGAN2Settings | None = None,
    ) -> None:
        super().__init__(image_size)
        if image_size < 8 or image_size & (image_size - 1):
            raise UserError(f"image_size is {image_size}; StyleGAN2 makes powers of 2 from 8 on")
        if min(width, channel_base // image_size, channel_max) < 1:
            raise UserError(
                f"model: width is {width}, channel_base {channel_base} and channel_max {channel_max}; give at least 1, "
                f"{image_size} and 1"
            )
        if not 0 <= label_dropout <= 1:
            raise UserError(f"model.label_dropout={label_dropout}: give a share from 0 to 1")
        regularisers.check()
        words = labels.of(Words(num_tags, tuple(attribute_sizes or ())))
        if labels is not Labels.nothing and not words.logits:
            raise UserError(
                f"the data has no labels that --model.labels={labels.name} could tell: give it some, or set "
                "--model.labels=nothing"
            )
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.words = words
        self.width = width
        self.label_dropout = label_dropout
        self.augment = augment
        self.lr = lr
        self.betas = betas
        self.regularisers = regularisers
        self.settings = settings or StyleGAN2Settings()
        numbers, sizes = self.words.logits, channels(channel_base, channel_max, image_size)
        self.generator = Generator(mapping.mapping(numbers, width), Synthesis(image_size, width, sizes), width)
        self.discriminator = Discriminator(sizes, head.head(sizes[0], numbers), deviation_group)
        self.num_layers, self.style_width = self.generator.synthesis.num_ws, width
        if start_from is not None:
            weights.start_from(self, Path(start_from))
        self.to(memory_format=torch.channels_last)
        self.register_buffer("path_mean", torch.zeros(()))
        # In the checkpoint: a resumed run keeps its place between two regularisers.
        self.batches_seen = 0

    def needs_for(self, settings: Any) -> frozenset[str]:
        return self.words.needs

    @property
    def averaged(self) -> nn.Module:
        return self.generator

    @property
    def period(self) -> int:
        return self.regularisers.period

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["batches_seen"] = self.batches_seen
        if self.hparams.get("start_from") is not None:
            checkpoint["carried"] = {"start_from": True}  # the weights are here: the file they began with may go

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.batches_seen = checkpoint["batches_seen"]

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.Adam(network.parameters(), *lazily(self.lr, self.betas, every), fused=True)
            for network, every in (
                (self.generator, self.regularisers.path_every),
                (self.discriminator, self.regularisers.r1_every),
            )
        ]

    # ----------------------------------------------------------------------------------------------------------------
    # Training

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of the generator, then one of the discriminator; now and then another for a regulariser.

        Returns:
            Detached scalars; those of regularisers where they have their turn.
        """
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        of_generator, of_discriminator = optimizers
        label_BL = self.labels_of(self._partly_hidden(batch.condition), len(batch.image_BCHW))
        scalars = self._train_generator(of_generator, self._wishes(batch))
        if self.regularisers.path_every and self.batches_seen % self.regularisers.path_every == 0:
            scalars |= self._even_paths(of_generator, self._wishes(batch))
        scalars |= self._train_discriminator(of_discriminator, batch.image_BCHW, label_BL, self._wishes(batch))
        if self.regularisers.r1_every and self.batches_seen % self.regularisers.r1_every == 0:
            scalars |= self._flatten_discriminator(of_discriminator, batch.image_BCHW, label_BL)
        self.batches_seen += 1
        return scalars

    def _train_generator(self, optimizer: LightningOptimizer, label_BL: Tensor) -> dict[str, Tensor]:
        with frozen(self.discriminator):
            made_BCHW = self._made(label_BL)
            loss = non_saturating_generator(self.discriminator(self._seen(made_BCHW), label_BL))
            norm = optimizer_step(self, optimizer, loss, self.generator)
        return {"loss_generator": loss.detach(), "gradient_norm_generator": norm}

    def _train_discriminator(
        self, optimizer: LightningOptimizer, real_BCHW: Tensor, label_BL: Tensor, wish_BL: Tensor
    ) -> dict[str, Tensor]:
        with torch.no_grad():
            made_BCHW = self._made(wish_BL)
        # One pass over both: a small picture keeps no processor busy.
        both_BCHW, labels_BL = torch.cat([made_BCHW, real_BCHW]), torch.cat([wish_BL, label_BL])
        made_logit_B, real_logit_B = self.discriminator(self._seen(both_BCHW), labels_BL, sources=2).chunk(2)
        loss = non_saturating_discriminator(real_logit_B, made_logit_B)
        norm = optimizer_step(self, optimizer, loss, self.discriminator)
        scalars: dict[str, Tensor] = {}
        if isinstance(self.augment, ADA):
            self.augment.observe(real_logit_B.detach())
            scalars["ada_p"] = self.augment.p.clone()
        return scalars | {
            "loss_discriminator": loss.detach(),
            "real_logits_mean": real_logit_B.detach().mean(),
            "fake_logits_mean": made_logit_B.detach().mean(),
            "gradient_norm_discriminator": norm,
        }

    def _even_paths(self, optimizer: LightningOptimizer, label_BL: Tensor) -> dict[str, Tensor]:
        """Path lengths, on half of a batch as in the authors' code; the weight makes up for the step's rarity."""
        label_BL = label_BL[: (len(label_BL) + 1) // 2]
        w_BLW = self._styles(label_BL)
        length_B = path_lengths(self._synthesised, w_BLW)
        mean = self.path_mean.lerp(self._over_ranks(length_B.detach().mean()), 0.01)
        self.path_mean.copy_(mean)
        penalty = (length_B - mean).square().mean()
        optimizer_step(
            self, optimizer, self.regularisers.path_every * self.regularisers.path_weight * penalty, self.generator
        )
        return {"path_length": length_B.detach().mean(), "path_penalty": penalty.detach()}

    def _flatten_discriminator(
        self, optimizer: LightningOptimizer, real_BCHW: Tensor, label_BL: Tensor
    ) -> dict[str, Tensor]:
        """R1: gamma / 2 times the squared slope with respect to the pictures before they are augmented."""
        penalty = r1_penalty(lambda seen_BCHW: self.discriminator(self._seen(seen_BCHW), label_BL), real_BCHW)
        optimizer_step(
            self, optimizer, self.regularisers.r1_every * self.regularisers.r1 / 2 * penalty, self.discriminator
        )
        return {"r1": penalty.detach()}

    def labels_of(self, condition: Condition, count: int) -> Tensor:
        """What is told: numbers (B, L), with L = 0 where nothing is."""
        return presence(condition, self.words) if self.words.logits else torch.zeros(count, 0, device=self.device)

    def _wishes(self, batch: Batch) -> Tensor:
        """The labels of pictures to be made: those of the batch in another order."""
        labels = self._partly_hidden(batch.condition)
        return self.labels_of(redrawn(labels) if self.words.logits else labels, len(batch.image_BCHW))

    def _partly_hidden(self, condition: Condition) -> Condition:
        """Of the labels that are told some are hidden, of a share of the pictures."""
        labels = Condition(tags_BT=condition.tags_BT, attributes_BA=condition.attributes_BA)
        return partly_hidden(labels, self.label_dropout) if self.words.logits and self.label_dropout else labels

    def _styles(self, label_BL: Tensor) -> Tensor:
        """A w for each layer of new pictures, (B, num_ws, W), some mixed of two (Karras et al. 2019, section 3.1)."""
        w_BW = self.generator.mapping(self._latents(len(label_BL)), label_BL)
        average_W = self._over_ranks(w_BW.detach().mean(0))
        self.generator.w_average.lerp_(average_W, 0.005)
        w_BLW = self.generator.broadcast(w_BW)
        if self.regularisers.mixing:
            other_BW = self.generator.mapping(self._latents(len(label_BL)), label_BL)
            layers = self.generator.synthesis.num_ws
            first_B = torch.randint(1, layers, (len(label_BL),), device=self.device)
            first_B = torch.where(
                torch.rand(len(label_BL), device=self.device) < self.regularisers.mixing, first_B, layers
            )
            fine_BL1 = (torch.arange(layers, device=self.device) >= first_B[:, None])[..., None]
            w_BLW = torch.where(fine_BL1, self.generator.broadcast(other_BW), w_BLW)
        return w_BLW

    def _made(self, label_BL: Tensor) -> Tensor:
        return self._synthesised(self._styles(label_BL))

    def _synthesised(self, w_BLW: Tensor) -> Tensor:
        synthesis = self.generator.synthesis
        noises = [normal(len(w_BLW), 1, side, side, device=self.device) for side in synthesis.sides()]
        return synthesis(w_BLW, noises)

    def _latents(self, count: int) -> Tensor:
        return normal(count, self.width, device=self.device)

    def _over_ranks(self, value: Tensor) -> Tensor:
        """The mean over all ranks."""
        everywhere = self.all_gather(value) if self._trainer is not None else value[None]
        assert isinstance(everywhere, Tensor)
        return everywhere.reshape(-1, *value.shape).mean(0)

    def _seen(self, image_BCHW: Tensor) -> Tensor:
        """Pictures as the discriminator sees them."""
        return image_BCHW if self.augment is None else self.augment(image_BCHW)

    # ----------------------------------------------------------------------------------------------------------------
    # Sampling

    def generate(self, condition: Condition, noise: Noise, settings: StyleGAN2Settings, preview: Preview) -> Tensor:
        w_BW = self.styles(self.labels_of(condition, len(noise)), noise, settings)
        return self.synthesise(self.generator.broadcast(w_BW), noise)

    def map(self, z_BD: Tensor, condition: Condition) -> Tensor:
        return self.generator.broadcast(self.generator.mapping(z_BD, self.labels_of(condition, len(z_BD))))

    def synthesise(self, w_BLD: Tensor, noise: Noise | None = None) -> Tensor:
        synthesis = self.generator.synthesis
        if noise is None:
            return synthesis(w_BLD, [w_BLD.new_zeros(1, 1, side, side) for side in synthesis.sides()])
        return synthesis(w_BLD, [noise.normal(1, side, side) for side in synthesis.sides()])

    def styles(self, label_BL: Tensor, noise: Noise, settings: StyleGAN2Settings) -> Tensor:
        """w of labels and latents, truncated as the settings say, (B, W)."""
        w_BW: Tensor = self.generator.mapping(noise.normal(self.width), label_BL)
        if settings.truncation == 1:
            return w_BW
        return self.centre(label_BL, settings.conditional).lerp(w_BW, settings.truncation)

    def centre(self, label_BL: Tensor, conditional: bool) -> Tensor:
        """The w that truncation pulls to, (B, W): the average over latents for the same labels, or over everything."""
        if not conditional or not self.words.logits:
            return self.generator.w_average.expand(len(label_BL), -1)
        z_NZ = normal(CENTRE_LATENTS, self.width, generator=torch.Generator().manual_seed(0)).to(self.device)
        return torch.stack(
            [self.generator.mapping(z_NZ, one_L.expand(CENTRE_LATENTS, -1)).mean(0) for one_L in label_BL]
        )
