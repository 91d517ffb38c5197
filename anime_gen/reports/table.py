"""Families x scores: which of them may be laid side by side, and what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record, measure, of_control
from anime_gen.reports.matching import COSTS, At, choose, differing, in_words, match
from anime_gen.reports.runs import Run, systems
from anime_gen.reports.statistics import Summary, Values, Verdict, probability_best, summarise, verdict, verdict_of_both

# What pictures show, and how they are rendered.
TOGETHER = ("fd_judge", "fd_render")
# More names of scores are not told one by one.
NAMES_TOLD = 4


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
    control: bool  # whether it says how far samples are what they were asked to be
    cells: dict[str, Cell | None]  # by system; None: not scored
    verdict: Verdict


class Refused(NamedTuple):
    """A score that was not measured alike, and the keys of the protocol that differ, each with its values."""

    name: str
    differs: dict[str, list[Any]]


class Table(NamedTuple):
    """A comparison."""

    runs: dict[str, list[Run]]  # by system, those that are compared
    columns: list[Column]
    refused: list[Refused]
    at: str  # what is equal, in words
    notes: list[str]  # what else a reader must know
    reached: dict[str, tuple[int, float]]  # by system: images and seconds of the scorings that count, at most

    @property
    def systems(self) -> list[str]:
        """What is compared, by name."""
        return list(self.runs)


def compare(runs: Sequence[Run], at: At = At.images, only: Sequence[str] | None = None) -> Table:
    """Lays runs side by side, those of one system (see `runs.systems`) as seeds of it.

    Runs that would spoil the comparison of the others are left out (see `matching.choose`), and a note says so.

    Raises:
        UserError: as `lay`.
    """
    # Before they are named: what is left out sets no system apart.
    chosen = choose(runs, at, only)
    table = lay(systems(chosen.runs), chosen.at, only)
    return table._replace(notes=[*chosen.notes, *table.notes])


def lay(groups: Mapping[str, Sequence[Run]], at: At = At.images, only: Sequence[str] | None = None) -> Table:
    """Lays named groups of runs side by side, the runs of each as its seeds.

    Args:
        only: names of scores, in this order; None: all.

    Raises:
        UserError: nothing to compare, a score that no run has, runs whose parameters are not equal where they should
            be, or no score that was measured alike.
    """
    chosen = choose([run for runs in groups.values() for run in runs], at, only)
    if not chosen.runs:
        raise UserError("compare: there are no runs with scores: make experiment MODEL=diffusion makes one")
    stay = set(map(id, chosen.runs))
    left = {system: [run for run in runs if id(run) in stay] for system, runs in groups.items()}
    named, notes = _one_run_a_seed({system: runs for system, runs in left.items() if runs})
    matched = match(named, chosen.at)
    present = list(dict.fromkeys(name for runs in matched.records.values() for run in runs for name in run))
    if unknown := set(only or ()) - set(present):
        raise UserError(f"--scores {sorted(unknown)[0]}: no run has it; there are {', '.join(present)}")
    columns, refused = [], []
    for name in only or sorted(present, key=lambda name: name not in TOGETHER):  # side by side, and first
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
        raise UserError(f"no score was measured alike in all runs: {' | '.join(grouped(refused))}")
    columns = _judged_together(columns)
    reached = {system: _reached(runs) for system, runs in matched.records.items()}
    return Table(named, columns, refused, matched.words, [*chosen.notes, *notes], reached)


def _judged_together(columns: list[Column]) -> list[Column]:
    """Where content and rendering are both scored, neither hides the other: they have one verdict."""
    both = [column for name in TOGETHER for column in columns if column.name == name]
    if len(both) < len(TOGETHER):
        return columns
    values = [{name: cell.values for name, cell in column.cells.items() if cell and cell.values} for column in both]
    if values[0].keys() != values[1].keys():
        return columns
    said = verdict_of_both(*values)
    return [column._replace(verdict=said) if column in both else column for column in columns]


def _reached(runs: Sequence[Mapping[str, Record]]) -> tuple[int, float]:
    """Images and seconds of the latest scoring that counts; what a run has cost is of all of it."""
    scored = [record for run in runs for record in run.values() if record.name not in COSTS]
    return max((record.nimg for record in scored), default=0), max((record.seconds for record in scored), default=0.0)


def grouped(refused: Sequence[Refused]) -> list[str]:
    """Refused scores in words, those for whom the same keys of the protocol differ in one line."""
    alike: dict[tuple[str, ...], list[Refused]] = {}
    for one in refused:
        alike.setdefault(tuple(one.differs), []).append(one)
    return [f"{names([one.name for one in group])}: {in_words(group[0].differs)}" for group in alike.values()]


def names(scores: Sequence[str]) -> str:
    """Names of scores in a line: all, or the first and how many more."""
    if len(scores) <= NAMES_TOLD + 1:
        return ", ".join(scores)
    return f"{', '.join(scores[:NAMES_TOLD])} and {len(scores) - NAMES_TOLD} more scores"


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
    return differing([measure(record.protocol) for record in records if record.value is not None])


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
    control = any(of_control(record) for seeds in found.values() for record in seeds.values())
    return Column(name, better, measure(record.protocol), control, cells, decided)
