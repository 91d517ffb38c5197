"""Independent words: present, absent or not given. The words that ask for them ask for classes of attributes, too."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from anime_gen.conditions.attributes import Classes
from anime_gen.conditions.condition import Condition
from anime_gen.conditions.kind import Array, Asking, Column, Facts, Field, Kind, Option, Words
from anime_gen.vocabulary import Vocabulary

# 1, 0, or -1 for not given; and how sure that is, 0 where it is not given.
TAGS = Column("tags", lambda facts: (len(facts.vocabulary.tags),), "i1")
CONFIDENCE = Column("tag_confidence", lambda facts: (len(facts.vocabulary.tags),), "<f2")


def in_mirror(values_BT: Array, nothing: float, vocabulary: Vocabulary) -> Array:
    """Values of mirrored pictures' tags; `nothing` where the mirror image is no tag of ours."""
    # The column after the last, which -1 reads, is for those.
    padded = np.pad(values_BT, ((0, 0), (0, 1)), constant_values=nothing)
    return padded[:, vocabulary.tag_mirror]


class Tags(Field):
    """float32 (B, T): 1 present, 0 absent, NaN not given."""

    name = "tags_BT"
    columns = (TAGS,)

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (len(facts.vocabulary.tags),)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        tags = rows["tags"]
        floats = np.where(tags < 0, np.float32("nan"), tags.astype(np.float32))
        if mirrored is not None:
            floats[mirrored] = in_mirror(floats[mirrored], np.nan, vocabulary)
        return torch.from_numpy(floats)

    def example(self, count: int, facts: Facts) -> Tensor:
        return torch.randint(0, 2, (count, *self.shape(facts))).float()


class Confidence(Field):
    """float32 (B, T) in [0, 1]: 1 where somebody wrote the tag, 0 where it is not given."""

    name = "tag_confidence_BT"
    not_given = 0
    columns = (CONFIDENCE,)

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (len(facts.vocabulary.tags),)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        sure = rows["tag_confidence"].astype(np.float32)
        if mirrored is not None:
            sure[mirrored] = in_mirror(sure[mirrored], 0, vocabulary)
        return torch.from_numpy(sure)


def asked(words: Words, asking: Asking) -> dict[str, Tensor]:
    """ "blue hair, -hat" as tags and classes; what the words leave out is not given.

    Raises:
        UserError: a word is unknown, or contradicts another.
    """
    vocabulary = asking.facts.vocabulary
    wish = vocabulary.parse(words.text)
    tags_1T, classes_1A = Tags().nothing(asking.facts), Classes().nothing(asking.facts)
    for value, tags in ((1.0, wish.present), (0.0, wish.absent)):
        for tag in tags:
            tags_1T[0, vocabulary.tags.index(tag)] = value
    for column, (group, classes) in enumerate(vocabulary.attributes.items()):
        if group in wish.classes:
            classes_1A[0, column] = classes.index(wish.classes[group])
    return {Tags.name: tags_1T, Classes.name: classes_1A}


class TagKind(Kind):
    name = "tags"
    plural = "tags"
    place = 1
    fields = (Tags(), Confidence())
    options = (
        Option(
            "tags",
            'words, such as "blue hair, smile, -hat"; minus: must not be there (in front of all: --tags=-hat)',
            Words,
            frozenset({Tags.name, Classes.name}),
            asked,
        ),
    )

    def words(self, condition: Condition, row: int, vocabulary: Vocabulary) -> list[str]:
        """Those that must be there; one that must be absent is not listed, one not given is nothing."""
        tags_BT = condition.tags_BT
        if tags_BT is None:
            return []
        return [tag for tag, value in zip(vocabulary.tags, tags_BT[row].tolist(), strict=True) if value == 1]
