"""What a source of pictures promises: its words, its splits, and how to make any column of a pack."""

from __future__ import annotations

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
from lightning.pytorch.utilities import rank_zero_only

from anime_gen import conditions
from anime_gen.conditions import Column, Facts
from anime_gen.data.cache import cache_root
from anime_gen.vocabulary import Vocabulary

type Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

# Columns that every pack has beside those of conditions: RGB uint8, and False where a picture could not be read.
PICTURE = (
    Column("image", lambda facts: (facts.image_size, facts.image_size, 3), "u1", of_pixels=True),
    Column("readable", lambda facts: (), "?", of_pixels=True),
)
# What a pack may hold, by name.
COLUMNS: Mapping[str, Column] = {
    column.name: column for column in (*PICTURE, *conditions.COLUMNS.values()) if column.in_pack
}
# Columns made of pixels: their files are named by their size. The others come from labels.
PIXEL_COLUMNS = frozenset(name for name, column in COLUMNS.items() if column.of_pixels)
# The fields of a `Condition` that columns fill.
FIELDS = frozenset(
    name
    for name, field in conditions.FIELDS.items()
    if field.columns and all(column.in_pack for column in field.columns)
)
# Those that any picture can be asked for: they are made of it.
OF_ANY_PICTURE = frozenset(name for name in FIELDS if conditions.FIELDS[name].columns[0].of_picture)


class Filled(NamedTuple):
    """Some rows of some columns, and a line for each picture among them that could not be read."""

    columns: dict[str, np.ndarray]
    broken: list[str]


class Rows(Protocol):
    """A column of N rows that is read where it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """Some rows, int64 (B,), in memory: (B, ...)."""
        ...


class Columns(Protocol):
    """The columns of one split of one source, at one size of pictures."""

    @property
    def source(self) -> Source: ...

    @property
    def split(self) -> Split: ...

    def open(self, names: Iterable[str]) -> Mapping[str, Rows]:
        """Columns by name, picklable together.

        Raises:
            UserError: they cannot be made or read.
        """
        ...

    def content(self) -> str:
        """Hash of everything in them that is seen: equal for copies of the data, wherever they lie."""
        ...


class Source(ABC):
    """Pictures in three splits. A row is a picture's position in its split, readable or not.

    Attributes:
        cache: the folder below which anything derived is kept; the DataModule sets it.
        reported: the splits whose unreadable pictures have been named.
    """

    cache: Path
    reported: set[Split]

    def __init__(self) -> None:
        self.cache = cache_root()
        self.reported = set()

    def __str__(self) -> str:
        return type(self).__name__

    @property
    @abstractmethod
    def vocabulary(self) -> Vocabulary:
        """The words of this data, found without decoding a picture."""

    @property
    @abstractmethod
    def parts(self) -> frozenset[str]:
        """The `Condition` fields this source can fill. With tags (classes) comes how sure they are."""

    @abstractmethod
    def count(self, split: Split) -> int:
        """How many rows a split has."""

    @abstractmethod
    def name(self, split: Split, row: int) -> str:
        """How messages call a row: a file's name, a face's number."""

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """Class and arguments as plain values, for protocols and error messages."""

    @abstractmethod
    def picture_key(self, split: Split) -> str:
        """Hash of everything that the pixels of a split depend on, except their size."""

    @abstractmethod
    def label_key(self, split: Split) -> str:
        """Hash of everything else that the labels of a split depend on."""

    @abstractmethod
    def fill(self, split: Split, rows: range, wanted: frozenset[str], size: int) -> Filled:
        """Makes some rows of the wanted columns, in the shapes and types of `layout`. Runs in several processes."""

    @abstractmethod
    def captions(self, split: Split) -> list[str | None]:
        """One caption a row, None where there is none."""

    @property
    def truth(self) -> Source:
        """Whose pictures and labels scores are taken of: its own, but where training labels were changed."""
        return self

    def is_twin_of(self, other: Source) -> bool:
        """Does row i of the validation (and test) split show whom row i of the other source's shows?"""
        return False

    def streamed(self, split: Split, size: int) -> Columns | None:
        """Columns that are read of the source itself, picture by picture; None: they are packed first."""
        return None

    def layout(self, column: str, size: int) -> tuple[tuple[int, ...], np.dtype]:
        """Shape of one row and type of a column."""
        about = COLUMNS[column]
        return about.shape(Facts(size, self.vocabulary)), np.dtype(about.dtype)


@rank_zero_only
def warn(log: logging.Logger, text: str, *values: object) -> None:
    """A warning about the data, which every rank reads: the first one says it."""
    log.warning(text, *values)


def some(names: Sequence[str]) -> str:
    """The first five of many names, as text: a file's name is bytes."""
    told = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return told.encode(errors="backslashreplace").decode()


def content_hash(*parts: object) -> str:
    """A short name for JSON-able values; equal values give equal names on every machine."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
