"""Exclusive classes, one of each group: hair colour, eye colour, style ... Words ask for them: see tags."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from anime_gen.conditions.condition import Condition
from anime_gen.conditions.kind import Array, Column, Facts, Field, Kind
from anime_gen.vocabulary import Vocabulary

# A class of each group, -1 not given; and how sure that is, 0 where it is not given.
CLASSES = Column("attributes", lambda facts: (len(facts.vocabulary.attributes),), "<i2")
CONFIDENCE = Column("attribute_confidence", lambda facts: (len(facts.vocabulary.attributes),), "<f2")


def in_mirror(classes_BA: Array, vocabulary: Vocabulary) -> Array:
    """Classes of mirrored pictures: int64 (B, A), -1 where the mirror image is no class of ours."""
    seen = np.empty(classes_BA.shape, np.int64)
    for column, (twin, becomes) in enumerate(vocabulary.attribute_mirror):
        # The entry after the last, which -1 reads, is for classes that are not given.
        seen[:, column] = np.array([*becomes, -1])[classes_BA[:, twin]]
    return seen


class Classes(Field):
    """int64 (B, A): the class in each group, -1 not given."""

    name = "attributes_BA"
    dtype = torch.int64
    not_given = -1
    columns = (CLASSES,)

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (len(facts.vocabulary.attributes),)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        classes = rows["attributes"].astype(np.int64)
        if mirrored is not None:
            classes[mirrored] = in_mirror(classes[mirrored], vocabulary)
        return torch.from_numpy(classes)

    def example(self, count: int, facts: Facts) -> Tensor:
        sizes = torch.tensor(facts.vocabulary.attribute_sizes)
        return (torch.rand(count, len(sizes)) * sizes).long()


class Confidence(Field):
    """float32 (B, A) in [0, 1]: 1 where somebody wrote the class, 0 where it is not given."""

    name = "attribute_confidence_BA"
    not_given = 0
    columns = (CONFIDENCE, CLASSES)  # the classes say which are lost in a mirror

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (len(facts.vocabulary.attributes),)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        sure = rows["attribute_confidence"].astype(np.float32)
        if mirrored is not None:
            twins = [twin for twin, _ in vocabulary.attribute_mirror]
            kept = in_mirror(rows["attributes"][mirrored], vocabulary) >= 0
            sure[mirrored] = np.where(kept, sure[mirrored][:, twins], 0)
        return torch.from_numpy(sure)


class Attributes(Kind):
    name = "attributes"
    plural = "classes"
    place = 0
    fields = (Classes(), Confidence())

    def words(self, condition: Condition, row: int, vocabulary: Vocabulary) -> list[str]:
        classes_BA = condition.attributes_BA
        if classes_BA is None:
            return []
        groups = zip(vocabulary.attributes.items(), classes_BA[row].tolist(), strict=True)
        return [vocabulary.spoken(group, classes[index]) for (group, classes), index in groups if index >= 0]
