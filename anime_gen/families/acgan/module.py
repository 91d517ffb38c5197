"""GANs that are told labels: the Lightning side."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from anime_gen.blocks.adversarial import AdversarialLoss
from anime_gen.blocks.augment.diffaugment import DiffAugment
from anime_gen.blocks.labels import Words, code, partly_hidden, redrawn
from anime_gen.blocks.layers import ROWS, measure_statistics, mixes_batch, normalise_spectrally
from anime_gen.blocks.steps import frozen, optimizer_step
from anime_gen.contract import Batch, Condition, GenerativeModule, Preview, UserError
from anime_gen.families.acgan.game import Discriminator, Game
from anime_gen.families.acgan.loss import mode_seeking_loss
from anime_gen.families.acgan.network import Generator, Networks
from anime_gen.families.acgan.sampler import completed
from anime_gen.noise import Noise, normal, normal_like


class ACGAN(GenerativeModule):
    """A GAN that is told exclusive classes and tags. Odena et al. 2017 with the `AuxiliaryClassifier` game.

    What a user leaves open is drawn as in the training data: see sampler.py.

    Args:
        image_size, num_tags, attribute_sizes: linked from the data.
        networks: which pair of networks plays.
        game: which part labels have in it.
        loss: what both sides play for beside the labels.
        z_dim: width of the latent z ~ N(0, I).
        label_width: numbers that labels become beside z.
        label_dropout: share of the faces whose labels are told in part only in training, so that some may stay open.
        mode_seeking: weight of `mode_seeking_loss`: without it, labels that say much leave next to nothing to z. It
            costs another pass of the generator.
        weigh_labels: multiply the label losses of real pictures by how sure their labels are. The data has to say.
        spectral_norm: normalise the discriminator's layers spectrally.
        augment: what both sides' pictures go through before the discriminator; null for nothing.
        lr_generator: Adam's learning rate.
        lr_discriminator: the other's.
        betas: Adam's, for both.

    Raises:
        UserError: the data has no labels, a per-picture penalty meets a discriminator that mixes its batch, or a share
            or width that cannot be.
    """

    def __init__(
        self,
        image_size: int,
        networks: Networks,
        game: Game,
        loss: AdversarialLoss,
        num_tags: int = 0,
        attribute_sizes: list[int] | None = None,
        z_dim: int = 100,
        label_width: int = 64,
        label_dropout: float = 0.2,
        mode_seeking: float = 0.0,
        weigh_labels: bool = False,
        spectral_norm: bool = False,
        augment: DiffAugment | None = None,
        lr_generator: float = 2e-4,
        lr_discriminator: float = 2e-4,
        betas: tuple[float, float] = (0.5, 0.999),
    ) -> None:
        super().__init__(image_size)
        self.words = Words.of(num_tags, attribute_sizes)
        if not 0 <= label_dropout <= 1:
            raise UserError(f"model.label_dropout={label_dropout}: give a share from 0 to 1")
        if z_dim < 1 or label_width < 1:
            raise UserError(f"model.z_dim={z_dim}, model.label_width={label_width}: both must be at least 1")
        if mode_seeking < 0:
            raise UserError(f"model.mode_seeking={mode_seeking}: give a weight of 0 or more")
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.loss = loss
        self.z_dim = z_dim
        self.label_dropout = label_dropout
        self.mode_seeking = mode_seeking
        self.weigh_labels = weigh_labels
        self.augment = augment
        self.lr_generator = lr_generator
        self.lr_discriminator = lr_discriminator
        self.betas = betas
        self.generator = Generator(self.words, z_dim, label_width, networks, image_size)
        features = networks.features(image_size)
        self.discriminator = Discriminator(features, game.head(self.words, features.width))
        if loss.per_picture and mixes_batch(self.discriminator):
            # Gulrajani et al. 2017, section 4: with BatchNorm the gradient of one picture's logit is not one picture's.
            raise UserError(
                "loss: a gradient penalty cannot go with BatchNorm in the discriminator; set --model.networks.norm=none"
            )
        if spectral_norm:
            normalise_spectrally(self.discriminator)

    def needs_for(self, settings: Any) -> frozenset[str]:
        sure = {"tags_BT": "tag_confidence_BT", "attributes_BA": "attribute_confidence_BA"}
        labels = self.words.needs
        return labels | {sure[name] for name in labels} if self.weigh_labels else labels

    @property
    def averaged(self) -> nn.Module:
        return self.generator

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [
            torch.optim.Adam(self.generator.parameters(), self.lr_generator, self.betas),
            torch.optim.Adam(self.discriminator.parameters(), self.lr_discriminator, self.betas),
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One step of the discriminator, then one of the generator, both on the same made pictures.

        Returns:
            Detached scalars.
        """
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        of_generator, of_discriminator = optimizers
        labels = Condition(tags_BT=batch.condition.tags_BT, attributes_BA=batch.condition.attributes_BA)
        # What is told of real pictures has the same gaps: no gap may say which picture is made.
        real_labels, wish = (
            partly_hidden(labels, self.label_dropout),
            partly_hidden(redrawn(labels), self.label_dropout),
        )
        code_BL = code(wish, self.words)
        # Of all ranks: a picture must not depend on whose BatchNorms it goes through.
        everywhere = self.all_gather(code_BL)
        assert isinstance(everywhere, Tensor)
        self.generator.remember(everywhere.flatten(0, -2))
        z_BZ = normal(len(batch.image_BCHW), self.z_dim, device=self.device)
        fake_BCHW = self.generator(z_BZ, code_BL)
        scalars = self._train_discriminator(of_discriminator, batch, real_labels, fake_BCHW.detach(), wish)
        more: dict[str, Tensor] = {}
        if self.mode_seeking:
            other_BZ = normal_like(z_BZ)
            other_BCHW = self.generator(other_BZ, code_BL)
            more["alike_generator"] = self.mode_seeking * mode_seeking_loss(fake_BCHW, other_BCHW, z_BZ, other_BZ)
        return scalars | self._train_generator(of_generator, fake_BCHW, wish, more)

    def _train_discriminator(
        self, optimizer: LightningOptimizer, batch: Batch, real_labels: Condition, fake_BCHW: Tensor, wish: Condition
    ) -> dict[str, Tensor]:
        real_BCHW, fake_BCHW = self._seen(batch.image_BCHW), self._seen(fake_BCHW)
        looks, head = self.discriminator.features, self.discriminator.head
        # Two passes: in one, BatchNorm would tell the discriminator which half of the batch is which.
        real_BF, fake_BF = looks(real_BCHW), looks(fake_BCHW)
        real_logits_B, fake_logits_B = head(real_BF, real_labels), head(fake_BF, wish)
        loss = self.loss.discriminator(real_logits_B, fake_logits_B)
        penalty = self.loss.penalty(lambda seen: self.discriminator(seen, real_labels), real_BCHW, fake_BCHW)
        labels_real, labels_fake = head.of_real(real_BF, batch.condition), head.of_fake(fake_BF, wish)
        norm = optimizer_step(self, optimizer, loss + penalty + labels_real + labels_fake, self.discriminator)
        return {
            "loss_discriminator": loss.detach(),
            "penalty": penalty.detach(),
            "labels_real": labels_real.detach(),
            "labels_fake": labels_fake.detach(),
            "real_logits_mean": real_logits_B.detach().mean(),
            "fake_logits_mean": fake_logits_B.detach().mean(),
            "gradient_norm_discriminator": norm,
        }

    def _train_generator(
        self, optimizer: LightningOptimizer, fake_BCHW: Tensor, wish: Condition, more: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        with frozen(self.discriminator):
            fake_BF = self.discriminator.features(self._seen(fake_BCHW))
            loss = self.loss.generator(self.discriminator.head(fake_BF, wish))
            labels = self.discriminator.head.of_generator(fake_BF, wish)
            norm = optimizer_step(self, optimizer, sum(more.values(), loss + labels), self.generator)
        return {
            "loss_generator": loss.detach(),
            "labels_generator": labels.detach(),
            **{name: part.detach() for name, part in more.items()},
            "gradient_norm_generator": norm,
        }

    def _seen(self, image_BCHW: Tensor) -> Tensor:
        """Pictures as the discriminator sees them."""
        return image_BCHW if self.augment is None else self.augment(image_BCHW)

    def settle(self) -> None:
        codes = iter(torch.split(self.generator.remembered_NL, ROWS))
        measure_statistics(
            self.generator, lambda noise: self.generator(noise.normal(self.z_dim), next(codes)), self.device
        )

    def generate(self, condition: Condition, noise: Noise, settings: Any, preview: Preview) -> Tensor:
        z_BZ = noise.normal(self.z_dim)
        code_BL = completed(code(condition, self.words), self.generator.remembered_NL, self.words, noise)
        return self.generator(z_BZ, code_BL)
