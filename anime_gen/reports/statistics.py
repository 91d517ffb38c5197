"""What a few seeds say: means, intervals, the probability of being the best, and when a winner may be named.

Everything is float64 and seeded: the same values give the same answer. A family's values come as {seed: value}.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
CONFIDENCE = 0.95
# Two seeds cannot say how far seeds spread.
LEAST_SEEDS = 3

type Values = Mapping[int, float]


class Summary(NamedTuple):
    """Of the values of one family over its seeds."""

    mean: float
    low: float | None  # the bounds of the interval; None with one seed
    high: float | None
    n: int


class Verdict(NamedTuple):
    """Which family may be called the best, if any, and why (not)."""

    best: str | None
    reason: str


def summarise(values: Values) -> Summary:
    """Mean and 95 % percentile bootstrap interval of the mean over seeds (Efron & Tibshirani 1993, chapter 13).

    With few seeds the interval is too narrow, which is why n is always told: of normal values it holds the true mean
    in about 77 % of the cases with 3 seeds, 87 % with 5 and 92 % with 10.
    """
    from scipy.stats import bootstrap

    numbers = np.asarray(list(values.values()), dtype=np.float64)
    if len(numbers) < 2:
        return Summary(float(numbers.mean()), None, None, len(numbers))
    interval = bootstrap(
        (numbers,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Summary(float(numbers.mean()), float(interval.low), float(interval.high), len(numbers))


def paired(families: Mapping[str, Values]) -> bool:
    """Whether all families ran with the same seeds, so that a seed's luck is common to them."""
    return len({frozenset(values) for values in families.values()}) == 1


def probability_best(families: Mapping[str, Values], higher: bool) -> dict[str, float | None]:
    """The share of bootstrap resamples of the seeds in which each family has the best mean; ties are shared.

    Seeds are resampled together where all families have the same ones, else each family's on their own.

    Args:
        families: at least one, each with at least one seed.
        higher: whether higher is better.

    Returns:
        Probabilities that sum to 1; None for all where a family has one seed, of whose spread nothing is known.
    """
    if min(map(len, families.values())) < 2:
        return dict.fromkeys(families)
    together = paired(families)
    generator = np.random.default_rng(0)
    means: list[NDArray[np.float64]] = []
    rows = None
    for values in families.values():
        numbers = np.asarray([values[seed] for seed in sorted(values)], dtype=np.float64)
        if rows is None or not together:
            rows = generator.integers(len(numbers), size=(RESAMPLES, len(numbers)))
        means.append(numbers[rows].mean(axis=1))
    stacked = np.stack(means) if higher else -np.stack(means)
    best = stacked == stacked.max(axis=0)
    shares = (best / best.sum(axis=0)).mean(axis=1)
    return {name: float(share) for name, share in zip(families, shares, strict=True)}


def told_apart(ours: Values, theirs: Values, together: bool) -> bool:
    """Whether a t-test tells two families apart at the 5 % level: Student's paired one, or else Welch's.

    The bootstrap is not asked: with so few seeds it is too sure of itself (of two equal families with 3 seeds each it
    gives one of them 95 % or more in about a quarter of the cases).
    """
    from scipy.stats import ttest_ind, ttest_rel

    a, b = ([values[seed] for seed in sorted(values)] for values in (ours, theirs))
    if together and len({x - y for x, y in zip(a, b, strict=True)}) == 1:
        return a != b  # a constant difference has no spread to divide by
    found = ttest_rel(a, b) if together else ttest_ind(a, b, equal_var=False)
    return bool(found.pvalue < 1 - CONFIDENCE)


def undecidable(families: Mapping[str, Values]) -> Verdict | None:
    """What is to be said where there is nobody to compare with, or too few seeds."""
    if len(families) < 2:
        return Verdict(None, "nothing to compare with")
    if (fewest := min(map(len, families.values()))) < LEAST_SEEDS:
        return Verdict(None, f"undecided: {fewest} seed{'s' * (fewest > 1)} of at least {LEAST_SEEDS}")
    return None


def mean_of(values: Values) -> float:
    """Over the seeds."""
    return float(np.mean(list(values.values())))


def verdict(families: Mapping[str, Values], higher: bool) -> Verdict:
    """Names the best family where it is told apart from every other (`told_apart`), else nobody."""
    if said := undecidable(families):
        return said
    best = (max if higher else min)(families, key=lambda name: mean_of(families[name]))
    together = paired(families)
    close = [
        name for name, values in families.items() if name != best and not told_apart(families[best], values, together)
    ]
    if close:
        return Verdict(None, f"undecided: {best} ahead, not told from {', '.join(close)}")
    return Verdict(best, f"{best} is best")


def verdict_of_both(content: Mapping[str, Values], rendering: Mapping[str, Values]) -> Verdict:
    """Names the family that is better than every other in one of two distances and worse than none in the other.

    A ruler of content forgives blur, one of rendering forgives faces without eyes: neither decides alone.

    Args:
        content, rendering: of the same families; of both less is better.
    """
    if said := undecidable(content) or undecidable(rendering):
        return said
    signs: dict[tuple[str, str], list[int]] = {}
    for families in (content, rendering):
        together = paired(families)
        for ours, theirs in itertools.permutations(families, 2):
            a, b = families[ours], families[theirs]
            sign = (1 if mean_of(a) < mean_of(b) else -1) if told_apart(a, b, together) else 0
            signs.setdefault((ours, theirs), []).append(sign)
    for ours in content:
        against = [found for (name, _), found in signs.items() if name == ours]
        if all(max(pair) > 0 and min(pair) >= 0 for pair in against):
            return Verdict(ours, f"{ours} is best, in both taken together")
    ahead = [min((mean_of(values), name) for name, values in families.items())[1] for families in (content, rendering)]
    if ahead[0] == ahead[1]:
        return Verdict(None, f"undecided: {ahead[0]} ahead in both, not told from every other")
    return Verdict(None, f"undecided: {ahead[0]} ahead in what is shown, {ahead[1]} in how it is rendered")
