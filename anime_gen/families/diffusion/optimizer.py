"""How the network is optimised: Muon or AdamW, its rate over a run, and where gradients are clipped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import nn

from anime_gen.blocks.muon import Muon
from anime_gen.contract import UserError


class Optimizer(NamedTuple):
    """Muon or AdamW, warmed up and cooled down.

    Args:
        muon: whether hidden matrices are stepped by `Muon`; all else is by AdamW.
        lr: the rate at its height.
        betas: AdamW's.
        weight_decay: of both.
        max_gradient_norm: the gradient of all parameters is scaled down to at most this L2 norm.
        warmup_images: images over which the learning rate rises from 0.
        cooldown: last part of the run, as a fraction of its images, in which the learning rate falls to 0 again
            (Haegele et al. 2024, "Scaling laws and compute-optimal training beyond fixed training durations").
    """

    muon: bool = False
    lr: float = 6e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    max_gradient_norm: float = 1.0
    warmup_images: int = 5000
    cooldown: float = 0.4

    def check(self) -> None:
        """Raises UserError where a number cannot be."""
        if self.lr <= 0:
            raise UserError(f"model.optimizer.lr={self.lr}: give a number above 0")
        if not 0 <= self.cooldown <= 1:
            raise UserError(f"model.optimizer.cooldown={self.cooldown}: give a fraction of the run, from 0 (none) to 1")

    def made(
        self, matrices: Iterable[nn.Parameter], all_weights: Iterable[nn.Parameter], fused: bool
    ) -> torch.optim.AdamW:
        """The optimiser of these weights, some of which are hidden matrices."""
        if not self.muon:
            return torch.optim.AdamW(all_weights, self.lr, self.betas, weight_decay=self.weight_decay, fused=fused)
        hidden = list(matrices)
        known = {id(weight) for weight in hidden}
        others = [weight for weight in all_weights if id(weight) not in known]
        return Muon(hidden, others, self.lr, self.betas, self.weight_decay, fused)

    def rate(self, images_shown: int, left: float) -> float:
        """The share of `lr` that a step takes, in [0, 1].

        Warm-up is counted in images, so that it means the same at every batch size.

        Args:
            images_shown: before the step.
            left: of the run, as a fraction of it.
        """
        warmth = (images_shown + 1) / max(self.warmup_images, 1)
        return max(0.0, min(1.0, warmth, left / self.cooldown if self.cooldown else 1.0))
