"""Blits are exact, the warp is the paper's, and both have second derivatives."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from anime_gen.blocks.augment import affine
from anime_gen.blocks.augment.warp import blit, look_up, warp
from anime_gen.blocks.augment.wavelets import MIDDLE, SYM6


def drawn(count: int, side: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def smooth(side: int) -> Tensor:
    """A picture of a few long waves, as most of a face is."""
    place = torch.arange(side, dtype=torch.float64) / side
    y, x = place[:, None], place[None, :]
    return torch.stack([(5 * x + 2 * y).sin(), (4 * y - 3 * x).cos(), (6 * x * y).sin()])[None]


def one(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


@pytest.mark.parametrize("side", [8, 9])
def test_blits_by_hand(side: int) -> None:
    pictures = drawn(200, side)
    stream = torch.Generator().manual_seed(1)
    mirror = torch.rand(200, generator=stream) < 0.5
    turns = torch.randint(4, (200,), generator=stream)
    shift = torch.randint(-12, 13, (200, 2), generator=stream)
    for was, now, flip, turn, (x, y) in zip(
        pictures, blit(pictures, mirror, turns, shift), mirror, turns, shift.tolist(), strict=True
    ):
        wanted = torch.rot90(was.flip(2) if flip else was, int(turn), dims=(1, 2)).numpy()
        wanted = np.pad(wanted, ((0, 0), (12, 12), (12, 12)), mode="reflect")
        assert torch.equal(now, torch.from_numpy(wanted[:, 12 - y : 12 - y + side, 12 - x : 12 - x + side]))


def as_the_paper_says(picture: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Padding, upsampling, one look-up a pixel, downsampling and cropping, in plain loops: one channel, (N, N)."""
    side, margin = len(picture), 3 * len(picture)
    padded = np.pad(picture, margin, mode="reflect")
    size = len(padded)
    fine = np.zeros((2 * size, 2 * size))
    fine[::2, ::2] = padded
    taps = np.array(SYM6)
    for axis in (0, 1):
        fine = np.apply_along_axis(np.convolve, axis, fine, taps * math.sqrt(2))
        fine = np.take(fine, np.arange(MIDDLE, MIDDLE + 2 * size), axis=axis)
    middle = 2 * ((side - 1) / 2 + margin)
    moved = np.zeros((2 * side + 10, 2 * side + 10))
    for row in range(2 * side + 10):
        for column in range(2 * side + 10):
            place = np.array([column, row]) - MIDDLE + 2 * margin - middle
            x, y, _ = inverse @ np.array([*(place / 2), 1]) * 2 + middle
            left, top = math.floor(x), math.floor(y)
            right, low = x - left, y - top
            moved[row, column] = (
                (1 - right) * (1 - low) * fine[top, left]
                + right * (1 - low) * fine[top, left + 1]
                + (1 - right) * low * fine[top + 1, left]
                + right * low * fine[top + 1, left + 1]
            )
    made = np.zeros((side, side))
    for row in range(side):
        for column in range(side):
            window = moved[2 * row : 2 * row + 12, 2 * column : 2 * column + 12]
            made[row, column] = taps @ window @ taps / 2
    return made


MATRICES = {
    "nearer": affine.scale2d(one(0.5), one(0.6)),
    "turned": affine.rotate2d(one(0.5)) @ affine.scale2d(one(0.3), one(0.4)),
    "farther": affine.scale2d(one(1.6), one(1.2)),
    "all": affine.translate2d(one(2.3), one(-1.1)) @ affine.rotate2d(one(2.0)) @ affine.scale2d(one(1.3), one(0.8)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_warps_as_the_paper_says(name: str) -> None:
    """The same numbers inside. Beyond the border the paper mirrors pixels, we the upsampled picture."""
    for picture, outside in ((drawn(1, 12), 0.7), (smooth(12), 0.15)):
        made = warp(picture, MATRICES[name])[0, 0].numpy()
        wanted = as_the_paper_says(picture[0, 0].numpy(), MATRICES[name][0].numpy())
        if name in ("nearer", "turned"):
            assert np.abs(made - wanted).max() < 1e-11
        else:
            assert np.abs(made - wanted).max() < outside
            assert np.corrcoef(made.ravel(), wanted.ravel())[0, 1] > 0.95


def test_whole_shifts_are_exact_inside() -> None:
    picture = drawn(1, 32)
    made = warp(picture, affine.translate2d(one(-3), one(5)))  # 3 to the right, 5 up
    wanted = picture.roll((-5, 3), dims=(2, 3))
    assert torch.allclose(made[..., 4:-9, 7:-4], wanted[..., 4:-9, 7:-4], atol=1e-10)


def test_nothing_but_a_mirror_comes_in_at_the_border() -> None:
    """A flat picture stays flat, however far it is moved; a bright one never darkens."""
    far = affine.translate2d(one(70), one(-45)) @ affine.rotate2d(one(1.0)) @ affine.scale2d(one(3), one(3))
    assert torch.allclose(warp(torch.full((1, 3, 16, 16), 0.7).double(), far), torch.tensor(0.7).double())


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_the_two_ways_to_turn_agree(quarter: int) -> None:
    """Counter-clockwise both. The filter's delay is not quite a whole tap: a tenth of a pixel for a half-turn."""
    picture = smooth(24)
    tenth_of_a_pixel = 0.1 * max(picture.diff(dim=2).abs().max().item(), picture.diff(dim=3).abs().max().item())
    turned = warp(picture, affine.rotate2d(one(quarter * math.pi / 2)))
    exact = blit(picture, torch.tensor([False]), torch.tensor([quarter]), torch.zeros(1, 2, dtype=torch.int64))
    assert (turned - exact).abs()[..., 3:-3, 3:-3].max() < 1.5 * tenth_of_a_pixel
    assert quarter or torch.allclose(turned[..., 3:-3, 3:-3], exact[..., 3:-3, 3:-3], atol=1e-11)


def test_first_and_second_derivatives() -> None:
    picture = drawn(2, 4).requires_grad_()
    matrix = torch.cat([MATRICES["all"], MATRICES["turned"]])
    turns = torch.tensor([1, 2])
    shift = torch.tensor([[1, 0], [-2, 3]])
    place = torch.rand(2, 4, 3, 2, dtype=torch.float64) * 3 - 1.5
    for change in (
        lambda x: warp(x, matrix),
        lambda x: look_up(x, place),
        lambda x: blit(x, turns == 1, turns, shift),
    ):
        assert torch.autograd.gradcheck(change, picture)
        assert torch.autograd.gradgradcheck(change, picture)


def test_the_second_derivative_is_not_merely_zero() -> None:
    """R1's way: the gradient of a gradient's square, through a look-up, against finite differences."""
    place = torch.rand(1, 6, 6, 2, dtype=torch.float64) * 2 - 1
    picture = drawn(1, 4).requires_grad_()

    def penalty(weight: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad((weight * look_up(picture, place)).tanh().sum(), picture, create_graph=True)
        return slope.square().sum()

    weight = one(0.8).requires_grad_()
    (found,) = torch.autograd.grad(penalty(weight), weight)
    step = 1e-5
    by_hand = (penalty(weight + step) - penalty(weight - step)) / (2 * step)
    assert found.item() == pytest.approx(by_hand.item(), rel=1e-6)
    assert abs(found.item()) > 0.1
