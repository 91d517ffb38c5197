"""The matrices do what their names say, and nothing where their parameters are neutral."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anime_gen.blocks.augment import affine


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture
def colours() -> Tensor:
    """(4, 50): homogeneous colours."""
    rgb = torch.rand(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return torch.cat([rgb, torch.ones(1, 50, dtype=torch.float64)])


@pytest.mark.parametrize(
    ("make", "neutral"),
    [
        (lambda x: affine.translate2d(x, x), 0),
        (lambda x: affine.scale2d(x, 1 / x), 1),
        (affine.rotate2d, 0),
        (affine.brighten, 0),
        (affine.stretch_contrast, 1),
        (affine.flip_luma, 0),
        (affine.rotate_hue, 0),
        (affine.saturate, 1),
    ],
)
def test_neutral_parameters_change_not_a_bit(make: Callable[[Tensor], Tensor], neutral: float) -> None:
    matrices = make(torch.tensor([neutral, neutral + 0.3]))
    assert affine.is_identity(matrices).tolist() == [True, False]
    assert torch.equal(matrices[0], torch.eye(len(matrices[0])))


def test_points_of_the_plane() -> None:
    point = numbers(3, 4, 1)
    moved = affine.translate2d(numbers(1), numbers(-2))[0] @ point
    assert moved.tolist() == [4, 2, 1]
    assert (affine.scale2d(numbers(2), numbers(0.5))[0] @ point).tolist() == [6, 2, 1]
    for angle in (0.3, -2.0):
        x, y, one = affine.rotate2d(numbers(angle))[0] @ point
        turned = complex(3, 4) * complex(math.cos(angle), math.sin(angle))
        assert (x.item(), y.item(), one.item()) == pytest.approx((turned.real, turned.imag, 1))


def test_brightness_and_contrast(colours: Tensor) -> None:
    assert torch.allclose((affine.brighten(numbers(0.2))[0] @ colours)[:3], colours[:3] + 0.2)
    assert torch.allclose((affine.stretch_contrast(numbers(1.5))[0] @ colours)[:3], colours[:3] * 1.5)


def test_luma_flip(colours: Tensor) -> None:
    flip = affine.flip_luma(numbers(1))[0]
    made = flip @ colours
    grey, was_grey = made[:3].mean(dim=0), colours[:3].mean(dim=0)
    assert torch.allclose(grey, -was_grey)
    assert torch.allclose(made[:3] - grey, colours[:3] - was_grey)
    assert torch.allclose(flip @ made, colours)


def test_hue(colours: Tensor) -> None:
    """A third of a circle is red to green to blue to red; a whole one is nothing; grey stays grey, luma stays luma."""
    made = affine.rotate_hue(numbers(0.7))[0] @ colours
    assert torch.allclose(made[:3].mean(dim=0), colours[:3].mean(dim=0))
    assert torch.allclose(made[:3].norm(dim=0), colours[:3].norm(dim=0))
    assert not torch.allclose(made, colours, atol=0.1)
    third, whole = affine.rotate_hue(numbers(2 * math.pi / 3, 2 * math.pi))
    assert torch.allclose((third @ colours)[:3], colours[:3].roll(1, dims=0))
    assert torch.allclose(whole, torch.eye(4, dtype=torch.float64))
    red = affine.rotate_hue(numbers(0.2))[0] @ numbers(0.1, 0, 0, 1)
    shifted = colorsys.rgb_to_hls(*(red[:3] + 0.5).tolist())[0]
    assert 0 < shifted < 0.1  # towards yellow


def test_saturation(colours: Tensor) -> None:
    grey = colours[:3].mean(dim=0)
    for factor in (0.0, 0.5, 2.0):
        made = affine.saturate(numbers(factor))[0] @ colours
        assert torch.allclose(made[:3], grey + factor * (colours[:3] - grey))
        assert torch.equal(made[3], colours[3])
