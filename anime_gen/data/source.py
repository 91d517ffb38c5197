"""What a source of pictures promises: its words, its splits, and how to make any column of a pack."""

from __future__ import annotations

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from lightning.pytorch.utilities import rank_zero_only

from anime_gen.contract import CAPTION_TOKENS
from anime_gen.data.cache import cache_root
from anime_gen.vocabulary import NUM_LANDMARKS, Vocabulary

type Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")

# One column of a pack, named by what it holds; the file's name also says the size or the labels it was made from.
type Kind = Literal[
    "image", "readable", "sketch", "tags", "attributes", "landmarks", "visible", "caption", "tag_confidence",
    "attribute_confidence",
]  # fmt: skip

# Kinds made of pixels: their files are named by their size. The others come from labels.
PIXEL_KINDS: frozenset[Kind] = frozenset({"image", "readable", "sketch"})

# Which column fills which field of a `Condition`. `source_BCHW` is not here: it is the `image` of another source;
# nor is `text_BD`: a text tower makes it of the captions.
PART_KIND: Mapping[str, Kind] = {
    "tags_BT": "tags",
    "attributes_BA": "attributes",
    "landmarks_BK2": "landmarks",
    "visible_BK": "visible",
    "sketch_B1HW": "sketch",
    "caption_BL": "caption",
    "tag_confidence_BT": "tag_confidence",
    "attribute_confidence_BA": "attribute_confidence",
}


class Filled(NamedTuple):
    """Some rows of some columns, and a line for each picture among them that could not be read."""

    columns: dict[Kind, np.ndarray]
    broken: list[str]


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
    def fill(self, split: Split, rows: range, kinds: frozenset[Kind], size: int) -> Filled:
        """Makes some rows of the asked columns, in the shapes and types of `layout`. Runs in several processes."""

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

    def layout(self, kind: Kind, size: int) -> tuple[tuple[int, ...], np.dtype]:
        """Shape of one row and type of a column.

        `image` is RGB uint8; `readable` is False where a picture could not be read; `sketch` is uint8 with white
        paper; `tags` is 1, 0 or -1 (not given); `attributes` a class or -1; `landmarks` (x, y) or NaN; `caption` is
        what `caption_tokens` gives. Confidences are in [0, 1], 0 where the label is not given.
        """
        shapes: dict[Kind, tuple[tuple[int, ...], str]] = {
            "image": ((size, size, 3), "u1"),
            "readable": ((), "?"),
            "sketch": ((size, size), "u1"),
            "tags": ((len(self.vocabulary.tags),), "i1"),
            "attributes": ((len(self.vocabulary.attributes),), "<i2"),
            "landmarks": ((NUM_LANDMARKS, 2), "<f4"),
            "visible": ((NUM_LANDMARKS,), "?"),
            "caption": ((CAPTION_TOKENS,), "<u2"),
            "tag_confidence": ((len(self.vocabulary.tags),), "<f2"),
            "attribute_confidence": ((len(self.vocabulary.attributes),), "<f2"),
        }
        shape, code = shapes[kind]
        return shape, np.dtype(code)


@rank_zero_only
def warn(log: logging.Logger, text: str, *values: object) -> None:
    """A warning about the data, which every rank reads: the first one says it."""
    log.warning(text, *values)


def some(names: Sequence[str]) -> str:
    """The first five of many names."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def content_hash(*parts: object) -> str:
    """A short name for JSON-able values; equal values give equal names on every machine."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
