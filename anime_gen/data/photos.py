"""The other domain of a translation: people photographed, whose painted twins are known where nothing is learned."""

from __future__ import annotations

import numpy as np

from anime_gen.contract import UserError, mix
from anime_gen.data import painter
from anime_gen.data.captions import caption_tokens
from anime_gen.data.painted import SPLIT_OF, PaintedFaces
from anime_gen.data.painter import natural
from anime_gen.data.source import PART_KIND, PIXEL_KINDS, Filled, Kind, Source, Split, content_hash
from anime_gen.vocabulary import Vocabulary

_STRANGERS = 0x57A6  # with the seed: the people of the training photos


class PaintedPhotos(Source):
    """Photo-like pictures of people, with groups and landmarks known exactly.

    In validation and test, row r shows the very person of row r of `PaintedFaces` with the same seed, number and
    statistics: a paired truth, for scores alone. The photos to train on are of other people than any face of that
    seed, so what learns from both domains never sees a pair.

    Args:
        people: how many over all splits.
        seed: in [0, 2**64); another seed makes other people. The judge's own two are refused, as for faces.
        long_tailed: hair colours are as unevenly frequent as on image boards; otherwise uniform.
        correlated: attributes depend on each other; otherwise independent.
        left_leaning: heads lean to the left on average; otherwise to both sides alike.

    Raises:
        UserError: too few people, or a seed that cannot be or is the judge's.
    """

    def __init__(
        self,
        people: int = 20000,
        seed: int = 0,
        long_tailed: bool = True,
        correlated: bool = True,
        left_leaning: bool = True,
    ) -> None:
        super().__init__()
        if people < 20:
            raise UserError(f"data.source.people is {people}: 20 is the least that fills all three splits")
        if not 0 <= seed < 2**64:
            raise UserError(f"data.source.seed is {seed}: it must be at least 0 and below 2**64")
        if seed in (painter.JUDGE_TRAINING_SEED, painter.JUDGE_HELD_OUT_SEED):
            raise UserError(f"data.source.seed is {seed}: the judge was made with these people's faces; take another")
        self.people = people
        self.seed = seed
        self.statistics = painter.Statistics(long_tailed=long_tailed, correlated=correlated, left_leaning=left_leaning)
        self._indices = {
            split: np.flatnonzero(np.isin(np.arange(people) % 20, list(remainders)))
            for split, remainders in SPLIT_OF.items()
        }

    @property
    def vocabulary(self) -> Vocabulary:
        return natural.VOCABULARY

    @property
    def parts(self) -> frozenset[str]:
        # A photo has no line art.
        return frozenset(PART_KIND) - {"sketch_B1HW"}

    def count(self, split: Split) -> int:
        return len(self._indices[split])

    def name(self, split: Split, row: int) -> str:
        return f"person {self._indices[split][row]}"

    def describe(self) -> dict[str, object]:
        return {
            "class": "PaintedPhotos",
            "people": self.people,
            "seed": self.seed,
            "painter": painter.VERSION,
            "natural": natural.VERSION,
            **{name: bool(getattr(self.statistics, name)) for name in ("long_tailed", "correlated", "left_leaning")},
        }

    def picture_key(self, split: Split) -> str:
        return content_hash(self.describe(), split)

    def label_key(self, split: Split) -> str:
        return content_hash(self.vocabulary.as_dict())

    def is_twin_of(self, other: Source) -> bool:
        same = (self.seed, self.statistics)
        return isinstance(other, PaintedFaces) and same == (other.seed, other.statistics)

    def captions(self, split: Split) -> list[str | None]:
        return [natural.label_person(self.person(split, row)).caption for row in range(self.count(split))]

    def fill(self, split: Split, rows: range, kinds: frozenset[Kind], size: int) -> Filled:
        columns: dict[Kind, np.ndarray] = {
            kind: np.empty((len(rows), *self.layout(kind, size)[0]), self.layout(kind, size)[1]) for kind in kinds
        }
        wants_labels = kinds - PIXEL_KINDS
        for place, row in enumerate(rows):
            person = self.person(split, row)
            if "image" in kinds:
                columns["image"][place] = natural.render_person(person, size)
            if wants_labels:
                labels = natural.label_person(person)
                known: dict[Kind, np.ndarray] = {
                    "tags": labels.tags_T,
                    "attributes": labels.attributes_A,
                    "landmarks": labels.landmarks_K2,
                    "visible": labels.visible_K,
                    "caption": caption_tokens(labels.caption),
                    "tag_confidence": np.ones(len(labels.tags_T)),
                    "attribute_confidence": np.ones(len(labels.attributes_A)),
                }
                for kind in wants_labels:
                    columns[kind][place] = known[kind]
        if "readable" in kinds:
            columns["readable"][:] = True
        return Filled(columns, [])

    def person(self, split: Split, row: int) -> natural.Person:
        """Who is on a photo."""
        seed = mix(self.seed, _STRANGERS) if split == "train" else self.seed
        return natural.sample_person(seed, int(self._indices[split][row]), self.statistics)
