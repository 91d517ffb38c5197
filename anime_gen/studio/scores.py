"""The scores of some runs side by side, each with what it means, and where two were not measured alike, that."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from anime_gen.metrics import headlines
from anime_gen.metrics.protocol import Record, measure, read
from anime_gen.reports.matching import differing, in_words
from anime_gen.run.folder import RunFolder
from anime_gen.run.opened import OpenRun

# What a score says, for somebody who has not read its page: the first pattern that fits.
MEANINGS = (
    (r"fd_judge", "how far what the pictures show is from real ones"),
    (r"fd_render", "how far the way they are rendered is from real ones"),
    (r"precision_\w+", "share of the pictures that look like real ones"),
    (r"recall_\w+", "share of the real pictures that it could have drawn"),
    (r"faces.*", "share of the pictures that are a face"),
    (r"accuracy_(\w+)", "share of the pictures with the {0} that was asked for"),
    (r"landmark_nme.*", "how far landmarks are from where they were asked for, in distances of the eyes"),
    (r"cycle_error.*", "how much is lost on the way there and back"),
    (r"tag_f1", "how well the tags that were asked for are there, and no others"),
    (r"collapse_judge", "how alike its pictures are: 0 as varied as real ones, 1 at least half have a twin"),
    (r"copies_judge", "share of the pictures that nearly are training pictures"),
)
DIRECTION = {"lower": "lower is better", "higher": "higher is better"}


class Row(NamedTuple):
    """One score."""

    name: str
    meaning: str
    cells: list[str]  # a value for each run
    real: str  # of real pictures, where it is known
    protocol: str  # how it was measured, where all agree
    differs: str  # in which they do not; "" where all agree


def meaning(record: Record) -> str:
    """ "share of the pictures that are a face; higher is better"."""
    fits = ((re.fullmatch(pattern, record.name), said) for pattern, said in MEANINGS)
    said = next((said.format(*match.groups()) for match, said in fits if match), "")
    return "; ".join(filter(None, [said, DIRECTION.get(record.protocol.get("better") or "", "")]))


def records_of(run: OpenRun) -> list[Record]:
    """What it has scored on validation pictures."""
    return [record for record in read(RunFolder(run.folder).metrics) if record.protocol.get("split") == "validation"]


def side_by_side(runs: Sequence[OpenRun]) -> list[Row]:
    """The headlines of all, each run's latest."""
    found = [records_of(run) for run in runs]
    latest = [{record.name: record for record in records} for records in found]
    lines = [line for records in found for line in headlines.headlines(records)]
    rows = []
    for name in dict.fromkeys(record.name for line in lines for record in line.samples):
        of_runs = [records.get(name) for records in latest]
        measured = [measure(record.protocol) for record in of_runs if record is not None and record.value is not None]
        real = next(
            (one for line in lines for sample, one in zip(*line, strict=True) if sample.name == name and one), None
        )
        differs = differing(measured)
        rows.append(
            Row(
                name,
                meaning(next(record for record in of_runs if record is not None)),
                [headlines.in_words([record]) or "not scored" for record in of_runs],
                headlines.in_words([real]),
                "" if differs or not measured else "; ".join(f"{key}: {value}" for key, value in measured[0].items()),
                in_words(differs) if differs else "",
            )
        )
    return rows
