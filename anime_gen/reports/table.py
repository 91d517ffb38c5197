"""Families x scores: which of them may be laid side by side, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record, measure
from anime_gen.reports.matching import At, match
from anime_gen.reports.runs import Run, flat, systems
from anime_gen.reports.statistics import Summary, Values, Verdict, probability_best, summarise, verdict


class Cell(NamedTuple):
    """One system's values of one score."""

    values: Values  # seed -> value
    asked: bool  # without values: asked for, but undefined (no sample has a face), or not asked for
    summary: Summary | None
    probability_best: float | None  # None: no direction, or too few seeds
    best: bool  # the best mean of the column


class Column(NamedTuple):
    """One score that all who have it measured alike."""

    name: str
    better: str | None  # "higher", "lower", or None where neither is
    protocol: dict[str, Any]  # the part that is equal
    cells: dict[str, Cell | None]  # by system; None: not scored
    verdict: Verdict


class Refused(NamedTuple):
    """A score that was not measured alike, and the keys of the protocol that differ, each with its values."""

    name: str
    differs: dict[str, list[Any]]

    def __str__(self) -> str:
        keys = "; ".join(f"{key} is {_some(values)}" for key, values in self.differs.items())
        return f"{self.name}: {keys}"


class Table(NamedTuple):
    """A comparison."""

    systems: list[str]
    columns: list[Column]
    refused: list[Refused]
    at: str  # what is equal, in words
    notes: list[str]  # what else a reader must know
    reached: dict[str, tuple[int, float]]  # by system: images and seconds of the scorings that count, at most


def compare(runs: Sequence[Run], at: At = At.images, only: Sequence[str] | None = None) -> Table:
    """Lays runs side by side, those of one system (see `runs.systems`) as seeds of it.

    Raises:
        UserError: as `lay`.
    """
    return lay(systems(runs), at, only)


def lay(groups: Mapping[str, Sequence[Run]], at: At = At.images, only: Sequence[str] | None = None) -> Table:
    """Lays named groups of runs side by side, the runs of each as its seeds.

    Args:
        only: names of scores, in this order; None: all.

    Raises:
        UserError: nothing to compare, runs that cannot be lined up, a score that no run has, or no score that was
            measured alike.
    """
    if not groups:
        raise UserError("compare: there are no runs with scores; name run folders, such as runs/diffusion/*")
    named, notes = _one_run_a_seed(groups)
    matched = match(named, at)
    present = list(dict.fromkeys(name for runs in matched.records.values() for run in runs for name in run))
    if unknown := set(only or ()) - set(present):
        raise UserError(f"--scores {sorted(unknown)[0]}: no run has it; there are {', '.join(present)}")
    columns, refused = [], []
    for name in only or present:
        found = {
            system: {
                run.seed: scored[name] for run, scored in zip(named[system], records, strict=True) if name in scored
            }
            for system, records in matched.records.items()
        }
        differs = _differing([record for seeds in found.values() for record in seeds.values()])
        if differs:
            refused.append(Refused(name, differs))
        else:
            columns.append(_column(name, found))
    if not columns:
        raise UserError("no score was measured alike in all runs: " + " | ".join(map(str, refused)))
    reached = {
        system: (
            max(record.nimg for scored in records for record in scored.values()),
            max(record.seconds for scored in records for record in scored.values()),
        )
        for system, records in matched.records.items()
    }
    return Table(list(named), columns, refused, matched.words, notes, reached)


def _one_run_a_seed(named: Mapping[str, Sequence[Run]]) -> tuple[dict[str, list[Run]], list[str]]:
    """Two runs of one seed are one sample of luck, not two: the last named counts."""
    kept, notes = {}, []
    for system, runs in named.items():
        seeds = {run.seed: run for run in runs}
        kept[system] = list(seeds.values())
        if dropped := [run.name for run in runs if run is not seeds[run.seed]]:
            notes.append(f"{system}: left out, with the same seed and settings as another run: {', '.join(dropped)}")
    return kept, notes


def _differing(records: Sequence[Record]) -> dict[str, list[Any]]:
    """The keys of the protocols' measures that are not equal, with all values there are."""
    measures = [flat(measure(record.protocol)) for record in records if record.value is not None]
    keys = dict.fromkeys(key for each in measures for key in each)
    values = {key: {repr(each.get(key, "absent")): each.get(key, "absent") for each in measures} for key in keys}
    return {key: list(found.values()) for key, found in values.items() if len(found) > 1}


def _column(name: str, found: Mapping[str, Mapping[int, Record]]) -> Column:
    values = {
        system: {seed: record.value for seed, record in records.items() if record.value is not None}
        for system, records in found.items()
    }
    asked = {system: seeds for system, seeds in values.items() if seeds}
    # A value that is undefined may carry a protocol of its own: it has counted nothing.
    record = next(one for seeds in found.values() for one in seeds.values() if one.value is not None or not asked)
    better = record.protocol.get("better")
    summaries = {system: summarise(seeds) for system, seeds in asked.items()}
    chances: Mapping[str, float | None] = {}
    winner, decided = None, Verdict(None, "no direction is better" if asked else "undefined or not asked in every run")
    if better and asked:
        chances = probability_best(asked, better == "higher") if len(asked) > 1 else {}
        decided = verdict(asked, better == "higher")
        means = {summary.mean for summary in summaries.values()}
        if len(means) > 1:  # where all are alike, nobody is the best
            winner = (max if better == "higher" else min)(means)
    cells = {
        system: Cell(
            seeds,
            any(record.protocol.get("observed", {}).get("num_asked") for record in found[system].values()),
            summaries.get(system),
            chances.get(system),
            system in summaries and summaries[system].mean == winner,
        )
        if found[system]
        else None
        for system, seeds in values.items()
    }
    return Column(name, better, measure(record.protocol), cells, decided)


def _some(values: Sequence[Any]) -> str:
    told = [f"{value:,}" if isinstance(value, int) else str(value)[:40] for value in values]
    return " or ".join(told[:4]) + (" or others" if len(told) > 4 else "")
