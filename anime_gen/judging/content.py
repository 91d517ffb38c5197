"""Weighs the judge's content features, after it has been trained: what distances between sets see.

Two things are measured. On pictures like those that will be judged: along which directions they differ, and how much.
On painted faces, of which every eye is known: what faces look like whose eyes are another's, or gone, or which are
bent. The examination of the ruler (`examination.py`) tries the same three, on other faces: of flaws that nobody has
thought of here, distances see what moves a mean or a covariance along the directions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from anime_gen.images import quantise
from anime_gen.judging import disturbances
from anime_gen.judging.disturbances import Pictures
from anime_gen.metrics import distances, judge
from anime_gen.metrics.distances import Moments
from anime_gen.metrics.judge import DIRECTIONS, FLAWS, Judge

# For each direction so many pictures: of fewer, how much those differ along it is chance.
_PICTURES_A_DIRECTION = 8

# Each at a strength at which it is plain.
_MAKERS: Mapping[str, Callable[[Pictures], Tensor]] = {
    "eyes swapped": lambda pictures: disturbances.eyes_swapped(pictures, 100, seed=1),
    "eyes removed": lambda pictures: disturbances.eyes_removed(pictures, 100, seed=1),
    "warp": lambda pictures: disturbances.warp(pictures, 2, seed=1),
}


class Flaw(NamedTuple):
    """Pictures untouched, and the same with one of the judge's `FLAWS`: uint8 (N, 3, SIZE, SIZE)."""

    plain: Tensor
    flawed: Tensor


def paint_flawed(seed: int, count: int, sizes: Sequence[int]) -> tuple[Flaw, ...]:
    """So many painted faces at each of some sizes with every flaw; all share the untouched ones."""
    painted = [disturbances.paint(seed, count, size, first=number * count) for number, size in enumerate(sizes)]
    plain = torch.cat([_seen(one.images_NCHW) for one in painted])
    return tuple(Flaw(plain, torch.cat([_seen(_MAKERS[name](one)) for one in painted])) for name in FLAWS)


def bent(images: Tensor) -> Flaw:
    """The flaw `warp` of any pictures, uint8 (N, 3, H, W)."""
    pictures = Pictures(images)
    return Flaw(_seen(images), _seen(_MAKERS["warp"](pictures)))


def _seen(images_NCHW: Tensor) -> Tensor:
    """Bytes, brought to the judge's size after they were disturbed, by its own resize."""
    return quantise(judge.resize(images_NCHW))


class _Sums:
    """Mean and covariance of rows that come in parts."""

    def __init__(self) -> None:
        self.count, self.sum_D, self.outer_DD = 0, torch.zeros(()), torch.zeros(())

    def add(self, rows_ND: Tensor) -> None:
        """Counts some rows."""
        rows_ND = rows_ND.double()
        self.count += len(rows_ND)
        self.sum_D = self.sum_D + rows_ND.sum(0)
        self.outer_DD = self.outer_DD + rows_ND.T @ rows_ND

    @property
    def moments(self) -> Moments:
        """Of all that came."""
        return distances.moments(self.count, self.sum_D, self.outer_DD)


@torch.no_grad()
def weigh(network: Judge, pictures: Tensor, flaws: Sequence[Flaw]) -> None:
    """Fills in the statistics of `judge.Content`, in place.

    Args:
        network: trained; in eval mode.
        pictures: uint8 (N, 3, H, W), like those that will be judged. Of fewer than some 2,600, distances are along
            fewer directions.
        flaws: an example of each of `FLAWS`.
    """
    parts, fine = _Sums(), _Sums()
    for some in torch.split(pictures, 64):
        seen = network.sight(some)
        parts.add(seen.parts_BP)
        fine.add(seen.fine_BR)
    axes_LR = torch.stack(
        [
            distances.discriminant(_moments_of_fine(network, one.plain), _moments_of_fine(network, one.flawed))
            for one in flaws
        ]
    )
    # In units of what untouched pictures have of them, and of each only what the others do not say.
    covariance_LL = axes_LR @ fine.moments.covariance_DD @ axes_LR.T
    axes_LR = distances.whitening(Moments(axes_LR @ fine.moments.mean_D, covariance_LL), len(FLAWS)) @ axes_LR
    axes_KP = distances.whitening(parts.moments, min(DIRECTIONS, len(pictures) // _PICTURES_A_DIRECTION))

    content = network.content
    content.part_mean_P.copy_(parts.moments.mean_D)
    content.fine_mean_R.copy_(fine.moments.mean_D)
    for whole, rows in ((content.part_axes_KP, axes_KP), (content.flaw_axes_LR, axes_LR)):
        whole.zero_()
        whole[: len(rows)] = rows


def _moments_of_fine(network: Judge, images: Tensor) -> Moments:
    sums = _Sums()
    for some in torch.split(images, 64):
        sums.add(network.sight(some).fine_BR)
    return sums.moments
