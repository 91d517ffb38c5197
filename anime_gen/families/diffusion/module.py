"""Conditional diffusion: the Lightning side."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from anime_gen.conditions import KINDS, Condition
from anime_gen.contract import Batch, GenerativeModule, LatentSpace, Preview, UserError, unseen
from anime_gen.families.diffusion.classifier import NoisedClassifier, shift
from anime_gen.families.diffusion.conditions import (
    AttributeEncoder,
    Conditions,
    Encoder,
    Form,
    Guide,
    LandmarkForm,
    LandmarkLatent,
    PictureEncoder,
    Sizes,
    TagEncoder,
    TextForm,
)
from anime_gen.families.diffusion.guidance import Active, Dropping, Scales, branches, guided, rescaled, scales
from anime_gen.families.diffusion.loss import Emphasis, Plain, Target, Velocity, Weighting, weighted_squared_error
from anime_gen.families.diffusion.network import Backbone, UNet
from anime_gen.families.diffusion.optimizer import Optimizer
from anime_gen.families.diffusion.sampler import Denoiser, DPMSolverPP, Sampler
from anime_gen.families.diffusion.schedule import Cosine, Level, Schedule
from anime_gen.noise import Noise, normal_like
from anime_gen.run.trained import load_latent_space

# Latents have deviation 1: what lies further out is a network's mistake at the noisiest levels, where it is amplified.
LATENT_BOUND = 5.0


@dataclass(frozen=True)
class DiffusionSettings:
    """How pictures are sampled.

    Args:
        steps: evaluations of the network (each on several copies of the batch, see guidance).
        guidance: 1 plain conditional, more follows the conditions harder; one number, or one for each kind that is told
            (`attributes`, `tags`, `text`, `landmarks`, `sketch`, `hint`). One number costs two copies of the batch,
            each further number one more.
        rescale: share of the contrast that guidance adds which is taken back, 0 to 1 (Lin et al. 2024, section 3.4).
        interval: guidance only at noise levels sigma / alpha between these two (Kynkaanniemi et al. 2024); elsewhere
            the plain conditional prediction, at half the cost. None: everywhere.
        sampler: how a step is taken.
        classifier_scale: classifier guidance on top, towards the classes and tags asked for (Dhariwal & Nichol 2021):
            1 is Bayes' rule, 0 none. The run needs a classifier: `anime-gen classifier RUN`. A step costs one
            evaluation of it and one backward pass more.

    Raises:
        UserError: no steps, a share outside [0, 1], an empty interval, a negative scale of the classifier, or guidance
            for an unknown kind of condition.
    """

    steps: int = 20
    guidance: float | dict[str, float] = 2.0
    rescale: float = 0.0
    interval: tuple[float, float] | None = None
    sampler: Sampler = field(default_factory=DPMSolverPP)
    classifier_scale: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"steps must be at least 1, not {self.steps}")
        if not 0 <= self.rescale <= 1:
            raise UserError(f"rescale={self.rescale}: give a share from 0 to 1")
        if self.interval is not None and not 0 <= self.interval[0] < self.interval[1]:
            raise UserError(f"interval={list(self.interval)}: give two noise levels, the lower first")
        if not self.classifier_scale >= 0:
            raise UserError(f"classifier_scale={self.classifier_scale}: give 0 (none) or more")
        scales(self.guidance)

    def __repr__(self) -> str:
        extra = f", rescale {self.rescale}" if self.rescale else ""
        extra += f", guided from sigma {self.interval[0]} to {self.interval[1]}" if self.interval else ""
        extra += f", classifier scale {self.classifier_scale}" if self.classifier_scale else ""
        return f"{self.sampler}, {self.steps} steps, guidance {self.guidance}{extra}"

    def guided_at(self, level: Level) -> bool:
        """Whether a noise level lies in the interval."""
        if self.interval is None:
            return True
        low, high = (bound * level.alpha for bound in self.interval)
        return low <= level.sigma <= high

    def guidance_at(self, level: Level) -> Scales:
        """The scales at one noise level."""
        return self.guidance if self.guided_at(level) else 1.0


class Denoising(nn.Module):
    """What is averaged and sampled: the network and the encoders of what it is told."""

    def __init__(self, backbone: Backbone, conditions: Conditions) -> None:
        super().__init__()
        self.backbone = backbone
        self.conditions = conditions

    def forward(self, x: Tensor, noise_label_B: Tensor, condition: Condition, active: Active) -> Tensor:
        """(B, C, H, W) of what the schedule and the target make of the noisy pictures -> (B, C, H, W)."""
        return self.backbone(x, noise_label_B, self.guide(condition, active, x.shape[0], x.shape[-1]))

    def guide(self, condition: Condition, active: Active, batch: int, size: int) -> Guide:
        """All that is told of `batch` pictures (or latents) of `size` x `size`: the same at every noise level."""
        return self.conditions(condition, active, batch, size // self.backbone.patch)


class Diffusion(GenerativeModule):
    """Diffusion and flows on every condition there is, with classifier-free guidance.

    A process is a `schedule` (which noise), a `target` (what is predicted) and a `weighting` (which errors count):
    DDPM is Linear and Epsilon, EDM is EDM and Preconditioned, a rectified flow is Flow and FlowVelocity.

    Args:
        image_size, num_tags, attribute_sizes, num_landmarks, text_width: linked from the data; 0 and []
            train without them.
        network: predicts the target.
        latent: the run of an autoencoder, or a checkpoint of one: diffusion works on its latents rather than on pixels
            (Rombach et al. 2022). The frozen autoencoder becomes part of every checkpoint: its run may then go.
        attributes, tags: whether exclusive classes and tags are told, where the data has them.
        landmarks: how landmarks are told, where the data has them; null for not at all.
        text: how captions are read; null for not at all.
        sketch: whether line art is told.
        conditions: further kinds that are told, each by its form.
        schedule: noise levels.
        target: what the network predicts.
        weighting: how much each noise level counts.
        emphasis: where in a picture errors count more, where landmarks are told.
        dropping: how often conditions are hidden in training.
        settings: how to sample.
        optimizer: how fast it learns, and when.
    """

    settings: DiffusionSettings

    def __init__(
        self,
        image_size: int,
        num_tags: int = 0,
        attribute_sizes: list[int] | None = None,
        num_landmarks: int = 0,
        text_width: int = 0,
        network: Backbone | None = None,
        latent: Path | None = None,
        attributes: bool = True,
        tags: bool = True,
        landmarks: LandmarkForm | None = LandmarkLatent(),  # noqa: B008  options only
        text: TextForm | None = None,
        sketch: bool = False,
        conditions: list[Form] | None = None,
        schedule: Schedule | None = None,
        target: Target | None = None,
        weighting: Weighting | None = None,
        emphasis: Emphasis = Emphasis(),  # noqa: B008
        dropping: Dropping = Dropping(),  # noqa: B008  an immutable tuple
        settings: DiffusionSettings | None = None,
        optimizer: Optimizer = Optimizer(),  # noqa: B008
    ) -> None:
        super().__init__(image_size)
        self.save_hyperparameters()
        backbone = network or UNet()
        self.space: LatentSpace | None = None
        if latent is not None:
            self.space, self._checkpoint_of_space = load_latent_space(Path(latent))
            if self.space.image_size != image_size:
                raise UserError(
                    f"data.image_size={image_size}: the autoencoder {latent} was trained on pictures of "
                    f"{self.space.image_size} pixels; give data.image_size={self.space.image_size}"
                )
        channels, factor = (self.space.latent_channels, self.space.factor) if self.space else (3, 1)
        if backbone.in_channels != channels:
            what = "latents" if self.space else "pictures (there is no model.latent)"
            raise UserError(
                f"model.network.in_channels={backbone.in_channels}: the {what} have {channels} channels; "
                f"give model.network.in_channels={channels}"
            )
        backbone.check(image_size, factor)
        # Conditions are drawn at the size of the picture, and so keep what is finer than a place of the latents.
        vector, width, patch = backbone.vector, backbone.latent, factor * backbone.patch
        sizes = Sizes(attribute_sizes or [], num_tags, num_landmarks, text_width, vector, width, patch)
        encoders: dict[str, Encoder] = {}
        if attributes and attribute_sizes:
            encoders["attributes"] = AttributeEncoder(attribute_sizes, vector)
        if tags and num_tags:
            encoders["tags"] = TagEncoder(num_tags, vector)
        if text is not None:
            encoders["text"] = text.encoder(sizes)
        if landmarks is not None and num_landmarks:
            encoders["landmarks"] = landmarks.encoder(sizes)
        if sketch:
            encoders["sketch"] = PictureEncoder("sketch_B1HW", 1, width, patch)
        encoders |= {form.kind: form.encoder(sizes) for form in conditions or []}
        self.network = Denoising(backbone, Conditions(encoders, vector, width, patch)).to(
            memory_format=torch.channels_last
        )
        # What it may be told, from the loosest to the tightest.
        self.kinds = [kind for kind in KINDS if kind in encoders]
        self.schedule = schedule or Cosine()
        self.target = target or Velocity()
        self.target.check(self.schedule)
        self.weighting = weighting or Plain()
        self.emphasis = emphasis
        self.emphasis.check()
        self.dropping = dropping
        self.dropping.check()
        self.settings = settings or DiffusionSettings()
        self.levels(self.settings)  # refuses too many steps now rather than at the first scoring
        self.optimizer = optimizer
        self.optimizer.check()

    def needs_for(self, settings: DiffusionSettings) -> frozenset[str]:
        needs = self.network.conditions.needs
        return needs | self.classifier.needs if settings.classifier_scale else needs

    @cached_property
    def classifier(self) -> NoisedClassifier:
        """That of the run the weights come from. Cached, it is no submodule: no checkpoint holds it.

        Raises:
            UserError: there is none.
        """
        if self.space is not None:
            raise UserError("classifier_scale: the classifier reads noisy pictures, and this run works on latents")
        if self.run_folder is None:
            raise UserError(
                "classifier_scale: there is no classifier before there is a run; train the run first, then the "
                "classifier with: anime-gen classifier RUN"
            )
        return NoisedClassifier.load(self.run_folder)

    @property
    def averaged(self) -> nn.Module:
        return self.network

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.space is not None:
            self.space.eval()
        return self

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.space is not None:
            checkpoint["carried"] = {"latent": self._checkpoint_of_space}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        x_0 = batch.image_BCHW
        if self.space is not None:
            with torch.no_grad():
                x_0 = self.space.encode(x_0)
        x_0 = x_0.contiguous(memory_format=torch.channels_last)
        count, device = len(x_0), x_0.device
        t = self.schedule.draw_times(count, device)
        eps = normal_like(x_0)
        a, s = (scale.float()[:, None, None, None] for scale in self.schedule.scales(t))
        seen = self.target.input(a * x_0 + s * eps, a, s)
        condition = self.dropping.hide_words(batch.condition)
        active = self.dropping.draw(self.kinds, count, device)
        prediction = self.network(seen, self.schedule.noise_label(t), condition, active)
        weight = self.weighting(self.target, a, s)
        if self.emphasis.pupils and "landmarks" in active and condition.landmarks_BK2 is not None:
            weight = weight * self.emphasis(condition.landmarks_BK2, active["landmarks"], x_0.shape[-1])
        return {"loss": weighted_squared_error(prediction, self.target.of(x_0, eps, a, s), weight)}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        nn.utils.clip_grad_norm_(self.network.parameters(), self.optimizer.max_gradient_norm)

    def configure_optimizers(self) -> Any:
        if self.trainer.gradient_clip_val:
            raise UserError("diffusion clips its gradients itself: give --model.optimizer.max_gradient_norm")
        optimizer = self.optimizer.made(
            self.network.backbone.matrices(),
            self.network.parameters(),
            # float16's gradients must be unscaled before they are clipped; a fused step would unscale them after.
            fused=self.trainer.precision != "16-mixed",
        )
        steps = self.trainer.estimated_stepping_batches  # infinite for a run without an end

        # Everything is read anew at every step: a resumed run needs no state for it, and one that was given more epochs
        # trains on at the full rate.
        def rate(_: int) -> float:
            return self.optimizer.rate(self.images_shown, 1 - self.trainer.global_step / steps)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def levels(self, settings: DiffusionSettings) -> list[Level]:
        """The noise levels that sampling visits, the picture last."""
        return self.schedule.levels(settings.sampler.levels_for(settings.steps))

    def generate(self, condition: Condition, noise: Noise, settings: DiffusionSettings, preview: Preview) -> Tensor:
        channels, factor = (self.space.latent_channels, self.space.factor) if self.space else (3, 1)
        shape = (channels, self.image_size // factor, self.image_size // factor)
        done = 0

        def look(level: Level, x_0: Tensor) -> None:
            nonlocal done
            done += 1
            preview(done / settings.steps, self.pictures(x_0))

        denoise = self.denoiser(condition, len(noise), settings)
        callback = None if preview is unseen else look  # a latent is not decoded for nobody
        return self.pictures(settings.sampler(denoise, self.levels(settings), noise, shape, callback))

    def pictures(self, x_0: Tensor) -> Tensor:
        """What is diffused, as pictures."""
        return x_0 if self.space is None else self.space.decode(x_0)

    def denoiser(self, condition: Condition, count: int, settings: DiffusionSettings) -> Denoiser:
        """x_0 of noisy pictures under guidance, clipped to the range of pictures or latents, for a sampler."""
        bound = 1.0 if self.space is None else LATENT_BOUND
        guides: dict[tuple[frozenset[str], ...], Guide] = {}  # read once, not at every noise level

        def denoise(x: Tensor, level: Level) -> Tensor:
            a, s = (torch.full((1, 1, 1, 1), scale, device=x.device) for scale in (level.alpha, level.sigma))
            seen = self.target.input(x, a, s)

            guided_by = branches(frozenset(self.kinds), settings.guidance_at(level))
            states = tuple(state for state, _ in guided_by)

            def predict(active: Active, copies: int) -> Tensor:
                noisy = seen.repeat(copies, 1, 1, 1).contiguous(memory_format=torch.channels_last)
                if states not in guides:
                    repeated = condition.map(lambda part: part.repeat(copies, *[1] * (part.dim() - 1)))
                    guides[states] = self.network.guide(repeated, active, len(noisy), x.shape[-1])
                time = torch.full((len(noisy),), level.noise_label, device=x.device)
                return self.network.backbone(noisy, time, guides[states])

            prediction, plain = guided(predict, self.kinds, count, guided_by, x.device)
            x_0 = self.target.x_0(prediction, x, a, s)
            if settings.rescale and len(guided_by) > 1:
                x_0 = rescaled(x_0, self.target.x_0(plain, x, a, s), settings.rescale)
            if settings.classifier_scale and settings.guided_at(level):
                x_0 = x_0 + settings.classifier_scale * shift(self.classifier, x, level, condition)
            return x_0.clamp(-bound, bound)

        return denoise
