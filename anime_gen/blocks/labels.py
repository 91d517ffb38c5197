"""Labels as numbers: which are known, how they are told to a network, and how some are hidden from it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from anime_gen.contract import Condition, UserError
from anime_gen.noise import normal_


class Words(NamedTuple):
    """How many labels the data has."""

    num_tags: int
    attribute_sizes: tuple[int, ...]  # classes in each exclusive group

    @property
    def needs(self) -> frozenset[str]:
        """The fields of `Condition` that hold them."""
        held = {"tags_BT": self.num_tags, "attributes_BA": len(self.attribute_sizes)}
        return frozenset(field for field, labels in held.items() if labels)

    @classmethod
    def of(cls, num_tags: int, attribute_sizes: list[int] | None) -> Words:
        """As the data says it to a family.

        Raises:
            UserError: there are none.
        """
        if not num_tags and not attribute_sizes:
            raise UserError(
                "the data has no tags and no classes, and this family is told labels: give the data some, or train one "
                "that is told nothing"
            )
        return cls(num_tags, tuple(attribute_sizes or ()))

    @property
    def labels(self) -> int:
        """Labels of one picture: its tags, and one class for each group."""
        return self.num_tags + len(self.attribute_sizes)

    @property
    def logits(self) -> int:
        """Numbers that a classifier gives: one for each class and each tag."""
        return sum(self.attribute_sizes) + self.num_tags

    @property
    def codes(self) -> int:
        """Width of `code`."""
        return sum(self.attribute_sizes) + 2 * self.num_tags


def code(condition: Condition, words: Words) -> Tensor:
    """One-hot classes of every group, then present and absent of every tag: (B, words.codes), torch's default float.

    A label that is not given is zero in all its places. To a linear layer with a bias that is a value of its own.
    """
    absent = [] if condition.tags_BT is None or not words.num_tags else [(1 - condition.tags_BT).nan_to_num(0.0)]
    return torch.cat([presence(condition, words), *absent], dim=1)


def presence(condition: Condition, words: Words) -> Tensor:
    """One-hot classes of every group, then the tags: (B, words.logits), torch's default float; 0 where not given.

    Shorter than `code`, and a tag that is not given is told as an absent one.
    """
    parts: list[Tensor] = []
    if words.attribute_sizes:
        assert condition.attributes_BA is not None
        for group, size in enumerate(words.attribute_sizes):
            classes = torch.arange(size, device=condition.attributes_BA.device)
            parts.append(condition.attributes_BA[:, group, None] == classes)
    if words.num_tags:
        assert condition.tags_BT is not None
        parts.append(condition.tags_BT.nan_to_num(0.0))
    return torch.cat(parts, dim=1).to(torch.get_default_dtype())


def label_embedding(words: Words, width: int) -> nn.Linear:
    """From `code` to `width` numbers of about unit variance, as loud as a latent: one number of each label is 1."""
    layer = nn.Linear(words.codes, width)
    normal_(layer.weight, std=words.labels**-0.5)
    return layer


def redrawn(condition: Condition) -> Condition:
    """The same rows in another order: labels as they occur together in the data, never put together one by one."""
    rows = next(iter(condition.values()))
    return condition.rows(torch.randperm(len(rows), device=rows.device))


def partly_hidden(condition: Condition, share: float) -> Condition:
    """Labels as a user gives them: all, some or none.

    A row is left whole with probability 1 - share. Of the others, each hides its labels with a probability of its own,
    u ~ U(0, 1): from nearly all labels to nearly none are given.
    """
    rows = next(iter(condition.values()))
    hidden_B1 = torch.rand(len(rows), 1, device=rows.device) * (torch.rand(len(rows), 1, device=rows.device) < share)

    def some(labels_BN: Tensor) -> Tensor:
        return torch.rand(labels_BN.shape, device=labels_BN.device) < hidden_B1

    tags_BT, attributes_BA = condition.tags_BT, condition.attributes_BA
    if tags_BT is not None:
        tags_BT = tags_BT.masked_fill(some(tags_BT), torch.nan)
    if attributes_BA is not None:
        attributes_BA = attributes_BA.masked_fill(some(attributes_BA), -1)
    return condition.replace(tags_BT=tags_BT, attributes_BA=attributes_BA)
