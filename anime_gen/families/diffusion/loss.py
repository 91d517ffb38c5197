"""What the network predicts, and how its errors count. Tensors in, tensors out.

With x_t = a x_0 + s eps (a = alpha_t, s = sigma_t) every target is a linear map of (x_0, eps), and the picture follows
from the prediction; samplers speak of x_0 only and so know no target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from anime_gen.contract import UserError, at_least_float32
from anime_gen.families.diffusion.conditions import landmark_map
from anime_gen.families.diffusion.schedule import Schedule
from anime_gen.vocabulary import LANDMARKS

PUPILS = [LANDMARKS.index(f"{side}_eye_pupil") for side in ("left", "right")]


class Target(ABC):
    """A quantity for the network to predict. `a`, `s` broadcast against the pictures, (B, 1, 1, 1)."""

    @abstractmethod
    def of(self, x_0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """What the network should say."""

    @abstractmethod
    def x_0(self, prediction: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """The picture that the prediction stands for."""

    @abstractmethod
    def gain(self, a: Tensor, s: Tensor) -> Tensor:
        """Squared error of the prediction over the squared error of the picture it stands for."""

    def input(self, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """What the network sees of the noisy picture."""
        return x_t

    def check(self, schedule: Schedule) -> None:  # noqa: B027  most targets go with every schedule
        """Raises UserError where this target makes no sense on that schedule's levels."""


class Epsilon(Target):
    """The noise itself (Ho et al. 2020, eq. 14)."""

    def of(self, x_0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return eps

    def x_0(self, prediction: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return (x_t - s * prediction) / a

    def gain(self, a: Tensor, s: Tensor) -> Tensor:
        return (a / s).square()

    def check(self, schedule: Schedule) -> None:

        if schedule.scales(torch.ones(1))[0] == 0:
            raise _refusal(self, schedule, "predicts the noise, from which no picture follows at a level of pure noise")


class Picture(Target):
    """The clean picture, x_0 (Ho et al. 2020, section 3.2)."""

    def of(self, x_0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return x_0

    def x_0(self, prediction: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return prediction

    def gain(self, a: Tensor, s: Tensor) -> Tensor:
        return torch.ones_like(a)


class Velocity(Target):
    """v = alpha eps - sigma x_0, for a^2 + s^2 = 1 (Salimans & Ho 2022, appendix D)."""

    def of(self, x_0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return a * eps - s * x_0

    def x_0(self, prediction: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return a * x_t - s * prediction

    def gain(self, a: Tensor, s: Tensor) -> Tensor:
        return 1 / s.square()

    def check(self, schedule: Schedule) -> None:
        a, s = schedule.scales(torch.linspace(0, 1, 11))
        if not torch.allclose(a.square() + s.square(), torch.ones_like(a)):
            raise _refusal(self, schedule, "needs alpha^2 + sigma^2 = 1")


class FlowVelocity(Target):
    """u = eps - x_0, the direction from picture to noise, for a + s = 1 (Liu et al. 2023, eq. 1)."""

    def of(self, x_0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return eps - x_0

    def x_0(self, prediction: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return x_t - s * prediction

    def gain(self, a: Tensor, s: Tensor) -> Tensor:
        return 1 / s.square()

    def check(self, schedule: Schedule) -> None:
        a, s = schedule.scales(torch.linspace(0, 1, 11))
        if not torch.allclose(a + s, torch.ones_like(a)):
            raise _refusal(self, schedule, "needs alpha + sigma = 1")


class Preconditioned(Target):
    """F of D(x) = c_skip x + c_out F(c_in x), for a = 1 (Karras et al. 2022, table 1 and eq. 8).

    c_skip and c_out let F's target have variance 1 at every noise level, c_in its input; with the paper's weight
    lambda = 1 / c_out^2 the loss is the plain mean of (F - target)^2.

    Args:
        deviation: of the pictures' values, the paper's sigma_data.
    """

    def __init__(self, deviation: float = 0.5) -> None:
        if deviation <= 0:
            raise UserError(f"target.deviation={deviation}: give a number above 0")
        self.deviation = deviation

    def _scales(self, s: Tensor) -> tuple[Tensor, Tensor]:
        total = s.square() + self.deviation**2
        return self.deviation**2 / total, s * self.deviation * total.rsqrt()

    def of(self, x_0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        c_skip, c_out = self._scales(s)
        return (x_0 - c_skip * (x_0 + s * eps)) / c_out

    def x_0(self, prediction: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        c_skip, c_out = self._scales(s)
        return c_skip * x_t + c_out * prediction

    def gain(self, a: Tensor, s: Tensor) -> Tensor:
        return 1 / self._scales(s)[1].square()

    def input(self, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """c_in x."""
        return x_t * (s.square() + self.deviation**2).rsqrt()

    def check(self, schedule: Schedule) -> None:
        a, _ = schedule.scales(torch.linspace(0, 1, 11))
        if not torch.allclose(a, torch.ones_like(a)):
            raise _refusal(self, schedule, "needs alpha = 1")


def _refusal(target: Target, schedule: Schedule, why: str) -> UserError:
    fit = {"Epsilon": "Linear", "Velocity": "Cosine", "FlowVelocity": "Flow", "Preconditioned": "EDM"}
    name = type(target).__name__
    return UserError(
        f"model.target={name} does not go with model.schedule={type(schedule).__name__}: it {why}; "
        f"{name} goes with {fit[name]}"
    )


class Weighting(ABC):
    """How much each noise level counts: the factor on the squared error of the network's PREDICTION."""

    @abstractmethod
    def __call__(self, target: Target, a: Tensor, s: Tensor) -> Tensor: ...


class Plain(Weighting):
    """Every error of the prediction counts the same (Ho et al. 2020, L_simple)."""

    def __call__(self, target: Target, a: Tensor, s: Tensor) -> Tensor:
        return torch.ones_like(a)


class MinSNR(Weighting):
    """The error of the PICTURE counts min(SNR, gamma), SNR = a^2 / s^2 (Hang et al. 2023, eq. 8; gamma 5 there)."""

    def __init__(self, gamma: float = 5.0) -> None:
        if gamma <= 0:
            raise UserError(f"weighting.gamma={gamma}: give a number above 0")
        self.gamma = gamma

    def __call__(self, target: Target, a: Tensor, s: Tensor) -> Tensor:
        return (a / s).square().clamp(max=self.gamma) / target.gain(a, s)


class Emphasis(NamedTuple):
    """Where errors count more: at the pupils, a hundredth of a picture that a reader looks at first.

    Plain errors teach the colour of eyes last. The weight of a pixel follows from what the network is told, so what is
    best to predict, the mean of all pictures that are told so, is the same with it: it is only learnt sooner. A picture
    whose landmarks are not told, or not known, has no emphasis.

    Args:
        pupils: how much more an error at a pupil counts; 0 for no more.
        spread: how far about it, a Gaussian's deviation in pixels of a picture of 32.
    """

    pupils: float = 0.0
    spread: float = 1.5

    def check(self) -> None:
        """Raises UserError where a number cannot be."""
        if self.pupils < 0 or self.spread <= 0:
            raise UserError(f"model.emphasis: pupils must be >= 0 and spread above 0, not {self}")

    def __call__(self, landmarks_BK2: Tensor, told_B: Tensor, size: int) -> Tensor:
        """The factor on each pixel's squared error, (B, 1, size, size)."""
        near_BHW = landmark_map(landmarks_BK2[:, PUPILS], size, self.spread * size / 32).sum(1).clamp(max=1)
        return 1 + self.pupils * (near_BHW * told_B[:, None, None])[:, None]


def weighted_squared_error(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean over pictures, channels and pixels of weight times the squared error, in float32. Scalar.

    Args:
        prediction, target: (B, C, H, W).
        weight: (B, 1, 1, 1) or (B, 1, H, W).
    """
    return (weight * (at_least_float32(prediction) - target).square()).mean()
