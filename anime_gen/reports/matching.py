"""How runs are lined up before they are compared: which scoring of each run counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record
from anime_gen.reports.runs import Run

# Of a whole run, at no moment of it.
COSTS = ("parameters", "parameters_drawing", "images_per_second", "peak_memory_gib")
# Counts this close are called equal.
PARAMETERS_WITHIN = 0.10


class At(Enum):
    """What is equal between runs that are compared. In small letters: the command line offers the names."""

    images = "images"
    seconds = "seconds"
    parameters = "parameters"
    final = "final"


class Matched(NamedTuple):
    """The record of each score that counts for each run, and what was made equal, in words."""

    records: dict[str, list[dict[str, Record]]]  # system -> for each of its runs, score -> record
    words: str


def match(systems: Mapping[str, Sequence[Run]], at: At) -> Matched:
    """Lines up all runs of all systems.

    images: the last scoring at or before the images that all runs have reached. seconds: the same for wall time.
    parameters: as images, where the systems' parameters agree within 10 %. final: each run's last scoring.

    Raises:
        UserError: a run was first scored after what the others have reached, or parameters differ or were not counted.
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
    return min(max(map(progress, run.records)) for runs in systems.values() for run in runs)


def _until(
    systems: Mapping[str, Sequence[Run]], progress: Callable[[Record], float], limit: float
) -> dict[str, list[dict[str, Record]]]:
    """Each run's last record of each score at or before the limit; its costs whenever they were written."""
    matched: dict[str, list[dict[str, Record]]] = {}
    for system, runs in systems.items():
        matched[system] = []
        for run in runs:
            kept = [record for record in run.records if record.name in COSTS or progress(record) <= limit]
            if all(record.name in COSTS for record in kept):
                raise UserError(
                    f"{run.path} was first scored after what all runs have reached ({limit:,.0f}): "
                    "leave it out, compare with --at final, or let the shortest run go on"
                )
            matched[system].append({record.name: record for record in kept})
    return matched


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
