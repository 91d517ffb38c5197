"""Samplers behind one signature: (denoise, schedule, noise, shape, steps) -> pictures.

`denoise(x_t, t)` returns the network's x_0 for noisy pictures x_t (B, C, H, W) at the integer step t. All arithmetic is
float32; coefficients are computed in float64.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor

from anime_gen.contract import Noise
from anime_gen.families.diffusion.schedule import Schedule

Denoiser = Callable[[Tensor, int], Tensor]


class Sampler(ABC):
    """One way from noise to pictures. All its options are attributes: they are recorded beside every score."""

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"

    @abstractmethod
    def __call__(
        self, denoise: Denoiser, schedule: Schedule, noise: Noise, shape: tuple[int, ...], steps: int
    ) -> Tensor:
        """Pictures (B, *shape), B the number of streams in `noise`, after `steps` calls of `denoise`."""


def _levels(schedule: Schedule, steps: int) -> list[tuple[int, float, float]]:
    """(t, alpha_bar_t, alpha_bar of the next, cleaner step) for each step; the last one's next is 1, no noise."""
    times = schedule.trailing(steps)
    bars = [float(schedule.alpha_bar[t]) for t in times] + [1.0]
    return [(t, bars[i], bars[i + 1]) for i, t in enumerate(times)]


class DDIM(Sampler):
    """Song et al. 2021, eq. 12 and 16. `eta` 0 is deterministic, 1 has the variance of DDPM's posterior."""

    def __init__(self, eta: float = 0.0) -> None:
        self.eta = eta

    def __call__(
        self, denoise: Denoiser, schedule: Schedule, noise: Noise, shape: tuple[int, ...], steps: int
    ) -> Tensor:
        x = noise.normal(*shape)
        for t, bar, bar_next in _levels(schedule, steps):
            x_0 = denoise(x, t)
            eps = (x - math.sqrt(bar) * x_0) / math.sqrt(1 - bar)
            deviation = self.eta * math.sqrt((1 - bar_next) / (1 - bar) * (1 - bar / bar_next))
            x = math.sqrt(bar_next) * x_0 + math.sqrt(max(1 - bar_next - deviation**2, 0.0)) * eps
            if deviation > 0:
                x = x + deviation * noise.normal(*shape)
        return x


class DDPM(DDIM):
    """Ancestral sampling (Ho et al. 2020, algorithm 2, with the posterior variance of eq. 7): DDIM with eta = 1.

    The noise enters with the standard DEVIATION (one thesis prints beta_t z, the variance).
    """

    def __init__(self) -> None:
        super().__init__(eta=1.0)


class DPMSolverPP(Sampler):
    """DPM-Solver++(2M), deterministic, second order (Lu et al. 2022, algorithm 2). The last step is first order."""

    def __call__(
        self, denoise: Denoiser, schedule: Schedule, noise: Noise, shape: tuple[int, ...], steps: int
    ) -> Tensor:
        x = noise.normal(*shape)
        x_0_before: Tensor | None = None
        h_before = 0.0
        for t, bar, bar_next in _levels(schedule, steps):
            x_0 = denoise(x, t)
            if bar_next == 1.0:  # lambda is infinite there: the step's exact limit is x_0 itself
                return x_0
            half_log_snr = 0.5 * math.log(bar / (1 - bar))
            h = 0.5 * math.log(bar_next / (1 - bar_next)) - half_log_snr
            d = x_0
            if x_0_before is not None:
                r = h_before / h
                d = (1 + 0.5 / r) * x_0 - (0.5 / r) * x_0_before
            x = math.sqrt((1 - bar_next) / (1 - bar)) * x - math.sqrt(bar_next) * math.expm1(-h) * d
            x_0_before, h_before = x_0, h
        return x
