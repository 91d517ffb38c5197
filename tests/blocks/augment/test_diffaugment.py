"""DiffAugment: each change does what its formula says, lets gradients through, and is drawn anew for each picture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from anime_gen.blocks.augment.diffaugment import (
    DiffAugment,
    cut_out,
    scale_contrast,
    scale_saturation,
    shift_brightness,
    translate,
)
from anime_gen.contract import UserError

OFF = {"brightness": 0.0, "saturation": 0.0, "contrast": 0.0, "translation": 0.0, "cutout": 0.0}


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(64, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_with_everything_off_nothing_happens(pictures: Tensor) -> None:
    before = torch.get_rng_state()
    assert DiffAugment(**OFF)(pictures) is pictures
    assert torch.equal(torch.get_rng_state(), before)


def test_shape_type_and_seed(pictures: Tensor) -> None:
    augment = DiffAugment()
    torch.manual_seed(1)
    first = augment(pictures)
    second = augment(pictures)
    torch.manual_seed(1)
    assert torch.equal(first, augment(pictures))
    assert not torch.equal(first, second)
    assert first.shape == pictures.shape
    assert first.dtype == pictures.dtype


@pytest.mark.parametrize("name", OFF)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    pictures = torch.rand(2, 3, 4, 6, dtype=torch.float64, requires_grad=True)
    augment = DiffAugment(**{**OFF, name: 0.5})

    def seeded(image_BCHW: Tensor) -> Tensor:
        torch.manual_seed(2)
        return augment(image_BCHW)

    assert torch.autograd.gradcheck(seeded, pictures)


def test_each_picture_has_its_own_draw(pictures: Tensor) -> None:
    same = pictures[:1].expand(64, -1, -1, -1)
    for name in OFF:
        made = DiffAugment(**{**OFF, name: 0.5})(same)
        assert len(torch.unique(made.flatten(1), dim=0)) > 20, name


def test_brightness_adds_one_number(pictures: Tensor) -> None:
    change = (shift_brightness(pictures, 0.5) - pictures).flatten(1)
    assert change.std(dim=1).max() < 1e-6
    assert 0.4 < change.abs().max() <= 0.5
    assert change.mean().abs() < 0.1


def test_saturation_keeps_grey(pictures: Tensor) -> None:
    made = scale_saturation(pictures, 1.0)
    assert torch.allclose(made.mean(dim=1), pictures.mean(dim=1), atol=1e-6)
    ratio = (made - made.mean(1, keepdim=True)).flatten(1).norm(dim=1) / (
        pictures - pictures.mean(1, keepdim=True)
    ).flatten(1).norm(dim=1)
    assert 0 <= ratio.min() < 0.2
    assert 1.8 < ratio.max() <= 2


def test_contrast_keeps_the_mean(pictures: Tensor) -> None:
    made = scale_contrast(pictures, 0.5)
    assert torch.allclose(made.mean(dim=(1, 2, 3)), pictures.mean(dim=(1, 2, 3)), atol=1e-6)
    ratio = made.flatten(1).std(dim=1) / pictures.flatten(1).std(dim=1)
    assert 0.5 <= ratio.min() < 0.6
    assert 1.4 < ratio.max() <= 1.5


def test_translation_moves_and_fills_with_zero(pictures: Tensor) -> None:
    """Every result is the picture moved by one of the allowed shifts, and every extreme shift occurs."""
    made = translate(pictures, 0.125)  # 2 rows and 3 columns
    shifts = []
    for was, now in zip(pictures, made, strict=True):
        padded = torch.nn.functional.pad(was, (3, 3, 2, 2))
        found = [(y, x) for y in range(5) for x in range(7) if torch.equal(padded[:, y : y + 16, x : x + 24], now)]
        assert len(found) == 1
        shifts += found
    assert {y for y, _ in shifts} == set(range(5))
    assert {x for _, x in shifts} == set(range(7))


def test_cutout_blanks_one_rectangle(pictures: Tensor) -> None:
    made = cut_out(pictures, 0.5)
    blank = made == 0
    assert torch.equal(made[~blank], pictures[~blank])
    assert torch.equal(blank.all(dim=1), blank.any(dim=1))
    rows, columns = blank.any(dim=3).sum(dim=2)[:, 0], blank.any(dim=2).sum(dim=2)[:, 0]
    assert torch.equal(blank[:, 0].sum(dim=(1, 2)), rows * columns)
    # Wholly inside: half of each side. Over the edge: at least the half that holds the centre.
    assert rows.max() == 8
    assert columns.max() == 12
    assert rows.min() >= 4
    assert columns.min() >= 6


@pytest.mark.parametrize(("name", "amount"), [("brightness", -0.1), ("translation", 1.5), ("cutout", 2.0)])
def test_impossible_amounts_are_refused(name: str, amount: float) -> None:
    with pytest.raises(UserError, match=rf"augment: {name} is {amount}") as caught:
        DiffAugment(**{name: amount})
    assert "\n" not in str(caught.value)
