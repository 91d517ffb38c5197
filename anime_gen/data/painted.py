"""The embedded default: faces that the painter draws, with every label known exactly."""

from __future__ import annotations

import numpy as np

from anime_gen.contract import UserError
from anime_gen.data import painter
from anime_gen.data.captions import caption_tokens
from anime_gen.data.source import PART_KIND, PIXEL_KINDS, Filled, Kind, Source, Split, content_hash
from anime_gen.vocabulary import Vocabulary

# Face i belongs to a split by i % 20, so 0.70 / 0.15 / 0.15 at every count, and a face never changes its split.
SPLIT_OF: dict[Split, range] = {"train": range(14), "validation": range(14, 17), "test": range(17, 20)}


class PaintedFaces(Source):
    """Painted faces.

    Args:
        faces: how many over all splits.
        seed: in [0, 2**64); another seed paints other people. The judge's own two are refused.
        long_tailed: hair and eye colours are as unevenly frequent as on image boards; otherwise uniform.
        correlated: attributes depend on each other; otherwise independent.
        left_leaning: heads lean to the left on average; otherwise to both sides alike.

    Raises:
        UserError: too few faces, or a seed that cannot be or is the judge's.
    """

    def __init__(
        self,
        faces: int = 20000,
        seed: int = 0,
        long_tailed: bool = True,
        correlated: bool = True,
        left_leaning: bool = True,
    ) -> None:
        super().__init__()
        if faces < 20:
            raise UserError(f"data.source.faces is {faces}: 20 is the least that fills all three splits")
        if not 0 <= seed < 2**64:
            raise UserError(f"data.source.seed is {seed}: it must be at least 0 and below 2**64")
        if seed in (painter.JUDGE_TRAINING_SEED, painter.JUDGE_HELD_OUT_SEED):
            raise UserError(f"data.source.seed is {seed}: the judge was made with these very faces; take another")
        self.faces = faces
        self.seed = seed
        self.statistics = painter.Statistics(long_tailed=long_tailed, correlated=correlated, left_leaning=left_leaning)
        self._indices = {
            split: np.flatnonzero(np.isin(np.arange(faces) % 20, list(remainders)))
            for split, remainders in SPLIT_OF.items()
        }

    @property
    def vocabulary(self) -> Vocabulary:
        return painter.VOCABULARY

    @property
    def parts(self) -> frozenset[str]:
        return frozenset(PART_KIND)

    def count(self, split: Split) -> int:
        return len(self._indices[split])

    def name(self, split: Split, row: int) -> str:
        return f"face {self._indices[split][row]}"

    def describe(self) -> dict[str, object]:
        return {
            "class": "PaintedFaces",
            "faces": self.faces,
            "seed": self.seed,
            "painter": painter.VERSION,
            **{name: bool(getattr(self.statistics, name)) for name in ("long_tailed", "correlated", "left_leaning")},
        }

    def picture_key(self, split: Split) -> str:
        return content_hash(self.describe(), split)

    def label_key(self, split: Split) -> str:
        return content_hash(self.vocabulary.as_dict())

    def captions(self, split: Split) -> list[str | None]:
        return [painter.labels(self._face(int(index))).caption for index in self._indices[split]]

    def fill(self, split: Split, rows: range, kinds: frozenset[Kind], size: int) -> Filled:
        columns: dict[Kind, np.ndarray] = {
            kind: np.empty((len(rows), *self.layout(kind, size)[0]), self.layout(kind, size)[1]) for kind in kinds
        }
        wants_labels = kinds - PIXEL_KINDS
        for place, index in enumerate(self._indices[split][rows.start : rows.stop]):
            face = self._face(int(index))
            if "image" in kinds:
                columns["image"][place] = painter.render(face, size)
            if "sketch" in kinds:
                columns["sketch"][place] = painter.sketch(face, size)
            if wants_labels:
                labels = painter.labels(face)
                known: dict[Kind, np.ndarray] = {
                    "tags": labels.tags_T,
                    "attributes": labels.attributes_A,
                    "landmarks": labels.landmarks_K2,
                    "visible": labels.visible_K,
                    "caption": caption_tokens(labels.caption),
                    "tag_confidence": np.ones(len(labels.tags_T)),
                    "attribute_confidence": labels.attributes_A >= 0,
                }
                for kind in wants_labels:
                    columns[kind][place] = known[kind]
        if "readable" in kinds:
            columns["readable"][:] = True
        return Filled(columns, [])

    def _face(self, index: int) -> painter.Face:
        return painter.sample_face(self.seed, index, self.statistics)
