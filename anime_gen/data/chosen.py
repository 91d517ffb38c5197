"""The pictures of another source with other tags: a family's label vector must have just these, in this order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anime_gen.contract import UserError
from anime_gen.data.source import Filled, Source, Split, content_hash
from anime_gen.vocabulary import S5_TAGS, Vocabulary, canonical

_TAGS: frozenset[str] = frozenset({"tags", "tag_confidence"})


class ChosenTags(Source):
    """Everything is the inner source's, but that its tags are the chosen ones; one that it has not is never given.

    Args:
        source: whose pictures and labels.
        tags: the words, in order; S5's 59 unless others are named.

    Raises:
        UserError: a tag is named twice, or the source has none of them.
    """

    def __init__(self, source: Source, tags: Sequence[str] = S5_TAGS) -> None:
        super().__init__()
        self.source = source
        self.tags = tuple(canonical(tag) for tag in tags)
        if twice := sorted({tag for tag in self.tags if self.tags.count(tag) > 1}):
            raise UserError(f"data.source.tags: {', '.join(twice)} is named more than once")
        known = source.vocabulary.tags
        if not set(self.tags) & set(known):
            raise UserError(
                f"data.source.tags: the pictures have none of these tags; they have {', '.join(known) or 'no tags'}"
            )
        # Where each chosen tag stands in the source, -1 for nowhere.
        self._from = np.array([known.index(tag) if tag in known else -1 for tag in self.tags])

    @property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.tags, self.source.vocabulary.attributes)

    @property
    def truth(self) -> Source:
        truth = self.source.truth
        return self if truth is self.source else ChosenTags(truth, self.tags)

    @property
    def parts(self) -> frozenset[str]:
        return self.source.parts

    def count(self, split: Split) -> int:
        return self.source.count(split)

    def name(self, split: Split, row: int) -> str:
        return self.source.name(split, row)

    def __str__(self) -> str:
        return f"{super().__str__()} of {self.source}"

    def describe(self) -> dict[str, object]:
        return {"class": "ChosenTags", "tags": list(self.tags), "source": self.source.describe()}

    def picture_key(self, split: Split) -> str:
        return self.source.picture_key(split)

    def label_key(self, split: Split) -> str:
        return content_hash(self.source.label_key(split), list(self.tags))

    def captions(self, split: Split) -> list[str | None]:
        return self.source.captions(split)

    def fill(self, split: Split, rows: range, wanted: frozenset[str], size: int) -> Filled:
        filled = self.source.fill(split, rows, wanted, size)
        columns = dict(filled.columns)
        for kind in wanted & _TAGS:
            nothing = 0 if kind == "tag_confidence" else -1
            columns[kind] = np.where(self._from < 0, nothing, columns[kind][:, self._from]).astype(columns[kind].dtype)
        return Filled(columns, filled.broken)
