"""From a sketch at any stage to a portrait: the Lightning side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from anime_gen.blocks.cooldown import cooled_adam
from anime_gen.contract import Batch, Condition, GenerativeModule, Preview, UserError, at_least_float32
from anime_gen.families.sketch2style.drawing import begun, line_arts, roughly
from anime_gen.families.sketch2style.loss import negative_log_likelihood, pyramid_error
from anime_gen.families.sketch2style.network import Encoder
from anime_gen.noise import Noise, normal
from anime_gen.run.trained import load_style_space

# Shares of the line that is drawn are even up to this, and more than all is all: one sketch in five is whole.
MOST_SHARE = 1.25


@dataclass(frozen=True)
class Sketch2StyleSettings:
    """How to sample.

    Args:
        variety: how far what the sketch leaves open goes with the seed, 1: as far as faces do, 0: the likeliest face.
            Deviations are said of each number alone, and all together go further than the drawing allows: hence half.
        reference: the seed of a face whose colours all portraits take; null: each has those of its own seed.
    """

    variety: float = 0.5
    reference: int | None = None

    def __post_init__(self) -> None:
        if self.variety < 0:
            raise UserError(f"variety={self.variety}: give 0 or more")


class Sketch2Style(GenerativeModule):
    """S4 (Huang et al. 2023, AniFaceDrawing): partial sketches to the styles of a frozen StyleGAN2.

    Its coarse layers (structure) come of the sketch, its fine ones (colours) of a reference. It learns from pictures
    that the StyleGAN2 draws, whose styles are known, and from drawing processes that are simulated on their lines.

    Args:
        image_size, num_tags, attribute_sizes: linked from the data.
        style: the run of a StyleGAN2, or a checkpoint of one. It becomes part of every checkpoint: its run may then go.
        structure: layers of styles that come of the sketch, K; the others are the reference's.
        width: channels of the encoder at half the picture's side; they double with every halving.
        max_width: channels at most.
        partial: whether it learns from drawings at all stages, or from whole ones only.
        rough: share of the drawings that are a rough hand's.
        picture: weight of the picture's error beside that of the styles.
        lr: Adam's learning rate.
        betas: Adam's.
        cooldown: last part of the run, as a fraction of its steps, in which the learning rate falls to 0.
        settings: how to sample.

    Raises:
        UserError: no StyleGAN2, one of other pictures or labels, or a number that cannot be.
    """

    settings: Sketch2StyleSettings

    def __init__(
        self,
        image_size: int,
        num_tags: int = 0,
        attribute_sizes: list[int] | None = None,
        style: Path | None = None,
        structure: int = 5,
        width: int = 32,
        max_width: int = 256,
        partial: bool = True,
        rough: float = 0.5,
        picture: float = 1.0,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        cooldown: float = 0.5,
        settings: Sketch2StyleSettings | None = None,
    ) -> None:
        super().__init__(image_size)
        self.save_hyperparameters()
        if style is None:
            raise UserError(
                "model.style: sketches lead to the styles of a StyleGAN2; name its run, such as "
                "make experiment MODEL=sketch2style STYLE=runs/stylegan2/NAME, or --model.style=runs/stylegan2/NAME"
            )
        if not 0 <= rough <= 1 or picture < 0:
            raise UserError(f"model.rough={rough}, model.picture={picture}: give a share from 0 to 1, and 0 or more")
        if lr <= 0:
            raise UserError(f"model.lr={lr}: give a number above 0")
        if not 0 < cooldown <= 1:
            raise UserError(f"model.cooldown={cooldown}: give a fraction of the run, above 0 and up to 1")
        self.space, self._checkpoint_of_space = load_style_space(Path(style))
        if self.space.image_size != image_size:
            raise UserError(
                f"data.image_size={image_size}: {style} makes pictures of {self.space.image_size} pixels; "
                f"give data.image_size={self.space.image_size}"
            )
        for field, name, ours in (
            ("tags_BT", "num_tags", num_tags),
            ("attributes_BA", "attribute_sizes", attribute_sizes),
        ):
            if field in self.space.needs and self.space.hparams[name] != ours:
                raise UserError(f"model.style: {style} was told other labels than this data has; give its run's data")
        if not 0 < structure < self.space.num_layers:
            raise UserError(
                f"model.structure={structure}: {style} has {self.space.num_layers} layers of styles; give from 1 to "
                f"{self.space.num_layers - 1}"
            )
        self.network = Encoder(structure, self.space.style_width, image_size, width, max_width).to(
            memory_format=torch.channels_last
        )
        self.structure = structure
        self.partial, self.rough = partial, rough
        self.picture = picture
        self.lr, self.betas, self.cooldown = lr, betas, cooldown
        self.settings = settings or Sketch2StyleSettings()

    def needs_for(self, settings: Any) -> frozenset[str]:
        return self.space.needs | {"sketch_B1HW"}

    @property
    def averaged(self) -> nn.Module:
        return self.network

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.space.eval()
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["carried"] = {"style": self._checkpoint_of_space}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Portraits of styles, sketches of the portraits, and the styles of the sketches.

        Returns:
            `loss`, and detached: its parts, and the mean deviation that is said of whitened styles.
        """
        told, count = batch.condition.only(self.space.needs), len(batch.image_BCHW)
        if self.images_shown <= count * self.trainer.world_size:  # the first batch
            moments_2LD = torch.stack(self.space.moments(told, count))
            mean_KD, deviation_KD = self.trainer.strategy.reduce(moments_2LD, reduce_op="mean")[:, : self.structure]
            self.network.measure(mean_KD, deviation_KD)
        with torch.no_grad():
            w_BLD, colours_BLD = (self.space.map(self._latents(count), told) for _ in range(2))
            portrait_BCHW = self.space.synthesise(self._joined(w_BLD[:, : self.structure], colours_BLD))
            sketch_B1HW = self._drawn(portrait_BCHW)
        mean_BKD, log_deviation_BD = self.network(sketch_B1HW)
        white_BKD = self.network.whitened(w_BLD[:, : self.structure])
        styles = negative_log_likelihood(white_BKD, mean_BKD, log_deviation_BD)
        made_BCHW = self.space.synthesise(self._joined(self.network.styles(mean_BKD), colours_BLD))
        error = pyramid_error(at_least_float32(made_BCHW), at_least_float32(portrait_BCHW))
        scalars = {"styles": styles, "picture": error, "deviation": log_deviation_BD.exp().mean()}
        return {"loss": styles + self.picture * error, **{name: value.detach() for name, value in scalars.items()}}

    def _latents(self, count: int) -> Tensor:
        return normal(count, self.space.style_width, device=self.device)

    def _joined(self, structure_BKD: Tensor, colours_BLD: Tensor) -> Tensor:
        return torch.cat([structure_BKD, colours_BLD[:, self.structure :]], 1)

    def _drawn(self, portrait_BCHW: Tensor) -> Tensor:
        """Sketches of portraits, at a stage of their own each: (B, 1, H, W)."""
        ink_B1HW = line_arts(portrait_BCHW)
        if self.partial:
            ink_B1HW = begun(ink_B1HW, (MOST_SHARE * torch.rand(len(ink_B1HW))).clamp(max=1))
        sketch_B1HW = nn.functional.adaptive_avg_pool2d(roughly(ink_B1HW, self.rough), self.image_size)
        return sketch_B1HW.to(portrait_BCHW)

    def configure_optimizers(self) -> Any:
        return cooled_adam(self.trainer, self.network.parameters(), self.lr, self.betas, self.cooldown)

    def generate(self, condition: Condition, noise: Noise, settings: Sketch2StyleSettings, preview: Preview) -> Tensor:
        """What a sketch leaves open is filled with another face's styles, as far as it is open: with no line at all the
        portrait is that face. The StyleGAN2's own noise stays out, as in the portraits that the encoder learned of."""
        sketch_B1HW = condition["sketch_B1HW"].nan_to_num(0.0)  # no sketch is an empty one
        open_BD, colour_BD = (noise.normal(self.space.style_width) for _ in range(2))
        if settings.reference is not None:
            colour_BD = Noise([settings.reference], self.device).normal(self.space.style_width).expand_as(colour_BD)
        mean_BKD, log_deviation_BD = self.network(sketch_B1HW)
        other_BKD = self.network.whitened(self.space.map(open_BD, condition)[:, : self.structure])
        white_BKD = mean_BKD + settings.variety * log_deviation_BD.exp()[:, None] * other_BKD
        return self.space.synthesise(self._joined(self.network.styles(white_BKD), self.space.map(colour_BD, condition)))
