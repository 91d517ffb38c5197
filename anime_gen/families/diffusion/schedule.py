"""Noise schedules of variance-preserving diffusion: x_t = alpha_t x_0 + sigma_t eps, alpha_t^2 + sigma_t^2 = 1.

`alpha_bar` is alpha_t^2, the running PRODUCT of (1 - beta_i) (Ho et al. 2020, eq. 4; one thesis prints the product of
(1 - alpha_i), which is something else).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from anime_gen.contract import UserError


class Schedule(ABC):
    """`alpha_bar` (T,) float64 in (0, 1), falling; step t is the t-th of T noise levels, 0 the cleanest."""

    def __init__(self, timesteps: int) -> None:
        if timesteps < 1:
            raise UserError(f"schedule.timesteps={timesteps}: give at least 1 noise level")
        self.timesteps = timesteps
        self.alpha_bar = self._alpha_bar()

    @abstractmethod
    def _alpha_bar(self) -> Tensor: ...

    def alpha(self, t: Tensor) -> Tensor:
        """Signal scale at steps t (any shape, int64), float32 on t's device."""
        return self.alpha_bar.to(t.device)[t].sqrt().float()

    def sigma(self, t: Tensor) -> Tensor:
        """Noise standard deviation at steps t (any shape, int64), float32 on t's device."""
        return (1 - self.alpha_bar.to(t.device)[t]).sqrt().float()

    def trailing(self, steps: int) -> list[int]:
        """`steps` distinct time steps from T - 1 downwards ("trailing" spacing, Lin et al. 2024, table 2).

        The "leading" spacing that many samplers default to never starts at the noisiest step.

        Raises:
            UserError: more steps than there are noise levels.
        """
        if steps > self.timesteps:
            raise UserError(f"steps={steps}: the schedule has {self.timesteps} noise levels; give at most as many")
        return [round(self.timesteps - i * self.timesteps / steps) - 1 for i in range(steps)]


class Linear(Schedule):
    """beta from `first` to `last` in equal steps (Ho et al. 2020, section 4: 1e-4 to 0.02, T = 1000)."""

    def __init__(self, timesteps: int = 1000, first: float = 1e-4, last: float = 0.02) -> None:
        self.first, self.last = first, last
        super().__init__(timesteps)

    def _alpha_bar(self) -> Tensor:
        beta = torch.linspace(self.first, self.last, self.timesteps, dtype=torch.float64)
        return (1 - beta).cumprod(0)


class Cosine(Schedule):
    """alpha_bar = cos^2((t/T + s) / (1 + s) pi/2), normalised (Nichol & Dhariwal 2021, eq. 17), beta at most 0.999."""

    def __init__(self, timesteps: int = 1000, offset: float = 0.008) -> None:
        self.offset = offset
        super().__init__(timesteps)

    def _alpha_bar(self) -> Tensor:
        t = torch.arange(self.timesteps + 1, dtype=torch.float64) / self.timesteps
        f = ((t + self.offset) / (1 + self.offset) * math.pi / 2).cos().square()
        beta = (1 - f[1:] / f[:-1]).clamp(max=0.999)
        return (1 - beta).cumprod(0)
