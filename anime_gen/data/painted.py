"""The embedded default: faces that the painter draws, with every label known exactly."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from anime_gen import painter
from anime_gen.conditions.text import caption_tokens
from anime_gen.contract import UserError
from anime_gen.data.source import COLUMNS, FIELDS, PIXEL_COLUMNS, Filled, Source, Split, content_hash
from anime_gen.vocabulary import Vocabulary

# Face i belongs to a split by i % 20, so 0.70 / 0.15 / 0.15 at every count, and a face never changes its split.
_SPLIT_OF: dict[Split, range] = {"train": range(14), "validation": range(14, 17), "test": range(17, 20)}

# What a column of labels holds of them.
_WRITTEN: dict[str, Callable[[painter.Labels], npt.ArrayLike]] = {
    "tags": lambda known: known.tags_T,
    "attributes": lambda known: known.attributes_A,
    "landmarks": lambda known: known.landmarks_K2,
    "visible": lambda known: known.visible_K,
    "caption": lambda known: caption_tokens(known.caption),
    "tag_confidence": lambda known: np.ones(len(known.tags_T)),
    "attribute_confidence": lambda known: known.attributes_A >= 0,
}


class Painted[Subject](Source):
    """Pictures that are drawn from numbers, so that every label is exact.

    Args:
        number: of pictures over all splits.
        seed: in [0, 2**64).
        long_tailed, correlated, left_leaning: habits of real pictures to copy.
        framing: how much a picture shows.

    Attributes:
        place: the key of the configuration where such a source stands.
        counted: what users call the number of pictures.
        one: what messages call one of them.

    Raises:
        UserError: too few pictures, or a seed that cannot be or is the judge's.
    """

    place: ClassVar[str]
    counted: ClassVar[str]
    one: ClassVar[str]

    def __init__(
        self,
        number: int,
        seed: int,
        long_tailed: bool,
        correlated: bool,
        left_leaning: bool,
        framing: painter.FramingName,
    ) -> None:
        super().__init__()
        if number < 20:
            raise UserError(f"{self.place}.{self.counted} is {number}: 20 is the least that fills all three splits")
        name = f"{self.place}.seed"
        if not 0 <= seed < 2**64:
            raise UserError(f"{name} is {seed}: it must be at least 0 and below 2**64")
        if seed in painter.JUDGE_SEEDS:
            raise UserError(f"{name} is {seed}: the judge was made with these very faces; take another")
        if framing not in painter.FRAMINGS:
            raise UserError(f"{self.place}.framing is {framing}: it must be one of {', '.join(painter.FRAMINGS)}")
        self.number = number
        self.seed = seed
        self.statistics = painter.Statistics(long_tailed, correlated, left_leaning)
        self.framing = framing
        self._indices = {
            split: np.flatnonzero(np.isin(np.arange(number) % 20, list(remainders)))
            for split, remainders in _SPLIT_OF.items()
        }

    @abstractmethod
    def subject(self, split: Split, index: int) -> Subject:
        """Who is on the picture of that index."""

    @abstractmethod
    def render(self, subject: Subject, size: int) -> np.ndarray:
        """The picture, uint8 (size, size, 3)."""

    def drawn(self, subject: Subject, column: str, size: int) -> np.ndarray:
        """A row of a column of pixels: the picture, or what can be made of it."""
        about = COLUMNS[column]
        if about.of_picture is None:
            return self.render(subject, size)
        return about.of_picture(self.render(subject, max(size, about.looks_at)), size)

    @abstractmethod
    def labels(self, subject: Subject) -> painter.Labels:
        """What is true of the picture."""

    def person(self, split: Split, row: int) -> Subject:
        """Who is on the picture of a row."""
        return self.subject(split, int(self._indices[split][row]))

    def name(self, split: Split, row: int) -> str:
        return f"{self.one} {self._indices[split][row]}"

    def describe(self) -> dict[str, object]:
        return {
            "class": type(self).__name__,
            self.counted: self.number,
            "seed": self.seed,
            "painter": painter.VERSION,
            **{name: bool(value) for name, value in self.statistics._asdict().items()},
            "framing": self.framing,
        }

    def count(self, split: Split) -> int:
        return len(self._indices[split])

    def picture_key(self, split: Split) -> str:
        return content_hash(self.describe(), split)

    def label_key(self, split: Split) -> str:
        return content_hash(self.vocabulary.as_dict())

    def captions(self, split: Split) -> list[str | None]:
        return [self.labels(self.person(split, row)).caption for row in range(self.count(split))]

    def fill(self, split: Split, rows: range, wanted: frozenset[str], size: int) -> Filled:
        layouts = {name: self.layout(name, size) for name in wanted}
        columns = {name: np.empty((len(rows), *shape), dtype) for name, (shape, dtype) in layouts.items()}
        for place, row in enumerate(rows):
            subject = self.person(split, row)
            for name in wanted & PIXEL_COLUMNS - {"readable"}:
                columns[name][place] = self.drawn(subject, name, size)
            if wanted - PIXEL_COLUMNS:
                known = self.labels(subject)
                for name in wanted - PIXEL_COLUMNS:
                    columns[name][place] = _WRITTEN[name](known)
        if "readable" in wanted:
            columns["readable"][:] = True
        return Filled(columns, [])


class PaintedFaces(Painted[painter.Face]):
    """Painted faces.

    Args:
        faces: how many over all splits.
        seed: in [0, 2**64); another seed paints other people. The judge's own two are refused.
        long_tailed: hair and eye colours are as unevenly frequent as on image boards; otherwise uniform.
        correlated: attributes depend on each other; otherwise independent.
        left_leaning: heads lean to the left on average; otherwise to both sides alike.
        framing: how much a picture shows: "tight" a face, "hair" a head, "bust" a bust; "crops" all of them, as two
            public sets of anime faces do. The same characters in each.

    Raises:
        UserError: too few faces, or a seed that cannot be or is the judge's.
    """

    place, counted, one = "data.source", "faces", "face"

    def __init__(
        self,
        faces: int = 20000,
        seed: int = 0,
        long_tailed: bool = True,
        correlated: bool = True,
        left_leaning: bool = True,
        framing: painter.FramingName = "crops",
    ) -> None:
        super().__init__(faces, seed, long_tailed, correlated, left_leaning, framing)

    @property
    def vocabulary(self) -> Vocabulary:
        return painter.VOCABULARY

    @property
    def parts(self) -> frozenset[str]:
        return FIELDS

    def subject(self, split: Split, index: int) -> painter.Face:
        return painter.sample_face(self.seed, index, self.statistics, self.framing)

    def render(self, subject: painter.Face, size: int) -> np.ndarray:
        return painter.render(subject, size)

    def drawn(self, subject: painter.Face, column: str, size: int) -> np.ndarray:
        # The pen's own lines are better than any that are taken of the picture.
        return painter.sketch(subject, size) if column == "sketch" else super().drawn(subject, column, size)

    def labels(self, subject: painter.Face) -> painter.Labels:
        return painter.labels(subject)
