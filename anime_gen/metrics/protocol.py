"""What a score is and how it is written down: the bytes that are scored, and the records of `metrics.json`.

A value without its protocol (extractor, weights, resize, how many pictures) cannot be compared with anything, so a
record always carries it.
"""

from __future__ import annotations

import json
import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, cast

import torch
from torch import Tensor
from torchmetrics import Metric

from anime_gen.contract import Condition, UserError
from anime_gen.files import write_text
from anime_gen.reading import read_json


class Record(NamedTuple):
    """One score of one run at one moment."""

    name: str
    value: float | None  # None: nobody asked for it (an unconditional family has no tag accuracy)
    nimg: int  # training pictures shown so far
    seconds: float  # seconds trained so far
    protocol: dict[str, Any]  # extractor, weights, resize, how many pictures; plain JSON values


# What JSON says for each field.
_KINDS = {"name": str, "value": int | float | None, "nimg": int, "seconds": int | float, "protocol": dict}
_LARGEST = sys.float_info.max


# What a protocol says of the system that was measured and of what came out, not of the measure.
BESIDE_THE_MEASURE = ("system", "observed")


def measure(protocol: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a protocol that must be equal for two values to be compared."""
    return {key: value for key, value in protocol.items() if key not in BESIDE_THE_MEASURE}


def of_control(record: Record) -> bool:
    """Whether the score says how far samples are what they were asked to be: it has counted what was asked."""
    observed = record.protocol.get("observed", {})
    return record.value is not None and bool(observed.get("answers") or observed.get("num_asked"))


def read(path: str | Path) -> list[Record]:
    """All records of a `metrics.json`, in the order they were written; none if there is no such file.

    Raises:
        UserError: the file is not a list of records.
    """
    path = Path(path)
    if not path.exists():
        return []
    try:
        return [_record(entry) for entry in read_json(path)]
    except TypeError as error:
        raise UserError(f"{path}: not a list of records ({error}); move the file away or mend it") from error


def _record(entry: Any) -> Record:
    """Raises: TypeError: a field is missing, or of another kind."""
    record = Record(**entry)
    for name, kind in _KINDS.items():
        if not isinstance(getattr(record, name), kind):
            raise TypeError(f"{name} is {str(getattr(record, name))[:40]!r}")
    if not all(abs(number) <= _LARGEST for number in (record.value or 0, record.nimg, record.seconds)):
        raise TypeError(f"a number of {record.name[:40]!r} is not finite")
    return record


def write(path: str | Path, records: Iterable[Record]) -> None:
    """Replaces the file by these records, atomically: a reader, or a crash, sees the old file or the new one.

    Only one process may write: call it on rank 0.

    Raises:
        ValueError: a value is infinite or NaN, which JSON cannot say.
    """
    entries = []
    for record in records:
        if record.value is not None and not math.isfinite(record.value):
            raise ValueError(f"{record.name} is {record.value}: only finite scores, or None, can be recorded")
        entries.append(json.dumps(record._asdict(), allow_nan=False, sort_keys=True))
    # One record a line: `git diff` and `grep` can read it.
    write_text(Path(path), "[\n" + ",\n".join(entries) + "\n]\n")


def append(path: str | Path, records: Iterable[Record]) -> None:
    """Adds records to the end of the file, atomically."""
    write(path, [*read(path), *records])


def drop_after(path: str | Path, nimg: int) -> None:
    """Forgets what was scored after `nimg` pictures: a resumed run comes by there again."""
    kept = read(path)
    if any(record.nimg > nimg for record in kept):
        write(path, [record for record in kept if record.nimg <= nimg])


class Role(Enum):
    """Whose pictures a score is given."""

    TRAINING = "training"  # what the family learns from
    HELD_OUT = "held_out"  # real, but never trained on
    SAMPLE = "sample"


def check_size(score: str, images: Tensor, size: int) -> None:
    """For scores of the pixels themselves. Raises: UserError: pictures (B, 3, H, W) that are not `size` a side."""
    if images.shape[2:] != (size, size):
        raise UserError(f"{score}: pictures of {size} px a side, not {tuple(images.shape[2:])}")


# The two that a distance is taken between.
SIDES = (Role.HELD_OUT, Role.SAMPLE)


class Score(Metric, ABC):
    """What every score promises beyond torchmetrics: names, which way is better, and a protocol.

    A score takes what it has a use for and ignores the rest, so that a list of scores can be fed alike.
    """

    # Not what torchmetrics' `forward` is made for: a distance of one batch says nothing.
    full_state_update: bool | None = True
    is_differentiable: bool | None = False

    # States with these prefixes survive a plain `reset()`: pictures that do not change from one scoring to the next.
    kept: ClassVar[tuple[str, ...]] = (Role.TRAINING.value, Role.HELD_OUT.value)

    def __init__(self) -> None:
        super().__init__()
        # Of the latest `compute()`, over all ranks: how many pictures of each role it took, and what else it met.
        self._sizes: dict[str, int] = {}
        self._observed: dict[str, Any] = {}

    @property
    @abstractmethod
    def better(self) -> Mapping[str, bool | None]:
        """Every name `compute` may return -> True: higher is better, False: lower, None: neither."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name `compute` may return."""
        return tuple(self.better)

    @abstractmethod
    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        """Counts some pictures.

        Args:
            images: uint8 (B, 3, H, W).
            role: whose they are.
            condition: what was asked of samples (only the parts that the family was told), or how real pictures are
                labelled; the parts are in the order of the data's vocabulary.
            truth: uint8 (B, 3, H, W), the pictures that these samples should have been, where there are such.

        Raises:
            UserError: the condition is not one of the data that the score was made for.
        """

    def protocol(self) -> dict[str, Any]:
        """What the latest value was measured with: plain JSON values.

        Two values may be compared if `measure` of their protocols is equal. `observed` is beside the measure.
        """
        return {**self._sizes, "observed": self._observed} if self._observed else {**self._sizes}

    def protocol_of(self, name: str) -> dict[str, Any]:
        """The protocol of one of the names, for scores whose names are measured with different pictures."""
        return self.protocol()

    def reset(self) -> None:
        """Forgets the samples, and nothing that is kept."""
        kept = {}
        for name in self._defaults:
            if name.startswith(self.kept):
                state = getattr(self, name)
                kept[name] = list(state) if isinstance(state, list) else state
        super().reset()
        for name, state in kept.items():
            setattr(self, name, state)

    def reset_all(self) -> None:
        """Forgets everything, real pictures too."""
        super().reset()

    def _rows(self, name: str, width: int) -> Tensor:
        """A flat list state as a matrix (N, width)."""
        state = getattr(self, name)
        if isinstance(state, list):
            state = torch.cat(state) if state else torch.zeros(0, device=self.device)
        return cast(Tensor, state).view(-1, width)
