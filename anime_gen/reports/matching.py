"""How runs are lined up before they are compared: which of them can be, and which scoring of each counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record, measure
from anime_gen.reports.runs import Run

# Of a whole run, at no moment of it.
COSTS = ("parameters", "parameters_drawing", "images_per_second", "peak_memory_gib")
# Counts this close are called equal.
PARAMETERS_WITHIN = 0.10
# More keys of a protocol, or more values of a key, are not told one by one.
KEYS_TOLD, VALUES_TOLD = 3, 4


class At(Enum):
    """What is equal between runs that are compared. In small letters: the command line offers the names."""

    images = "images"
    seconds = "seconds"
    parameters = "parameters"
    final = "final"


class Chosen(NamedTuple):
    """The runs that can be laid side by side, what can be equal between them, and a line for each reason that changed
    either."""

    runs: list[Run]
    at: At
    notes: list[str]


class Matched(NamedTuple):
    """The record of each score that counts for each run, and what was made equal, in words."""

    records: dict[str, list[dict[str, Record]]]  # system -> for each of its runs, score -> record
    words: str


def choose(runs: Sequence[Run], at: At, only: Sequence[str] | None = None) -> Chosen:
    """Leaves out what would spoil the comparison of the rest: one debug run must not.

    First the runs of whose scores not one was measured as the others': the most that agree stay, of two equal parties
    the one that trained longest. Then those that cannot be lined up at equal images or seconds, where most can; where
    most cannot, each run's last scoring counts.

    Args:
        only: the scores that are compared; None: all.
    """
    alike, notes = _measured_alike(runs, only)
    if at is At.final or not alike:
        return Chosen(alike, at, notes)
    progress, unit = (_seconds, "seconds") if at is At.seconds else (_images, "images")
    kept = _lined_up(alike, progress)
    if len(kept) == len(alike):
        return Chosen(alike, at, notes)
    if 2 * len(kept) <= len(alike) and at is not At.parameters:
        note = f"At each run's last scoring, not at equal {unit}: there is no moment at which most runs were scored"
        return Chosen(alike, At.final, [*notes, note])
    limit = min(_span(run, progress)[1] for run in kept)
    stay = set(map(id, kept))
    out = [f"{name_of(run)} ({_scored(*_span(run, progress), limit)})" for run in alike if id(run) not in stay]
    note = f"Left out at {limit:,.0f} {unit} (at final they are compared): {', '.join(out)}"
    return Chosen(kept, at, [*notes, note])


def name_of(run: Run) -> str:
    """What messages call it."""
    return f"{run.family}/{run.name}"


def _measured_alike(runs: Sequence[Run], only: Sequence[str] | None) -> tuple[list[Run], list[str]]:
    """The runs that measured a score as most did, and those that share another score with one of these."""
    measured = [
        {
            record.name: measure(record.protocol)
            for record in run.records
            if record.value is not None and record.name not in COSTS and (not only or record.name in only)
        }
        for run in runs
    ]
    ways = [dict.fromkeys((name, repr(own)) for name, own in one.items()) for one in measured]
    reached = [_span(run, _images)[1] for run in runs]

    def followers(way: tuple[str, str]) -> list[int]:
        return [place for place, own in enumerate(ways) if way in own]

    usual = max(
        dict.fromkeys(way for own in ways for way in own),
        key=lambda way: (len(followers(way)), max(reached[place] for place in followers(way))),
        default=None,
    )
    if usual is None:
        return list(runs), []
    accepted = {way for place in followers(usual) for way in ways[place]}
    # Whoever measured nothing contradicts nobody.
    kept = [place for place, own in enumerate(ways) if not own or accepted & own.keys()]
    example = measured[followers(usual)[0]]
    reasons: dict[str, list[str]] = {}
    for place in sorted(set(range(len(runs))) - set(kept)):
        name = next((name for name in example if name in measured[place]), None)
        why = in_words(differing([example[name], measured[place][name]])) if name else "no score in common"
        reasons.setdefault(why, []).append(name_of(runs[place]))
    notes = [f"Left out, because measured differently ({why}): {', '.join(names)}" for why, names in reasons.items()]
    return [runs[place] for place in kept], notes


def differing(trees: Sequence[Mapping[str, Any]], prefix: str = "") -> dict[str, list[Any]]:
    """The keys, dotted, that are not equal in all of some nested mappings, with all values there are, each once."""
    found: dict[str, list[Any]] = {}
    for key in dict.fromkeys(key for tree in trees for key in tree):
        values = [tree.get(key, "absent") for tree in trees]
        if all(isinstance(value, Mapping) for value in values):
            found |= differing(values, f"{prefix}{key}.")
        elif len(apart := {repr(value): value for value in values}) > 1:
            found[f"{prefix}{key}"] = list(apart.values())
    return found


def in_words(differs: Mapping[str, Sequence[Any]]) -> str:
    """ "num_fake is 512 or 64; image_size is 32 or 64; and 2 more keys"."""
    first, more = first_keys(differs)
    return "; ".join([f"{key} is {_some(differs[key])}" for key in first] + ([more] if more else []))


def first_keys(differs: Mapping[str, Any]) -> tuple[list[str], str]:
    """The keys that say most, what people set before what follows from it, and how many more there are, in words."""
    keys = sorted(differs, key=lambda key: (".key." in f".{key}.", ".pictures." in f".{key}."))
    rest = len(keys) - KEYS_TOLD
    return keys[:KEYS_TOLD], f"and {rest} more key{'s' * (rest > 1)}" if rest > 0 else ""


def _some(values: Sequence[Any]) -> str:
    def told(value: Any) -> str:
        if isinstance(value, Mapping):
            return str(value.get("class", "given"))
        return f"{value:,}" if isinstance(value, int) else str(value)[:40]

    return " or ".join(map(told, values[:VALUES_TOLD])) + (" or others" if len(values) > VALUES_TOLD else "")


def _lined_up(runs: Sequence[Run], progress: Callable[[Record], float]) -> list[Run]:
    """The most runs that were scored at or before, and trained until, one moment; of equally many those further on."""
    spans = [_span(run, progress) for run in runs]

    def at(moment: float) -> list[Run]:
        return [run for run, (first, last) in zip(runs, spans, strict=True) if first <= moment <= last]

    return max((at(last) for _, last in sorted(spans, key=lambda span: -span[1])), key=len)


def _span(run: Run, progress: Callable[[Record], float]) -> tuple[float, float]:
    """The first and the last moment at which a run was scored."""
    moments = [progress(record) for record in run.records if record.name not in COSTS] or [0.0]
    return min(moments), max(moments)


def _scored(first: float, last: float, limit: float) -> str:
    return f"first scored at {first:,.0f}" if first > limit else f"scored up to {last:,.0f}"


def match(systems: Mapping[str, Sequence[Run]], at: At) -> Matched:
    """Lines up all runs of all systems, which `choose` has found to be such as can be.

    images: the last scoring at or before the images that all runs have reached. seconds: the same for wall time.
    parameters: as images, where the systems' parameters agree within 10 %. final: each run's last scoring.

    Raises:
        UserError: parameters differ or were not counted.
    """
    if at is At.final:
        return Matched(_until(systems, _images, math.inf), "each run's last scoring")
    if at is At.seconds:
        limit = _reached_by_all(systems, _seconds)
        return Matched(_until(systems, _seconds, limit), f"{limit:,.0f} seconds of training")
    limit = _reached_by_all(systems, _images)
    words = f"{limit:,.0f} images"
    if at is At.parameters:
        words = f"{_equal_parameters(systems)}, {words}"
    return Matched(_until(systems, _images, limit), words)


def _images(record: Record) -> float:
    return float(record.nimg)


def _seconds(record: Record) -> float:
    return record.seconds


def _reached_by_all(systems: Mapping[str, Sequence[Run]], progress: Callable[[Record], float]) -> float:
    """How far the run came that came least far."""
    return min(_span(run, progress)[1] for runs in systems.values() for run in runs)


def _until(
    systems: Mapping[str, Sequence[Run]], progress: Callable[[Record], float], limit: float
) -> dict[str, list[dict[str, Record]]]:
    """Each run's last record of each score at or before the limit; its costs whenever they were written."""
    return {
        system: [
            {record.name: record for record in run.records if record.name in COSTS or progress(record) <= limit}
            for run in runs
        ]
        for system, runs in systems.items()
    }


def _equal_parameters(systems: Mapping[str, Sequence[Run]]) -> str:
    """The counts in words."""
    counts: dict[str, float] = {}
    for system, runs in systems.items():
        found = [record.value for run in runs for record in run.records if record.name == "parameters"]
        if not found or found[-1] is None:
            raise UserError(f"{system}: its parameters were not counted (no record of that name); use --at images")
        counts[system] = found[-1]
    if max(counts.values()) > (1 + PARAMETERS_WITHIN) * min(counts.values()):
        told = ", ".join(f"{system} {count:,.0f}" for system, count in counts.items())
        raise UserError(f"parameters differ by more than {PARAMETERS_WITHIN:.0%}: {told}; use --at images or seconds")
    return f"{min(counts.values()):,.0f} to {max(counts.values()):,.0f} parameters"
