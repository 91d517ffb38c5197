"""What the network predicts, and the loss on it. Tensors in, tensors out.

With x_t = a x_0 + s eps (a = alpha_t, s = sigma_t) every target is a linear map of (x_0, eps), and the picture follows
from the prediction; samplers speak of x_0 only and so know no target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Target(ABC):
    """A quantity for the network to predict. `a`, `s` broadcast against the pictures, (B, 1, 1, 1)."""

    @abstractmethod
    def of(self, x_0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """What the network should say."""

    @abstractmethod
    def x_0(self, prediction: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        """The picture that the prediction stands for."""


class Epsilon(Target):
    """The noise itself (Ho et al. 2020, eq. 14)."""

    def of(self, x_0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return eps

    def x_0(self, prediction: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return (x_t - s * prediction) / a


class Velocity(Target):
    """v = alpha eps - sigma x_0 (Salimans & Ho 2022, appendix D)."""

    def of(self, x_0: Tensor, eps: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return a * eps - s * x_0

    def x_0(self, prediction: Tensor, x_t: Tensor, a: Tensor, s: Tensor) -> Tensor:
        return a * x_t - s * prediction


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over pictures, channels and pixels (Ho et al. 2020, L_simple), in float32. Scalar."""
    return (prediction.float() - target).square().mean()
