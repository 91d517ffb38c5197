"""Noise schedules: x_t = alpha_t x_0 + sigma_t eps for times t in [0, 1], 0 the picture and 1 the noise.

Every process here is one of these, and differs from the others only in how the picture fades (alpha), how the noise
rises (sigma), and which times training and sampling visit. Samplers and targets know nothing but `Level`s.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from anime_gen.contract import UserError


class Level(NamedTuple):
    """One noise level of a sampler's way: the number that the network is told of it, and both scales."""

    noise_label: float
    alpha: float
    sigma: float


class Schedule(ABC):
    """Which noise levels there are.

    `scales` may be asked for any t in [0, 1] and any shape, and answers in float64: 1 - alpha^2 loses everything in
    float32 at the clean end.
    """

    @abstractmethod
    def scales(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """(alpha_t, sigma_t), float64, of t's shape."""

    def noise_label(self, t: Tensor) -> Tensor:
        """The number that the network is told of a time, about 0 .. 1000, float32, of t's shape."""
        return 1000 * t.float()

    def training_times(self, u: Tensor) -> Tensor:
        """Times for training from u, uniform in (0, 1): float64, of u's shape."""
        return u.double()

    def draw_times(self, count: int, device: torch.device) -> Tensor:
        """Times of a training batch, (count,) float64: one u in each of `count` equal slices.

        The same distribution as independent draws, with less variance between batches (Kingma et al. 2021, appendix
        I.1).
        """
        u = (torch.randperm(count, device=device) + torch.rand(count, device=device, dtype=torch.float64)) / count
        return self.training_times(u)

    @abstractmethod
    def sampling_times(self, steps: int) -> list[float]:
        """`steps` times from the noisiest downwards; the picture itself, which follows, is not among them."""

    def levels(self, steps: int) -> list[Level]:
        """A sampler's way: `steps` levels and the picture.

        Raises:
            UserError: fewer than one step, or more than the schedule has levels.
        """
        if steps < 1:
            raise UserError(f"steps={steps}: give at least 1")
        times = torch.tensor(self.sampling_times(steps), dtype=torch.float64)
        return [*self.at(times), Level(math.nan, 1.0, 0.0)]

    def at(self, times: Tensor) -> list[Level]:
        """The levels of some times, (N,)."""
        labels, (alphas, sigmas) = self.noise_label(times), self.scales(times)
        return [Level(*level) for level in zip(labels.tolist(), alphas.tolist(), sigmas.tolist(), strict=True)]


class Discrete(Schedule):
    """Variance-preserving diffusion over T noise levels: alpha_t^2 = alpha_bar, sigma_t^2 = 1 - alpha_bar.

    `alpha_bar` (T,) float64, falling, is the running PRODUCT of (1 - beta_i) (Ho et al. 2020, eq. 4; one thesis prints
    the product of (1 - alpha_i), which is something else). Time t stands for the level floor(t T), and the network is
    told its number, scaled to 0 .. 1000.
    """

    def __init__(self, timesteps: int) -> None:
        if timesteps < 1:
            raise UserError(f"schedule.timesteps={timesteps}: give at least 1 noise level")
        self.timesteps = timesteps
        self.alpha_bar = self._alpha_bar()
        # One copy a device: training must not wait for a copy in every step.
        self._tables: dict[torch.device, tuple[Tensor, Tensor]] = {}

    @abstractmethod
    def _alpha_bar(self) -> Tensor: ...

    def _index(self, t: Tensor) -> Tensor:
        # The small nudge: (i / T) * T may round to just below i.
        return (t.double() * self.timesteps + 1e-6).long().clamp(max=self.timesteps - 1)

    def scales(self, t: Tensor) -> tuple[Tensor, Tensor]:
        if t.device not in self._tables:
            alpha_bar = self.alpha_bar.to(t.device)
            self._tables[t.device] = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        alpha, sigma = self._tables[t.device]
        index = self._index(t)
        return alpha[index], sigma[index]

    def noise_label(self, t: Tensor) -> Tensor:
        return self._index(t).float() * (1000 / self.timesteps)

    def sampling_times(self, steps: int) -> list[float]:
        """Distinct levels from T - 1 downwards ("trailing" spacing, Lin et al. 2024, table 2).

        The "leading" spacing that many samplers default to never starts at the noisiest level.
        """
        if steps > self.timesteps:
            raise UserError(f"steps={steps}: the schedule has {self.timesteps} noise levels; give at most as many")
        return [(round(self.timesteps - i * self.timesteps / steps) - 1) / self.timesteps for i in range(steps)]


class Linear(Discrete):
    """beta from `first` to `last` in equal steps (Ho et al. 2020, section 4: 1e-4 to 0.02, T = 1000)."""

    def __init__(self, timesteps: int = 1000, first: float = 1e-4, last: float = 0.02) -> None:
        self.first, self.last = first, last
        super().__init__(timesteps)

    def _alpha_bar(self) -> Tensor:
        beta = torch.linspace(self.first, self.last, self.timesteps, dtype=torch.float64)
        return (1 - beta).cumprod(0)


class Cosine(Discrete):
    """alpha_bar = cos^2((t/T + s) / (1 + s) pi/2), normalised (Nichol & Dhariwal 2021, eq. 17), beta at most 0.999."""

    def __init__(self, timesteps: int = 1000, offset: float = 0.008) -> None:
        self.offset = offset
        super().__init__(timesteps)

    def _alpha_bar(self) -> Tensor:
        t = torch.arange(self.timesteps + 1, dtype=torch.float64) / self.timesteps
        f = ((t + self.offset) / (1 + self.offset) * math.pi / 2).cos().square()
        beta = (1 - f[1:] / f[:-1]).clamp(max=0.999)
        return (1 - beta).cumprod(0)


class ZeroTerminalSNR(Linear):
    """The linear schedule, rescaled so that nothing of the picture is left at the last level.

    Lin et al. 2024, "Common diffusion noise schedules and sample steps are flawed", algorithm 1: sqrt(alpha_bar) is
    shifted so that its last value is 0, and scaled so that its first stays. Sampling begins with pure noise, so
    training must have seen it. Noise says nothing of the picture there: a network that predicts it (`Epsilon`) is
    refused.
    """

    def _alpha_bar(self) -> Tensor:
        alpha = super()._alpha_bar().sqrt()
        return ((alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1])).square()


class EDM(Schedule):
    """alpha = 1, sigma from `sigma_min` to `sigma_max` (Karras et al. 2022, "Elucidating the design space").

    Args:
        sigma_min, sigma_max, rho: sampling visits equal steps of sigma^(1/rho) (eq. 5).
        mean, deviation: training draws ln sigma ~ N(mean, deviation^2) (table 1, P_mean and P_std).
    """

    def __init__(
        self,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        rho: float = 7.0,
        mean: float = -1.2,
        deviation: float = 1.2,
    ) -> None:
        if not 0 < sigma_min < sigma_max:
            raise UserError(f"schedule: sigma_min={sigma_min} must be above 0 and below sigma_max={sigma_max}")
        self.sigma_min, self.sigma_max, self.rho = sigma_min, sigma_max, rho
        self.mean, self.deviation = mean, deviation

    def scales(self, t: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        sigma = (low + t.double() * (high - low)) ** self.rho
        return torch.ones_like(sigma), sigma

    def noise_label(self, t: Tensor) -> Tensor:
        """1000 c_noise = 1000 ln(sigma) / 4 (table 1), at the scale of the other schedules."""
        return (250 * self.scales(t)[1].log()).float()

    def training_times(self, u: Tensor) -> Tensor:
        # Far below sigma_min nothing changes, so a few draws in ten million may go beyond either end: t is not clamped
        # to [0, 1] by the formula, and only sigma > 0 matters.
        sigma = (self.mean + self.deviation * math.sqrt(2) * torch.erfinv(2 * u.double() - 1)).exp()
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return (sigma ** (1 / self.rho) - low) / (high - low)

    def sampling_times(self, steps: int) -> list[float]:
        return [1 - i / max(steps - 1, 1) for i in range(steps)]


class Flow(Schedule):
    """Straight lines from picture to noise: alpha = 1 - t, sigma = t (Liu et al. 2023, eq. 1; Lipman et al. 2023).

    Args:
        deviation: training draws t = sigmoid(n), n ~ N(0, deviation^2) (Esser et al. 2024, eq. 19, "logit-normal"):
            the middle of the way is where there is most to learn. 0 draws uniformly.
    """

    def __init__(self, deviation: float = 1.0) -> None:
        if deviation < 0:
            raise UserError(f"schedule.deviation={deviation}: give 0 (uniform) or more")
        self.deviation = deviation

    def scales(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - t.double(), t.double()

    def training_times(self, u: Tensor) -> Tensor:
        u = u.double()
        return torch.sigmoid(self.deviation * math.sqrt(2) * torch.erfinv(2 * u - 1)) if self.deviation else u

    def sampling_times(self, steps: int) -> list[float]:
        return [1 - i / steps for i in range(steps)]
