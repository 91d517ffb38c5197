"""Each draw has the paper's distribution, and its neutral value with probability 1 - p."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anime_gen.blocks.augment import affine, draws

COUNT = 20_000


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        (lambda p: draws.x_flips(p, COUNT), lambda p: p / 2),
        (lambda p: draws.quarter_turns(p, COUNT) != 0, lambda p: p * 3 / 4),
        # 2 * 4096 / 8 places on both sides: two zeros are rare.
        (lambda p: (draws.whole_shifts(p, COUNT, 4096) != 0).any(dim=1), lambda p: p),
        # Scaling, rotation (either or both), stretching, translation.
        (lambda p: ~affine.is_identity(draws.inverse_geometry(p, COUNT, 32)), lambda p: 1 - (1 - p) ** 4),
        (lambda p: ~affine.is_identity(draws.colours(p, COUNT)), lambda p: 1 - (1 - p) ** 4 * (1 - p / 2)),
        (lambda p: (draws.band_gains(p, COUNT) != 1).any(dim=1), lambda p: 1 - (1 - p) ** 4),
        (lambda p: draws.noise_deviations(p, COUNT) > 0, lambda p: p),
        (lambda p: draws.holes(p, COUNT)[0], lambda p: p),
    ],
)
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_the_share_of_pictures_changed(
    changes: Callable[[Tensor], Tensor], share: Callable[[float], float], p: float
) -> None:
    found, wanted = changes(torch.tensor(p)).double().mean().item(), share(p)
    assert found == pytest.approx(wanted, abs=5 * math.sqrt(wanted * (1 - wanted) / COUNT))


def test_shifts_reach_an_eighth() -> None:
    shifts = draws.whole_shifts(torch.tensor(1.0), COUNT, 64)
    assert shifts.unique().tolist() == list(range(-8, 9))
    counts = (shifts + 8).flatten().bincount()
    assert counts[1:-1].min() > 0.9 * 2 * COUNT / 16
    assert counts[[0, -1]].max() < 0.6 * 2 * COUNT / 16  # a rounded uniform number reaches its ends half as often


def test_geometry_is_the_inverse_of_the_paper_s_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """G = translation, after rotation, after stretching, after rotation, after scaling."""
    made: list[tuple[str, Tensor]] = []

    def noting(name: str, of: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def call(*parameters: Tensor) -> Tensor:
            made.append((name, of(*(parameter.double() for parameter in parameters))))
            return made[-1][1]

        return call

    for name in ("scale2d", "rotate2d", "translate2d"):
        monkeypatch.setattr(affine, name, noting(name, getattr(affine, name)))
    inverse = draws.inverse_geometry(torch.tensor(1.0), 50, 32)
    assert [name for name, _ in made] == ["scale2d", "rotate2d", "scale2d", "rotate2d", "translate2d"]
    scale, before, squeeze, after, shift = (matrix.inverse() for _, matrix in made)
    assert torch.allclose(shift @ after @ squeeze @ before @ scale @ inverse, torch.eye(3).double(), atol=1e-6)
    assert torch.allclose(scale[:, 0, 0], scale[:, 1, 1])
    assert torch.allclose(squeeze[:, 0, 0] * squeeze[:, 1, 1], torch.ones(50).double(), atol=1e-6)


def test_the_widths() -> None:
    p = torch.tensor(1.0)
    # Rotations and the stretching keep areas: the determinant is that of the isotropic scaling.
    octaves = torch.linalg.det(draws.inverse_geometry(p, COUNT, 32).double()).log2() / 2
    assert octaves.mean().item() == pytest.approx(0, abs=0.01)
    assert octaves.std().item() == pytest.approx(0.2, rel=0.03)
    # The determinant of the colours' 3 x 3: contrast^3, luma flip -1 in half of them, saturation^2.
    colours = draws.colours(p, COUNT).double()
    determinant = torch.linalg.det(colours[:, :3, :3])
    assert (determinant < 0).double().mean().item() == pytest.approx(0.5, abs=0.02)
    assert determinant.abs().log2().std().item() == pytest.approx(math.sqrt((3 * 0.5) ** 2 + 2**2), rel=0.03)
    # Grey is moved by brightness and scaled by contrast alone.
    grey = torch.tensor([0.0, 0.0, 0.0, 1.0]).double()
    contrast = (colours @ torch.tensor([1.0, 1.0, 1.0, 0.0]).double())[:, 0].abs()
    assert contrast.log2().std().item() == pytest.approx(0.5, rel=0.03)
    assert ((colours @ grey)[:, 0].abs() / contrast).square().mean().sqrt().item() == pytest.approx(0.2, rel=0.03)
    assert draws.noise_deviations(p, COUNT).square().mean().sqrt().item() == pytest.approx(0.1, rel=0.03)


def test_bands_keep_a_natural_picture_s_power() -> None:
    """With one band amplified the expected power is exactly 1; the ratio of that band's gain is lognormal."""
    torch.manual_seed(3)
    gains = draws.band_gains(torch.tensor(0.05), COUNT).double()
    power = torch.tensor(draws.POWER).double()
    highest_alone = (gains[:, 0] == gains[:, 1]) & (gains[:, 1] == gains[:, 2]) & (gains[:, 2] != gains[:, 3])
    assert highest_alone.sum() > 500
    alone = gains[highest_alone]
    assert torch.allclose((power * alone.square()).sum(dim=1), torch.ones(len(alone)).double(), atol=1e-5)
    assert (alone[:, 3] / alone[:, 0]).log2().std().item() == pytest.approx(1, rel=0.1)
    assert torch.equal(draws.band_gains(torch.tensor(0.0), 10), torch.ones(10, 4))
