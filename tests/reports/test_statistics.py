"""Intervals, probabilities and verdicts against what they must be."""

import itertools

import numpy as np
import pytest

from anime_gen.reports.statistics import probability_best, summarise, verdict, verdict_of_both


def seeds(*values):
    return dict(enumerate(values))


def test_one_seed_has_no_interval():
    assert summarise({7: 3.0}) == (3.0, None, None, 1)


def test_the_interval_is_that_of_all_resamples():
    """Three values have 27 resamples: all of them can be written down."""
    values = (1.0, 2.0, 6.0)
    means = [np.mean(draw) for draw in itertools.product(values, repeat=3)]
    summary = summarise(seeds(*values))
    assert summary.mean == pytest.approx(3)
    assert summary.low == pytest.approx(np.percentile(means, 2.5, method="inverted_cdf"))
    assert summary.high == pytest.approx(np.percentile(means, 97.5, method="inverted_cdf"))
    assert summarise(seeds(*values)) == summary


def test_equal_values_have_no_width():
    assert summarise(seeds(0.5, 0.5, 0.5)) == (0.5, 0.5, 0.5, 3)


def test_probability_of_the_best_is_that_of_all_resamples():
    a, b = (1.0, 5.0), (2.0, 3.0)
    found = probability_best({"a": {0: a[0], 1: a[1]}, "b": {8: b[0], 9: b[1]}}, higher=True)
    wins = [np.mean(x) > np.mean(y) for x in itertools.product(a, repeat=2) for y in itertools.product(b, repeat=2)]
    ties = [np.mean(x) == np.mean(y) for x in itertools.product(a, repeat=2) for y in itertools.product(b, repeat=2)]
    assert found["a"] == pytest.approx(np.mean(wins) + np.mean(ties) / 2, abs=0.02)
    assert sum(found.values()) == pytest.approx(1)
    fewer = probability_best({"a": {0: a[0], 1: a[1]}, "b": {8: b[0], 9: b[1]}}, higher=False)
    assert fewer["b"] == pytest.approx(found["a"], abs=1e-9)


def test_pairs_share_their_luck():
    """b is a little better with every seed, and seeds differ by far more: only pairs can tell."""
    a, b = seeds(1.0, 5.0, 9.0, 2.0), seeds(1.1, 5.2, 9.1, 2.2)
    assert probability_best({"a": a, "b": b}, higher=True)["b"] == 1
    others = {seed + 100: value for seed, value in b.items()}
    assert 0.4 < probability_best({"a": a, "b": others}, higher=True)["b"] < 0.7
    assert verdict({"a": a, "b": b}, higher=True).best == "b"
    assert verdict({"a": a, "b": others}, higher=True).best is None


def test_ties_are_shared():
    same = seeds(0.2, 0.4, 0.4)
    assert probability_best({"a": same, "b": dict(same)}, higher=True) == {"a": 0.5, "b": 0.5}
    decided = verdict({"a": same, "b": dict(same)}, higher=True)
    assert decided.best is None
    assert decided.reason.startswith("undecided")


def test_one_seed_decides_nothing():
    assert probability_best({"a": seeds(1.0), "b": seeds(2.0, 3.0)}, higher=True) == {"a": None, "b": None}
    assert "1 seed of at least 3" in verdict({"a": seeds(1.0), "b": seeds(2.0)}, higher=True).reason
    assert verdict({"a": seeds(1.0, 2.0, 3.0)}, higher=True).reason == "nothing to compare with"


def test_a_constant_lead_with_every_seed_decides():
    assert verdict({"a": seeds(1.0, 2.0, 3.0), "b": seeds(2.0, 3.0, 4.0)}, higher=False).best == "a"


@pytest.mark.parametrize(
    ("content", "rendering", "best", "reason"),
    [
        ({"x": 1, "y": 5, "z": 5}, {"x": 1, "y": 5, "z": 5}, "x", "x is best, in both taken together"),
        ({"x": 1, "y": 5, "z": 5}, {"x": 1, "y": 5, "z": 1}, "x", "x is best, in both taken together"),
        ({"x": 1, "y": 5, "z": 1}, {"x": 1, "y": 5, "z": 1}, None,
         "undecided: x ahead in both, not told from every other"),
        ({"x": 1, "y": 5}, {"x": 5, "y": 1}, None, "undecided: x ahead in what is shown, y in how it is rendered"),
    ],
)  # fmt: skip
def test_neither_distance_decides_alone(content, rendering, best, reason):
    luck = {"x": (-0.1, 0.02, 0.05), "y": (0.1, -0.1, 0.03), "z": (0.06, -0.06, 0.01)}
    found = [
        {name: seeds(*(level + off for off in luck[name])) for name, level in levels.items()}
        for levels in (content, rendering)
    ]
    assert verdict_of_both(*found) == (best, reason)


def test_both_need_three_seeds():
    few = {name: {0: 1.0, 1: 2.0} for name in "xy"}
    assert verdict_of_both(few, few).reason == "undecided: 2 seeds of at least 3"
    assert verdict_of_both({"x": few["x"]}, {"x": few["x"]}).reason == "nothing to compare with"


def test_chance_names_a_winner_in_one_case_of_twenty():
    """The bootstrap alone would name one in a quarter of the cases."""
    generator = np.random.default_rng(0)
    named = 0
    for _ in range(400):
        a, b = generator.normal(size=(2, 3))
        named += verdict({"a": seeds(*a), "b": dict(enumerate(b, 10))}, higher=True).best is not None
    assert named / 400 < 0.08
    apart = verdict({"a": seeds(1.0, 1.1, 0.9), "b": {10: 3.0, 11: 3.1, 12: 2.9}}, higher=True)
    assert apart.best == "b"
