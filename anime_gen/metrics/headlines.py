"""What a person reads of a run's scores: the five that matter first, every other one on demand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from anime_gen.metrics.protocol import Record

# In the order in which they matter; each line is what a pattern fits of the scores that a run has, and the first
# `HEADLINES` that fit anything are shown. Are the samples like the data, in what they show and in how they are
# rendered; is each a face; do they do as they were told, by labels, by landmarks, by a photo; and, where nobody told
# them anything, are they all one picture, or copies.
ORDER = (
    r"fd_(judge|render)",
    r"(precision|recall)_judge",
    r"faces",
    r"accuracy_\w+",
    r"landmark_nme(_photo)?",
    r"cycle_error_\w+",
    r"tag_f1",
    r"collapse_judge",
    r"copies_judge",
)
HEADLINES = 5
NOT_ASKED = "not asked"

_REAL = re.compile(r"_real(?=_|@|$)")


def sample_of(name: str) -> str | None:
    """The score of samples that one of real pictures stands beside; None for a score of samples.

    "faces_real@skin=dark" -> "faces@skin=dark".
    """
    return _REAL.sub("", name, count=1) if _REAL.search(name) else None


class Line(NamedTuple):
    """Scores that are read together, and those of real pictures beside them (None: there is none)."""

    samples: list[Record]
    real: list[Record | None]

    @property
    def name(self) -> str:
        """ "accuracy_hair, eye": a beginning that all share is said once."""
        first, *rest = [record.name for record in self.samples]
        begins = first.rpartition("_")[0] + "_"
        return ", ".join([first, *(name.removeprefix(begins) for name in rest)])


def lines(records: Sequence[Record]) -> list[Line]:
    """Every score of samples by its latest record, one a line, in the order they were written."""
    latest = {record.name: record for record in records}
    real = {sample: record for name, record in latest.items() if (sample := sample_of(name))}
    return [Line([record], [real.get(name)]) for name, record in latest.items() if not sample_of(name)]


def headlines(records: Sequence[Record]) -> list[Line]:
    """The first five of `ORDER` that the run was measured by."""
    asked = [line for line in lines(records) if in_words(line.samples) != NOT_ASKED]
    found = []
    for pattern in ORDER:
        if fitting := [line for line in asked if re.fullmatch(pattern, line.samples[0].name)]:
            found.append(Line([line.samples[0] for line in fitting], [line.real[0] for line in fitting]))
    return found[:HEADLINES]


def in_words(records: Sequence[Record | None]) -> str:
    """The values; or that nothing was asked; or that what was asked could not be measured (no sample has a face)."""
    return ", ".join(_in_words(record) for record in records)


def _in_words(record: Record | None) -> str:
    if record is None:
        return ""
    if record.value is not None:
        return format(record.value, ",.0f" if abs(record.value) >= 1000 else ".3g")
    return "undefined" if record.protocol.get("observed", {}).get("num_asked") else NOT_ASKED


def table(lines: Sequence[Line]) -> str:
    """Name, samples' values and real pictures' values, for a terminal; nothing of no lines."""
    rows = [(line.name, in_words(line.samples), in_words([one for one in line.real if one])) for line in lines]
    if any(real for *_, real in rows):
        rows.insert(0, ("", "samples", "real"))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    return "\n".join("  ".join(["", *(f"{c:<{w}}" for c, w in zip(row, widths, strict=True))]).rstrip() for row in rows)
