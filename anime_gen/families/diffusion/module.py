"""Conditional diffusion: the Lightning side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from anime_gen.contract import Batch, Condition, GenerativeModule, Noise, UserError
from anime_gen.families.diffusion.guidance import Dropping, Told, guided, scales
from anime_gen.families.diffusion.loss import Target, Velocity, mean_squared_error
from anime_gen.families.diffusion.network import UNet
from anime_gen.families.diffusion.sampler import Denoiser, DPMSolverPP, Sampler
from anime_gen.families.diffusion.schedule import Cosine, Schedule


@dataclass(frozen=True)
class DiffusionSettings:
    """How pictures are sampled.

    Args:
        steps: evaluations of the network (each on one to three copies of the batch, see guidance).
        guidance: 1 plain conditional, more follows the condition harder; one number, or one for each of `labels` and
            `landmarks`.
        sampler: how a step is taken.

    Raises:
        UserError: no steps, or guidance for a kind of condition that there is not.
    """

    steps: int = 20
    guidance: float | dict[str, float] = 2.0
    sampler: Sampler = field(default_factory=DPMSolverPP)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"steps must be at least 1, not {self.steps}")
        scales(self.guidance)

    def __repr__(self) -> str:
        return f"{self.sampler}, {self.steps} steps, guidance {self.guidance}"


class Diffusion(GenerativeModule):
    """Pixel-space diffusion on tags, attributes and the landmark latent, with classifier-free guidance.

    Args:
        image_size, num_tags, attribute_sizes, num_landmarks: linked from the data; 0 and [] train without them.
        channels, patch, blocks, dropout, attention, landmark_spread: see `UNet`.
        schedule: noise levels.
        target: what the network predicts.
        dropping: how often conditions are hidden in training.
        settings: how to sample.
        lr, betas, weight_decay: AdamW.
        max_gradient_norm: the gradient of all parameters is scaled down to at most this L2 norm.
        warmup_images: images over which the learning rate rises from 0.
        cooldown: last part of the run, as a fraction of its images, in which the learning rate falls to 0 again
            (Haegele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training durations").
    """

    settings: DiffusionSettings

    def __init__(
        self,
        image_size: int,
        num_tags: int = 0,
        attribute_sizes: list[int] | None = None,
        num_landmarks: int = 0,
        channels: list[int] | None = None,
        patch: int = 2,
        blocks: int = 1,
        dropout: float = 0.0,
        attention: bool = True,
        landmark_spread: float = 1.0,
        schedule: Schedule | None = None,
        target: Target | None = None,
        dropping: Dropping = Dropping(),  # noqa: B008  an immutable tuple
        settings: DiffusionSettings | None = None,
        lr: float = 6e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        max_gradient_norm: float = 1.0,
        warmup_images: int = 5000,
        cooldown: float = 0.4,
    ) -> None:
        super().__init__(image_size)
        self.save_hyperparameters()
        channels = channels or [64, 128, 128]
        if patch < 1 or lr <= 0:
            raise UserError(f"model.patch={patch} must be at least 1 and model.lr={lr} above 0")
        coarsest = patch * 2 ** (len(channels) - 1)
        if image_size % coarsest:
            raise UserError(
                f"data.image_size={image_size}: patches of {patch} pixels that are halved {len(channels) - 1} times "
                f"need a multiple of {coarsest}; change it, or give a smaller model.patch or fewer model.channels"
            )
        if any(width % 8 for width in channels):
            raise UserError(f"model.channels={channels}: each must be a multiple of 8, the number of norm groups")
        self.num_tags, self.attribute_sizes = num_tags, attribute_sizes or []
        self.num_landmarks = num_landmarks
        self.network = UNet(
            num_tags=num_tags,
            attribute_sizes=self.attribute_sizes,
            num_landmarks=num_landmarks,
            channels=channels,
            patch=patch,
            blocks=blocks,
            dropout=dropout,
            attention=attention,
            landmark_spread=landmark_spread,
        ).to(memory_format=torch.channels_last)
        self.schedule = schedule or Cosine()
        self.target = target or Velocity()
        self.dropping = dropping
        self.dropping.check()
        self.settings = settings or DiffusionSettings()
        self.schedule.trailing(self.settings.steps)  # refuses too many now rather than at the first scoring
        self.lr, self.betas, self.weight_decay = lr, betas, weight_decay
        self.max_gradient_norm = max_gradient_norm
        self.warmup_images = warmup_images
        if not 0 <= cooldown <= 1:
            raise UserError(f"model.cooldown={cooldown}: give a fraction of the run, from 0 (none) to 1")
        self.cooldown = cooldown

    @property
    def needs(self) -> frozenset[str]:
        given = {
            "tags_BT": self.num_tags,
            "attributes_BA": self.attribute_sizes,
            "landmarks_BK2": self.num_landmarks,
            "visible_BK": self.num_landmarks,
        }
        return frozenset(name for name, count in given.items() if count)

    @property
    def averaged(self) -> nn.Module:
        return self.network

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        x_0 = batch.image_BCHW.contiguous(memory_format=torch.channels_last)
        count = len(x_0)
        # One time in each of B equal slices: the same uniform distribution with less variance between batches
        # (Kingma et al. 2021, appendix I.1).
        slices = (torch.randperm(count, device=x_0.device) + torch.rand(count, device=x_0.device)) / count
        t = (slices * self.schedule.timesteps).long()
        eps = torch.randn_like(x_0)
        a, s = (level[:, None, None, None] for level in (self.schedule.alpha(t), self.schedule.sigma(t)))
        told = self.dropping.draw(count, x_0.device)
        condition = self.dropping.hide_words(batch.condition)
        prediction = self.network(a * x_0 + s * eps, t, condition, told)
        return {"loss": mean_squared_error(prediction, self.target.of(x_0, eps, a, s))}

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        nn.utils.clip_grad_norm_(self.network.parameters(), self.max_gradient_norm)

    def configure_optimizers(self) -> Any:
        if self.trainer.gradient_clip_val:
            raise UserError("diffusion clips its gradients itself: give --model.max_gradient_norm")
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.lr,
            betas=self.betas,
            weight_decay=self.weight_decay,
            # float16's gradients must be unscaled before they are clipped; a fused step would unscale them after.
            fused=self.trainer.precision != "16-mixed",
        )
        steps = self.trainer.estimated_stepping_batches  # infinite for a run without an end

        # Warm-up is counted in images, so that it means the same at every batch size. Everything is read anew at every
        # step: a resumed run needs no state for it, and one that was given more epochs trains on at the full rate.
        def rate(_: int) -> float:
            warmth = (self.images_shown + 1) / max(self.warmup_images, 1)
            left = 1 - self.trainer.global_step / steps
            return max(0.0, min(1.0, warmth, left / self.cooldown if self.cooldown else 1.0))

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def generate(self, condition: Condition, noise: Noise) -> Tensor:
        shape = (3, self.image_size, self.image_size)
        return self.settings.sampler(
            self.denoiser(condition, len(noise), self.settings.guidance if self.needs else 1.0),
            self.schedule,
            noise,
            shape,
            self.settings.steps,
        )

    def denoiser(self, condition: Condition, count: int, guidance: float | Mapping[str, float]) -> Denoiser:
        """x_0 of noisy pictures under guidance, clipped to the range of pictures, for a sampler."""

        def denoise(x: Tensor, t: int) -> Tensor:
            time = torch.tensor([t], device=x.device)
            a, s = (level[:, None, None, None] for level in (self.schedule.alpha(time), self.schedule.sigma(time)))

            def predict(told: Told, copies: int) -> Tensor:
                repeated = condition.map(lambda part: part.repeat(copies, *[1] * (part.dim() - 1)))
                noisy = x.repeat(copies, 1, 1, 1).contiguous(memory_format=torch.channels_last)
                prediction: Tensor = self.network(noisy, time.expand(len(noisy)), repeated, told)
                return prediction

            x_0 = self.target.x_0(guided(predict, count, guidance, x.device), x, a, s)
            return x_0.clamp(-1, 1)

        return denoise
