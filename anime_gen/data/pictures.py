"""From memory-mapped columns to a `Batch`: the one place that makes images float32 in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from anime_gen.contract import Batch, Condition
from anime_gen.data.captions import TOKEN_MIRROR
from anime_gen.data.pack import Pack, report_unreadable
from anime_gen.data.sampler import Stream
from anime_gen.data.source import PART_KIND, Kind
from anime_gen.vocabulary import LANDMARK_MIRROR


class Pictures:
    """The readable pictures of one split, and the parts of their `Condition` that were asked for.

    Args:
        pack: where the columns are; what is missing is built.
        parts: `Condition` fields to load, all of which the pack's source has.
        text: where `text_BD` is among them, float32 (N, 2, D): the features of each row's caption and
            of its mirror image's.
    """

    def __init__(self, pack: Pack, parts: frozenset[str], text: np.ndarray | None = None) -> None:
        self.parts = parts
        self._text = text
        kinds: set[Kind] = {"image", "readable", *(PART_KIND[part] for part in parts - {"text_BD"})}
        if "attribute_confidence" in kinds:
            kinds.add("attributes")  # they say which classes are lost in a mirror
        columns = pack.open(kinds)
        readable = np.asarray(columns.pop("readable"))
        report_unreadable(pack.source, pack.split, readable)
        # int64 (N,): the row of each position.
        self.rows = np.flatnonzero(readable)
        self._paths: Mapping[Kind, Path] = {kind: pack.path(kind) for kind in columns}
        self._columns: dict[Kind, np.ndarray] = columns
        self.vocabulary = pack.source.vocabulary
        self._tag_mirror, self._attribute_mirror = self.vocabulary.tag_mirror, self.vocabulary.attribute_mirror

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, object]:
        # A pickled memory map carries its whole content: a spawned worker maps the files again instead.
        return {**self.__dict__, "_columns": {}}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._columns = {kind: np.load(path, mmap_mode="r") for kind, path in self._paths.items()}

    def column(self, kind: Kind) -> np.ndarray:
        """One column of all readable pictures, (N, ...)."""
        values: np.ndarray = self._columns[kind][self.rows]
        return values

    def image(self, positions: np.ndarray, mirrored: np.ndarray | None = None) -> Tensor:
        """(B, 3, H, W) float32 in [-1, 1].

        Args:
            positions: int64 (B,), positions in the split.
            mirrored: bool (B,), which to flip left to right.
        """
        pixels = _flip(self._columns["image"][self.rows[positions]], mirrored)
        chw = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        return chw.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1)

    def condition(self, positions: np.ndarray, mirrored: np.ndarray | None = None) -> Condition:
        """The asked parts of some pictures; arguments as for `image`. `source_BCHW` is not filled here."""
        rows = self.rows[positions]
        told: dict[str, Tensor] = {}
        for part in self.parts:
            if part == "text_BD":
                assert self._text is not None
                side = np.zeros(len(rows), np.int64) if mirrored is None else mirrored.astype(np.int64)
                told[part] = torch.from_numpy(self._text[rows, side])
                continue
            values = self._columns[PART_KIND[part]][rows]
            if part == "tags_BT":
                floats = np.where(values < 0, np.float32("nan"), values.astype(np.float32))
                if mirrored is not None:
                    # The column after the last, which -1 reads, is for tags whose mirror image is no tag: not given.
                    padded = np.pad(floats[mirrored], ((0, 0), (0, 1)), constant_values=np.nan)
                    floats[mirrored] = padded[:, self._tag_mirror]
                told[part] = torch.from_numpy(floats)
            elif part == "attributes_BA":
                classes = values.astype(np.int64)
                if mirrored is not None:
                    for column, (twin, becomes) in enumerate(self._attribute_mirror):
                        # The entry after the last, which -1 reads, is for classes that are not given.
                        classes[mirrored, column] = np.array([*becomes, -1])[values[mirrored, twin]]
                told[part] = torch.from_numpy(classes)
            elif part == "tag_confidence_BT":
                sure = values.astype(np.float32)
                if mirrored is not None:
                    sure[mirrored] = np.pad(sure[mirrored], ((0, 0), (0, 1)))[:, self._tag_mirror]
                told[part] = torch.from_numpy(sure)
            elif part == "attribute_confidence_BA":
                sure = values.astype(np.float32)
                if mirrored is not None:
                    named = self._columns["attributes"][rows]
                    for column, (twin, becomes) in enumerate(self._attribute_mirror):
                        kept = np.array([*becomes, -1])[named[mirrored, twin]] >= 0
                        sure[mirrored, column] = np.where(kept, values[mirrored, twin], 0)
                told[part] = torch.from_numpy(sure)
            elif part == "landmarks_BK2":
                if mirrored is not None:
                    values[mirrored, :, 0] = 1 - values[mirrored, :, 0]
                told[part] = torch.from_numpy(_permute(values, np.array(LANDMARK_MIRROR), mirrored))
            elif part == "visible_BK":
                told[part] = torch.from_numpy(_permute(values, np.array(LANDMARK_MIRROR), mirrored))
            elif part == "caption_BL":
                if mirrored is not None:
                    values[mirrored] = TOKEN_MIRROR[values[mirrored]]
                told[part] = torch.from_numpy(values.astype(np.int64))
            elif part == "sketch_B1HW":
                paper = torch.from_numpy(_flip(values, mirrored))[:, None]
                told[part] = 1 - paper.float() / 255
        return Condition(**told)


def _flip(pixels: np.ndarray, mirrored: np.ndarray | None) -> np.ndarray:
    """Turns (B, H, W, ...) rows around, in place."""
    if mirrored is not None:
        pixels[mirrored] = pixels[mirrored][:, :, ::-1]
    return pixels


def _permute(values: np.ndarray, mirror: np.ndarray, mirrored: np.ndarray | None) -> np.ndarray:
    """Reorders the second axis of the rows that are mirrored, in place."""
    if mirrored is not None:
        values[mirrored] = values[mirrored][:, mirror]
    return values


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
            condition = condition._replace(source_BCHW=source)
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
        return told._replace(source_BCHW=self.other.image(positions))

    def __getitems__(self, positions: Sequence[int]) -> Batch:
        rows = np.asarray(positions, dtype=np.int64)
        return Batch(self.pictures.image(rows), self.condition(rows), torch.from_numpy(rows))
