"""From memory-mapped columns to a `Batch`: the one place that makes images float32 in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from anime_gen.conditions import FIELDS, Condition
from anime_gen.conditions.kind import flipped
from anime_gen.contract import Batch
from anime_gen.data.pack import report_unreadable
from anime_gen.data.sampler import Stream
from anime_gen.data.source import Columns, Rows


class Pictures:
    """The readable pictures of one split, and the parts of their `Condition` that were asked for.

    Args:
        columns: of the split; what is missing is made.
        parts: `Condition` fields to load, all of which their source has.
        text: where `text_BD` is among them, float32 (N, 2, D): the features of each row's caption and
            of its mirror image's.
    """

    def __init__(self, columns: Columns, parts: frozenset[str], text: np.ndarray | None = None) -> None:
        self.parts = parts
        self._text = text
        names = {column.name for part in parts for column in FIELDS[part].columns if column.in_pack}
        self._columns: Mapping[str, Rows] = columns.open({"image", "readable"} | names)
        readable = self._columns["readable"][np.arange(len(self._columns["readable"]))]
        report_unreadable(columns.source, columns.split, readable)
        # int64 (N,): the row of each position.
        self.rows = np.flatnonzero(readable)
        self.vocabulary = columns.source.vocabulary

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> np.ndarray:
        """One column of all readable pictures, (N, ...)."""
        return self._columns[name][self.rows]

    def image(self, positions: np.ndarray, mirrored: np.ndarray | None = None) -> Tensor:
        """(B, 3, H, W) float32 in [-1, 1].

        Args:
            positions: int64 (B,), positions in the split.
            mirrored: bool (B,), which to flip left to right.
        """
        pixels = flipped(self._columns["image"][self.rows[positions]], mirrored)
        chw = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        return chw.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)

    def condition(self, positions: np.ndarray, mirrored: np.ndarray | None = None) -> Condition:
        """The asked parts of some pictures; arguments as for `image`. `source_BCHW` is not filled here."""
        rows = self.rows[positions]
        parts = {}
        for part in self.parts:
            columns = {column.name: self._read(column.name, rows) for column in FIELDS[part].columns}
            parts[part] = FIELDS[part].load(columns, mirrored, self.vocabulary)
        return Condition(**parts)

    def _read(self, name: str, rows: np.ndarray) -> np.ndarray:
        """Rows of a column, in memory."""
        if name == "text":
            assert self._text is not None
            return self._text[rows]
        return self._columns[name][rows]


class TrainingSet(Dataset[Batch]):
    """Training pictures by their position in the stream.

    Args:
        pictures: the training split.
        seed: of the order and of the mirror decisions.
        mirror: whether half of the pictures are mirrored.
        other: pictures of the other domain, in an order of their own.
        hide: takes positions and their condition, and hides some of it.
    """

    def __init__(
        self,
        pictures: Pictures,
        seed: int,
        mirror: bool,
        other: Pictures | None,
        hide: Callable[[np.ndarray, Condition], Condition] | None = None,
    ) -> None:
        self.pictures = pictures
        self.mirror = mirror
        self.other = other
        self.hide = hide
        self._stream = Stream(len(pictures), seed)
        # Every rank and worker must draw the same order, and pairs must not repeat from pass to pass.
        self._other_stream = Stream(len(other), seed + 1) if other is not None else None

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        places = np.asarray(positions, dtype=np.int64)
        rows, coins = self._stream.at(places)
        mirrored = coins if self.mirror else None
        condition = self.pictures.condition(rows, mirrored)
        if self.other is not None and self._other_stream is not None:
            other_rows, other_coins = self._other_stream.at(places)
            source = self.other.image(other_rows, other_coins if self.mirror else None)
            condition = condition.replace(source_BCHW=source)
        if self.hide is not None:
            condition = self.hide(places, condition)
        return Batch(self.pictures.image(rows, mirrored), condition, torch.from_numpy(rows))


class EvaluationSet(Dataset[Batch]):
    """Pictures by their position in the split, never mirrored; picture i goes with picture i of the other domain."""

    def __init__(self, pictures: Pictures, other: Pictures | None) -> None:
        self.pictures = pictures
        self.other = other

    def __len__(self) -> int:
        return len(self.pictures) if self.other is None else min(len(self.pictures), len(self.other))

    def condition(self, positions: np.ndarray) -> Condition:
        """What is known of some pictures, int64 (B,)."""
        told = self.pictures.condition(positions)
        if self.other is None:
            return told
        return told.replace(source_BCHW=self.other.image(positions))

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        rows = np.asarray(positions, dtype=np.int64)
        return Batch(self.pictures.image(rows), self.condition(rows), torch.from_numpy(rows))
