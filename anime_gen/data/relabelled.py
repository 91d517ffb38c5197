"""The pictures of another source under other training labels: noisy ones for a study, or those of a manifest.

Validation and test keep their labels, so that every run is scored by the same truth.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from pathlib import Path

import numpy as np

from anime_gen.contract import UserError, mix
from anime_gen.data.labels import class_columns, tag_columns
from anime_gen.data.manifest import Manifest, Row, read_manifest
from anime_gen.data.source import Filled, Source, Split, content_hash
from anime_gen.vocabulary import Vocabulary

# What is relabelled.
LABELS: frozenset[str] = frozenset({"tags", "attributes", "tag_confidence", "attribute_confidence"})


class _OtherLabels(Source):
    """Everything is the inner source's, but for tags and classes of the training split.

    Captions are not offered: they would say what the labels no longer do.
    """

    def __init__(self, source: Source) -> None:
        super().__init__()
        self.source = source

    def __str__(self) -> str:
        return f"{super().__str__()} of {self.source}"

    @abstractmethod
    def relabel(self, rows: range) -> dict[str, np.ndarray]:
        """The columns `LABELS` of some training rows."""

    @abstractmethod
    def relabel_key(self) -> object:
        """What the labels depend on beside the inner source's, JSON-able."""

    @property
    def vocabulary(self) -> Vocabulary:
        return self.source.vocabulary

    @property
    def truth(self) -> Source:
        return self.source.truth

    @property
    def parts(self) -> frozenset[str]:
        return self.source.parts - {"caption_BL"}

    def count(self, split: Split) -> int:
        return self.source.count(split)

    def name(self, split: Split, row: int) -> str:
        return self.source.name(split, row)

    def picture_key(self, split: Split) -> str:
        return self.source.picture_key(split)

    def label_key(self, split: Split) -> str:
        key = self.source.label_key(split)
        return content_hash(key, self.relabel_key()) if split == "train" else key

    def captions(self, split: Split) -> list[str | None]:
        return [None] * self.count(split)

    def fill(self, split: Split, rows: range, wanted: frozenset[str], size: int) -> Filled:
        if split != "train":
            return self.source.fill(split, rows, wanted, size)
        filled = self.source.fill(split, rows, wanted - LABELS, size) if wanted - LABELS else Filled({}, [])
        changed = self.relabel(rows) if wanted & LABELS else {}
        return Filled({**filled.columns, **{kind: changed[kind] for kind in wanted & LABELS}}, filled.broken)


class NoisyLabels(_OtherLabels):
    """Training labels of which some are hidden and some are wrong, completely at random.

    A wrong label is that of another training picture, drawn at random: every label stays as frequent as it was. Since
    two pictures often have the same one, fewer labels are false than `wrong` says. A colour and its tags ("blue" of
    `hair`, "blue hair" ...) are one fact, hidden or wrong together.

    Args:
        source: whose labels.
        hidden: share of the labels that are not given, in [0, 1].
        wrong: share of the others that are another picture's, in [0, 1].
        seed: of both.

    Raises:
        UserError: a share outside of [0, 1].
    """

    def __init__(self, source: Source, hidden: float = 0.0, wrong: float = 0.0, seed: int = 0) -> None:
        super().__init__(source)
        for name, share in (("hidden", hidden), ("wrong", wrong)):
            if not 0 <= share <= 1:
                raise UserError(f"data.source.{name} is {share}: it is a share of the labels, from 0 to 1")
        self.hidden, self.wrong, self.seed = hidden, wrong, seed

    def describe(self) -> dict[str, object]:
        told = {"hidden": self.hidden, "wrong": self.wrong, "seed": self.seed}
        return {"class": "NoisyLabels", **told, "source": self.source.describe()}

    def relabel_key(self) -> object:
        return ["noisy", self.hidden, self.wrong, self.seed]

    def relabel(self, rows: range) -> dict[str, np.ndarray]:
        own = self.source.fill("train", rows, LABELS, 1).columns
        draws = [np.random.default_rng(mix(self.seed, row)) for row in rows]
        others = [int(draw.integers(self.count("train"))) for draw in draws]
        theirs = [self.source.fill("train", range(other, other + 1), LABELS, 1).columns for other in others]
        changed: dict[str, np.ndarray] = {kind: own[kind].copy() for kind in LABELS}
        tag_fact, group_fact = self._facts
        facts = len(self.vocabulary.attributes) + len(self.vocabulary.tags)
        for line, (draw, other) in enumerate(zip(draws, theirs, strict=True)):
            wrong, hidden = draw.random(facts) < self.wrong, draw.random(facts) < self.hidden
            for kind in LABELS:
                fact = tag_fact if kind.startswith("tag") else group_fact
                nothing = 0 if kind.endswith("confidence") else -1
                swapped = np.where(wrong[fact], other[kind][0], changed[kind][line])
                changed[kind][line] = np.where(hidden[fact], nothing, swapped)
        return changed

    @cached_property
    def _facts(self) -> tuple[np.ndarray, np.ndarray]:
        """Which fact each tag and each group belongs to: the groups come first, then tags that say no group's class."""
        groups = len(self.vocabulary.attributes)
        tags = [groups + i if group < 0 else group for i, group in enumerate(self.vocabulary.tag_group)]
        return np.array(tags, np.int64), np.arange(groups)


class Relabelled(_OtherLabels):
    """Training labels out of a manifest, such as `anime-gen tagger complete` writes; pictures without a row have none.

    Args:
        source: the pictures; a row's `file` is what the source calls a picture, such as "face 12".
        manifest: the labels. Words that the source does not know are passed over.
    """

    def __init__(self, source: Source, manifest: Path) -> None:
        super().__init__(source)
        self.manifest = Path(manifest).expanduser()

    def describe(self) -> dict[str, object]:
        return {"class": "Relabelled", "manifest": str(self.manifest), "source": self.source.describe()}

    def relabel_key(self) -> object:
        return [[row.file, row.tags, row.classes, row.guessed_tags, row.guessed_classes] for row in self._table.rows]

    def relabel(self, rows: range) -> dict[str, np.ndarray]:
        groups = self._table.groups
        unknown = (None,) * len(groups)
        names = [self.source.name("train", row) for row in rows]
        listed = [self._by_name.get(name, Row(name, classes=unknown)) for name in names]
        tags, tag_confidence = tag_columns(listed, groups, self.vocabulary)
        classes, class_confidence = class_columns(listed, groups, self.vocabulary)
        return {
            "tags": tags,
            "tag_confidence": tag_confidence,
            "attributes": classes,
            "attribute_confidence": class_confidence,
        }

    @cached_property
    def _table(self) -> Manifest:
        return read_manifest(self.manifest)

    @cached_property
    def _by_name(self) -> dict[str, Row]:
        rows = {row.file: row for row in self._table.rows}
        names = [self.source.name("train", row) for row in range(self.count("train"))]
        if not any(name in rows for name in names):
            raise UserError(
                f"{self.manifest} has no row for any training picture (the first is {names[0]!r}): name the manifest "
                "of these pictures"
            )
        return rows
