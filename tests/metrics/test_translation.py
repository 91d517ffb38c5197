"""What goes wrong in translations, measured on pictures where it is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anime_gen.contract import UserError
from anime_gen.metrics.diversity import NearDuplicates, nearest_other
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.paired import LabError
from anime_gen.metrics.protocol import Role
from anime_gen.metrics.translation import CycleError, Holes, Inverted, Named, Recoloured


def grain(count: int, size: int = 8, seed: int = 0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randint(30, 220, (count, 3, size, size), generator=stream, dtype=torch.uint8)


def test_the_cycle_error_is_the_mean_difference() -> None:
    score = CycleError()
    there = grain(3)
    score.update(there + 10, Role.SAMPLE, truth=there)
    score.update(there[:1], Role.SAMPLE, truth=there[:1])
    assert score.compute()["cycle_error"] == pytest.approx(7.5)


def test_a_negative_is_inverted_and_a_recoloured_one_is_not() -> None:
    photos = grain(4)
    score = Inverted()
    score.update(255 - photos[:1], Role.SAMPLE, truth=photos[:1])
    score.update(photos[1:] // 2 + 40, Role.SAMPLE, truth=photos[1:])
    assert score.compute()["inverted"] == pytest.approx(0.25)
    flat = Inverted()
    flat.update(torch.full_like(photos, 90), Role.SAMPLE, truth=photos)
    assert flat.compute()["inverted"] == 0


def test_swapped_hues_are_recoloured_and_a_darker_picture_is_not() -> None:
    """Red hair before green grass, turned round; a picture that is merely darker or greyer keeps its hues."""
    photos = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    photos[:, 0, :4], photos[:, 1, 4:] = 200, 200
    made = photos // 2 + 30
    made[0] = made[0].flip(1)
    score = Recoloured()
    score.update(made, Role.SAMPLE, truth=photos)
    assert score.compute()["recoloured"] == pytest.approx(0.25)
    grey = Recoloured()
    grey.update(torch.full_like(photos, 90), Role.SAMPLE, truth=photos)
    assert grey.compute()["recoloured"] == 0


def test_holes_are_black_or_white() -> None:
    """A quarter of the pixels burnt out; a saturated red is no hole."""
    made = grain(2)
    made[:, :, :4, :4] = 255
    made[:, :, 4:, :4] = torch.tensor([255, 0, 0], dtype=torch.uint8)[None, :, None, None]
    score = Holes()
    score.update(grain(2), Role.HELD_OUT)
    score.update(made, Role.SAMPLE)
    assert score.compute() == {"holes": pytest.approx(0.25), "holes_real": 0}
    score.reset()
    score.update(grain(2), Role.SAMPLE)
    assert score.compute() == {"holes": 0, "holes_real": 0}


def test_near_duplicates_are_counted(judge: JudgeFeatures, pictures: Callable[..., Tensor]) -> None:
    """40 of 100 outputs come in twins; the others lie as real pictures do."""
    real, made = pictures(100, seed=1), pictures(100, seed=2)
    made[20:40] = made[:20]
    score = NearDuplicates(judge)
    score.update(real, Role.HELD_OUT)
    score.update(made, Role.SAMPLE)
    value = float(score.compute()[f"near_duplicates_{judge.name}"])
    usual = nearest_other(judge(real)).quantile(0.01)
    assert value == pytest.approx(float((nearest_other(judge(made)) < usual).double().mean()))
    assert 0.4 <= value < 0.5
    again = NearDuplicates(judge)
    again.update(real, Role.HELD_OUT)
    again.update(real, Role.SAMPLE)
    assert again.compute()[f"near_duplicates_{judge.name}"] <= 0.02
    twins = NearDuplicates(judge)
    twins.update(torch.cat([real[:90], real[:10]]), Role.HELD_OUT)
    twins.update(made, Role.SAMPLE)
    assert twins.compute() == {}, "nothing is nearer than exact twins: no value, not the best one"
    alone = NearDuplicates(judge)
    with pytest.raises(UserError, match="at least 2 real and 2 sampled"):
        alone.compute()


def test_a_named_score_is_the_score_under_its_own_name() -> None:
    named, plain = Named(LabError(), "back"), LabError()
    for score in (named, plain):
        score.update(grain(3), Role.SAMPLE, truth=grain(3, seed=4))
    assert named.names == ("delta_e_back",)
    assert named.better == {"delta_e_back": False}
    assert named.compute() == {"delta_e_back": plain.compute()["delta_e"]}
    assert named.protocol_of("delta_e_back") == plain.protocol_of("delta_e")
    named.reset()
    assert named.compute() == {}
