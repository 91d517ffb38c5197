"""What each picture is to undergo: the paper's distributions, each drawn with probability p and neutral otherwise.

Karras et al. 2020, appendix B (the pseudocode of the pipeline). `p` is a scalar tensor, and every number is drawn on
its device whether it is used or not: a picture's draw depends on nothing that is in the batch, and the device is never
waited for.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from anime_gen.blocks.augment import affine
from anime_gen.blocks.augment.wavelets import NUM_BANDS
from anime_gen.noise import normal

# The expected share of power of the four bands in a natural picture, whose spectrum falls as 1 / f.
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)


def x_flips(p: Tensor, count: int) -> Tensor:
    """SCALE2D(1 - 2i, 1), i ~ U{0, 1}: (B,) bool. Half of those drawn stay as they are."""
    return torch.rand(count, device=p.device) < p / 2


def quarter_turns(p: Tensor, count: int) -> Tensor:
    """ROTATE2D(-pi/2 i), i ~ U{0, 3}: (B,) int64 counter-clockwise. A quarter of those drawn stay as they are."""
    return torch.where(_chosen(p, count), torch.randint(4, (count,), device=p.device), 0)


def whole_shifts(p: Tensor, count: int, side: int) -> Tensor:
    """TRANSLATE2D(round(t_x w), round(t_y h)), t ~ U(-0.125, 0.125): (B, 2) int64, in pixels."""
    shift_B2 = (0.125 * side * (2 * torch.rand(count, 2, device=p.device) - 1)).round().long()
    return torch.where(_chosen(p, count)[:, None], shift_B2, 0)


def inverse_geometry(p: Tensor, count: int, side: int) -> Tensor:
    """G^-1 of scaling, rotation, anisotropic scaling, rotation and translation, in that order: (B, 3, 3), in pixels.

    Isotropic s ~ Lognormal(0, (0.2 ln 2)^2); theta ~ U(-pi, pi), before and after, each with 1 - sqrt(1 - p), so that
    p is the probability that there is either; anisotropic (s, 1/s) of the same distribution as the isotropic one;
    t ~ N(0, 0.125^2) of a side.
    """
    one_p = 1 - (1 - p).sqrt()
    size_B = _lognormal(p, count, 0.2)
    before_B, after_B = _angles(one_p, count), _angles(one_p, count)
    squeeze_B = _lognormal(p, count, 0.2)
    shift_B2 = torch.where(_chosen(p, count)[:, None], 0.125 * side * normal(count, 2, device=p.device), 0)
    # The inverse of a product is the product of the inverses, the other way round.
    return (
        affine.scale2d(1 / size_B, 1 / size_B)
        @ affine.rotate2d(before_B)
        @ affine.scale2d(1 / squeeze_B, squeeze_B)
        @ affine.rotate2d(after_B)
        @ affine.translate2d(-shift_B2[:, 0], -shift_B2[:, 1])
    )


def colours(p: Tensor, count: int) -> Tensor:
    """C of brightness, contrast, luma flip, hue and saturation, in that order: (B, 4, 4).

    b ~ N(0, 0.2^2); c ~ Lognormal(0, (0.5 ln 2)^2); i ~ U{0, 1}; theta ~ U(-pi, pi); s ~ Lognormal(0, (ln 2)^2).
    """
    return (
        affine.saturate(_lognormal(p, count, 1.0))
        @ affine.rotate_hue(_angles(p, count))
        @ affine.flip_luma((torch.rand(count, device=p.device) < p / 2).to(torch.get_default_dtype()))
        @ affine.stretch_contrast(_lognormal(p, count, 0.5))
        @ affine.brighten(torch.where(_chosen(p, count), 0.2 * normal(count, device=p.device), 0))
    )


def band_gains(p: Tensor, count: int) -> Tensor:
    """g of the four frequency bands, lowest first: (B, 4).

    Each band in turn, with probability p, is amplified by t ~ Lognormal(0, (ln 2)^2); after each, all four are scaled
    so that a natural picture's expected power, sum_j lambda_j t_j^2, stays 1.
    """
    gain_B4 = torch.ones(count, NUM_BANDS, device=p.device)
    for band in range(NUM_BANDS):
        factor_B = _lognormal(p, count, 1.0)
        # The other three have t = 1, and the shares sum to 1: what is left alone stays exactly 1.
        power_B = 1 + POWER[band] * (factor_B.square() - 1)
        gain_B4[:, band] *= factor_B
        gain_B4 /= power_B.sqrt()[:, None]
    return gain_B4


def noise_deviations(p: Tensor, count: int) -> Tensor:
    """sigma ~ Halfnormal(0.1^2) of the additive noise: (B,), 0 where there is none."""
    return torch.where(_chosen(p, count), 0.1 * normal(count, device=p.device).abs(), 0)


def holes(p: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Which pictures are cut out, (B,) bool, and the holes' middles c ~ U(0, 1) in shares of a side, (B, 2)."""
    return _chosen(p, count), torch.rand(count, 2, device=p.device)


def _chosen(p: Tensor, count: int) -> Tensor:
    return torch.rand(count, device=p.device) < p


def _lognormal(p: Tensor, count: int, octaves: float) -> Tensor:
    """Lognormal(0, (octaves ln 2)^2)."""
    return torch.where(_chosen(p, count), torch.exp2(octaves * normal(count, device=p.device)), 1)


def _angles(p: Tensor, count: int) -> Tensor:
    return torch.where(_chosen(p, count), math.pi * (2 * torch.rand(count, device=p.device) - 1), 0)
