"""Collapse and diversity, by hand."""

import pytest
import torch

from anime_gen.contract import UserError
from anime_gen.metrics.diversity import (
    Collapse,
    ConditionDiversity,
    collapse_index,
    mean_distance,
    nearest_other,
    thinned,
)
from anime_gen.metrics.protocol import Role


def show(*points):
    """A picture for each point: its features are the point."""
    images = torch.zeros(len(points), 3, 2, 2, dtype=torch.uint8)
    images[:, 0, 0] = torch.tensor(points, dtype=torch.uint8)
    return images


def test_distances_by_hand(monkeypatch):
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0], [3.0, 5.0]])
    for rows in (1024, 3):
        monkeypatch.setattr("anime_gen.metrics.diversity._ROWS", rows)
        assert nearest_other(points).tolist() == [5, 1, 0, 0]
        assert mean_distance(points).item() == pytest.approx((5 + 2 * 34**0.5 + 1 + 1 + 0) / 6)


def test_sees_a_collapse_to_few_pictures_that_the_median_of_all_pairs_does_not():
    stream = torch.Generator().manual_seed(0)
    real, other = torch.randn(2, 300, 16, generator=stream, dtype=torch.float64)
    assert collapse_index(real, other).item() < 0.05
    assert collapse_index(real, other / 2).item() == pytest.approx(0.5, abs=0.05)
    for modes in (1, 10, 100):
        assert collapse_index(real, other[torch.arange(300) % modes]).item() == 1
    ten = other[torch.arange(300) % 10]
    assert collapse_index(real, ten + 0.1 * torch.randn(300, 16, generator=stream)).item() > 0.8
    assert torch.pdist(ten).median() > 0.9 * torch.pdist(real).median()
    assert collapse_index(real[:1].expand(4, -1), other).isnan()


def test_rows_are_thinned_whatever_their_order():
    points = torch.randn(500, 16, generator=torch.Generator().manual_seed(0))
    kept = thinned(points, 100)
    assert len(kept) == 100
    assert torch.equal(kept, thinned(points.flip(0), 100))
    assert torch.equal(thinned(points, 500), points)
    spread = points.square().sum(1).mean()
    assert kept.square().sum(1).mean().item() == pytest.approx(spread.item(), rel=0.1)  # like the rest


def test_score_of_a_collapse(first_bytes):
    score = Collapse(first_bytes)
    score.update(show((0, 0), (0, 10), (0, 20)), Role.HELD_OUT)
    score.update(show((0, 0), (0, 5), (0, 10)), Role.SAMPLE)
    score.update(show((7, 7), (9, 9), (8, 7)), Role.TRAINING)
    assert score.compute()["collapse_bytes"].item() == 0.5
    assert (score.protocol()["num_real"], score.protocol()["num_fake"]) == (3, 3)
    score.reset()
    score.update(show((0, 0), (0, 100), (0, 100), (0, 0), (0, 0)), Role.SAMPLE)
    assert score.compute()["collapse_bytes"].item() == 1
    score.reset()
    score.update(show((0, 0)), Role.SAMPLE)
    with pytest.raises(UserError, match="3 and 1"):
        score.compute()


def test_diversity_within_one_condition_by_hand(first_bytes):
    metric = ConditionDiversity(first_bytes)
    metric.update(show((0, 0), (0, 20)))
    assert metric.compute() == {}
    metric.update(show((0, 0), (0, 10), (0, 50)), torch.tensor([3, 3, 7]))
    metric.update(show((0, 54), (0, 200)), torch.tensor([7, 8]))
    # Within 3: 10, within 7: 4; 8 has no second picture. Real pictures are 20 apart.
    assert metric.compute()["diversity_within_bytes"].item() == pytest.approx((10 + 4) / 2 / 20)
    protocol = metric.protocol()
    assert (protocol["num_real"], protocol["num_fake"], protocol["num_conditions"]) == (2, 5, 2)
    assert protocol["observed"]["between"] == pytest.approx((50 + 54 + 40 + 44) / 4 / 20)
    metric.reset()
    metric.update(show((0, 0), (0, 20)))
    metric.update(show((5, 5), (5, 5), (9, 9), (9, 9)), torch.tensor([0, 0, 1, 1]))
    assert metric.compute()["diversity_within_bytes"].item() == 0
