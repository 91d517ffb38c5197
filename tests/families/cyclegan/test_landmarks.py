"""Heat maps, their centres, squares cut around points, and a finder that learns."""

from __future__ import annotations

import pytest
import torch

from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.cyclegan.landmarks import (
    NUM_POINTS,
    POINTS,
    Finder,
    centres,
    cut,
    five_points,
    heat_maps,
    moved,
    parts,
    train,
)
from anime_gen.vocabulary import LANDMARKS


def test_five_points_are_the_suites() -> None:
    landmarks = torch.rand(2, 24, 2)
    points = five_points(landmarks)
    corners = [LANDMARKS.index(f"right_eye_{corner}") for corner in ("inner", "outer")]
    torch.testing.assert_close(points[:, 1], landmarks[:, corners].mean(1))
    torch.testing.assert_close(points[:, 2], landmarks[:, LANDMARKS.index("nose")])
    landmarks[0, corners[0]] = torch.nan
    assert five_points(landmarks).isnan().any(2).tolist() == [[False, True, False, False, False], [False] * 5]


def test_a_heat_map_has_its_weight_where_the_point_is() -> None:
    points = torch.tensor([[[0.25, 0.75], [0.5, 0.5], [0.6, 0.3]]])
    maps = heat_maps(points, 64)
    assert maps.shape == (1, 3, 64, 64)
    row, column = divmod(int(maps[0, 0].argmax()), 64)
    assert ((column + 0.5) / 64, (row + 0.5) / 64) == pytest.approx((0.25, 0.75), abs=0.01)
    torch.testing.assert_close(centres(maps.clamp(min=1e-30).log()), points, atol=1e-4, rtol=0)
    # 1.5 pixels of 64 from the middle of a pixel the height is e^-1/2.
    assert heat_maps(torch.tensor([[[8.5 / 64, 7 / 64]]]), 64)[0, 0, 8, 8].item() == pytest.approx(0.6065, abs=1e-3)


def test_a_point_that_is_not_given_has_an_empty_map() -> None:
    points = torch.tensor([[[torch.nan, 0.5], [0.5, 0.5]]])
    maps = heat_maps(points, 16)
    assert not maps[0, 0].any()
    assert maps[0, 1].max() > 0.5


def test_a_cut_is_the_slice() -> None:
    image = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(cut(image, torch.tensor([[12 / 32, 20 / 32]]), 8 / 32), image[:, :, 16:24, 8:16])
    assert not cut(image, torch.tensor([[-1.0, -1.0]]), 0.25).any(), "outside there is nothing"


def test_parts_have_a_slope_for_pictures_and_points() -> None:
    image = torch.rand(2, 3, 32, 32, requires_grad=True)
    points = torch.full((2, NUM_POINTS, 2), 0.47, requires_grad=True)
    squares = parts(image, points)
    assert [square.shape[-1] for square in squares] == [8, 8, 8, 10]
    sum(square.square().sum() for square in squares).backward()  # type: ignore[union-attr]
    assert image.grad is not None
    assert image.grad.abs().sum() > 0
    assert points.grad is not None
    assert (points.grad.abs().sum((0, 2)) > 0).all()


def test_points_move_with_their_pictures() -> None:
    """A dot stays under its point, wherever both are moved."""
    torch.manual_seed(0)
    points = 0.3 + 0.4 * torch.rand(20, 1, 2)
    image = heat_maps(points, 64).expand(-1, 3, -1, -1)
    seen, where = moved(image, points)
    found = centres((seen[:, :1].clamp(min=1e-6)).log() * 4)
    inside = ((where > 0.1) & (where < 0.9)).all(2)
    assert inside.sum() > 10
    assert (found - where)[inside].abs().max() < 0.02
    assert (where - points).abs().mean() > 0.03


def test_a_finder_learns_five_dots() -> None:
    """Five dots of different colours, each in any of nine places: soon it finds them to within a pixel and a half."""
    torch.manual_seed(0)
    colours = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [1, 0, 1]])

    def batch() -> Batch:
        cells = torch.stack([torch.randperm(9)[:NUM_POINTS] for _ in range(16)])
        points = 0.25 + 0.25 * torch.stack([cells % 3, cells // 3], dim=2) + 0.06 * torch.rand(16, NUM_POINTS, 2)
        landmarks = torch.full((16, 24, 2), torch.nan)
        for chosen, point in zip(POINTS.values(), points.unbind(1), strict=True):
            landmarks[:, list(chosen)] = point[:, None]
        image = torch.einsum("bkhw,kc->bchw", heat_maps(points, 16), colours).clamp(max=1) * 2 - 1
        return Batch(image, Condition(landmarks_BK2=landmarks), torch.arange(16))

    finder = Finder(8, 2)
    error = train(finder, (batch() for _ in range(400)), 400, torch.device("cpu"), "dots")
    assert error < 1.5 / 16
    assert not any(parameter.requires_grad for parameter in finder.parameters())
    assert not finder.training
    fresh = batch()
    assert fresh.condition.landmarks_BK2 is not None
    off = finder.points(fresh.image_BCHW) - five_points(fresh.condition.landmarks_BK2)
    assert off.norm(dim=2).mean() < 1.5 / 16


def test_pictures_without_landmarks_teach_nothing_and_break_nothing() -> None:
    none = Batch(torch.zeros(4, 3, 16, 16), Condition(landmarks_BK2=torch.full((4, 24, 2), torch.nan)), torch.arange(4))
    some = none._replace(condition=Condition(landmarks_BK2=torch.full((4, 24, 2), 0.5)))
    finder = Finder(4, 1)
    assert train(finder, [none, some, none], 3, torch.device("cpu"), "dots") > 0
    assert all(parameter.isfinite().all() for parameter in finder.parameters())
    with pytest.raises(UserError, match="dots: none of the training pictures has any"):
        train(finder.requires_grad_(True), [none, none], 2, torch.device("cpu"), "dots")
