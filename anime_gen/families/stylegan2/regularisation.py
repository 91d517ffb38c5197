"""StyleGAN2's lazy regularisers: path lengths, and what a rarely taken penalty means for Adam (Karras et al. 2020b)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from anime_gen.contract import UserError
from anime_gen.noise import normal_like


class Regularisers(NamedTuple):
    """What keeps both sides smooth.

    Args:
        r1: gamma, weight of the discriminator's slope at real pictures (Mescheder et al. 2018).
        r1_every: batches between two steps of that; 0 leaves it out.
        path_weight: of the deviation of path lengths.
        path_every: batches between two steps of that; 0 leaves it out.
        mixing: share of pictures whose fine layers have another w than the coarse ones (Karras et al. 2019, section
            3.1).
    """

    r1: float = 1.0
    r1_every: int = 16
    path_weight: float = 2.0
    path_every: int = 4
    mixing: float = 0.9

    def check(self) -> None:
        """Raises UserError where a number cannot be."""
        for name, value in self._asdict().items():
            if value < 0:
                raise UserError(f"model.regularisers.{name}={value}: give 0 or more")
        if self.mixing > 1:
            raise UserError(f"model.regularisers.mixing={self.mixing}: give a share from 0 to 1")

    @property
    def period(self) -> int:
        """Batches after which their turns repeat."""
        return math.lcm(*(every for every in (self.r1_every, self.path_every) if every))


def path_lengths(synthesis: Callable[[Tensor], Tensor], w_BLW: Tensor) -> Tensor:
    """|J_w^T y| for random pictures y ~ N(0, I) / sqrt(H W), (B,): equation 4 and appendix B.

    How far a picture moves with w. The norm is over each w's numbers, its square averaged over the layers' copies of w.
    Can be differentiated again. In float32, whatever the precision around it.

    Args:
        synthesis: w_BLW -> pictures.
        w_BLW: a w for each layer; needs a gradient.
    """
    with torch.autocast(w_BLW.device.type, enabled=False):
        image_BCHW = synthesis(w_BLW)
        y_BCHW = normal_like(image_BCHW) / math.sqrt(image_BCHW.shape[2] * image_BCHW.shape[3])
        (slope_BLW,) = torch.autograd.grad((image_BCHW * y_BCHW).sum(), w_BLW, create_graph=True)
    return slope_BLW.square().sum(2).mean(1).sqrt()


def lazily(lr: float, betas: tuple[float, float], every: int) -> tuple[float, tuple[float, float]]:
    """Adam's learning rate and betas where every k-th step is followed by one for a regulariser (appendix B).

    c = k / (k + 1): the rate times c, and each beta to the power of c, so that as much is learned and forgotten over k
    pictures as without. 0: there is no such step.
    """
    share = every / (every + 1) if every else 1.0
    return lr * share, (betas[0] ** share, betas[1] ** share)
