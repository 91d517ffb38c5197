"""Scores of groups of people apart: does a family draw all of them equally well?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.protocol import SIDES, Role, Score
from anime_gen.vocabulary import Vocabulary


def can_slice(vocabulary: Vocabulary, group: str) -> bool:
    """Has data of this vocabulary such an attribute group or tag?"""
    return group in vocabulary.attributes or group in vocabulary.tags


class Sliced(Score):
    """Any scores, taken of each class of an attribute group apart: `<score>@<group>=<class>`.

    A tag is a group of two classes, "no" and "yes": `faces@glasses=yes`.

    Real pictures belong to the class that they are labelled with. Samples belong to the class that was asked; where a
    family is asked for no attributes, to the class that the judge sees (`samples_by` in the protocol says which, since
    the two must not be compared: who draws no men has few "men" to be judged by). A picture without a class is left
    out. A class with fewer than `at_least` pictures on either side has no value. Training pictures count for all.

    Args:
        make_scores: makes the scores of one class; called once for each.
        vocabulary: the data's, in whose order conditions come.
        group: the attribute group, such as "gender", or a tag, such as "hat".
        judge: sees the class of samples that were not asked for one.
        at_least: pictures on each side. A distance over fewer says more of their number than of the class.

    Raises:
        UserError: the data has no such group or tag.
    """

    judged_num: Tensor

    def __init__(
        self,
        make_scores: Callable[[], Sequence[Score]],
        vocabulary: Vocabulary,
        group: str,
        judge: JudgeFeatures,
        at_least: int = 50,
    ) -> None:
        super().__init__()
        if not can_slice(vocabulary, group):
            known = ", ".join(vocabulary.attributes) or "none"
            tags = ", ".join(vocabulary.tags) or "none"
            raise UserError(
                f"scores cannot be sliced by {group!r}: the data's attribute groups are {known}, its tags {tags}"
            )
        self._is_tag = group not in vocabulary.attributes
        self.classes = ("no", "yes") if self._is_tag else vocabulary.attributes[group]
        self.group, self.at_least = group, at_least
        self.judge = judge
        self._samples_by = "asked"
        self._column = list(vocabulary.tags if self._is_tag else vocabulary.attributes).index(group)
        self._slices = nn.ModuleList(nn.ModuleList(make_scores()) for _ in self.classes)
        for name in (*(side.value for side in SIDES), "judged"):
            default = torch.zeros(len(self.classes), dtype=torch.int64)
            self.add_state(f"{name}_num", default, dist_reduce_fx="sum")

    def scores(self, index: int) -> list[Score]:
        """The scores of the class of that index."""
        part = self._slices[index]
        assert isinstance(part, nn.ModuleList)
        return [score for score in part if isinstance(score, Score)]

    def _all(self) -> list[Score]:
        return [score for index in range(len(self.classes)) for score in self.scores(index)]

    def _named(self, name: str, index: int) -> str:
        return f"{name}@{self.group}={self.classes[index]}"

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {
            self._named(name, index): way
            for index in range(len(self.classes))
            for score in self.scores(index)
            for name, way in score.better.items()
        }

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role is Role.TRAINING:
            for score in self._all():
                score.update(images, role, condition, truth)
            return
        told = condition.tags_BT if self._is_tag else condition.attributes_BA
        if told is not None:
            class_B = told[:, self._column].nan_to_num(-1.0).long()  # a tag that is not given is NaN
        elif role is Role.SAMPLE and self.group in self.judge.vocabulary.attributes:
            class_B = self._seen(images)
        else:
            return
        for index in range(len(self.classes)):
            (rows,) = torch.where(class_B == index)
            if len(rows):
                asked, wanted = condition.rows(rows), None if truth is None else truth[rows]
                for score in self.scores(index):
                    score.update(images[rows], role, asked, wanted)
        num = torch.stack([(class_B == index).sum() for index in range(len(self.classes))]).to(self.device)
        # Not in place: the state may have been made in inference mode, the update may come outside of it.
        for name in (role.value, *(["judged"] if told is None else [])):
            setattr(self, f"{name}_num", getattr(self, f"{name}_num") + num)

    def _seen(self, images: Tensor) -> Tensor:
        """The class that the judge sees, (B,); -1 where the data has none of that name."""
        head = list(self.judge.vocabulary.attributes).index(self.group)
        names = self.judge.vocabulary.attributes[self.group]
        ours = torch.tensor([self.classes.index(name) if name in self.classes else -1 for name in names])
        seen_B = self.judge.look(images).attribute_logits[head].argmax(1)
        return ours.to(seen_B.device)[seen_B]

    def compute(self) -> dict[str, Tensor]:
        """The scores of every class that has enough pictures."""
        counts = [getattr(self, f"{side.value}_num") for side in SIDES]
        real, fake = (dict(zip(self.classes, count.tolist(), strict=True)) for count in counts)
        self._samples_by = "judge" if self.judged_num.any() else "asked"
        self._observed = {
            "slices": {"real": real, "samples": fake},
            "smallest_slice": {"num_real": min(real.values()), "num_fake": min(fake.values())},
        }
        result: dict[str, Tensor] = {}
        for index, name in enumerate(self.classes):
            if min(real[name], fake[name]) >= self.at_least:
                for score in self.scores(index):
                    result |= {self._named(part, index): value for part, value in score.compute().items()}
        return result

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "sliced_by": self.group,
            "samples_by": self._samples_by,
            "slice_at_least": self.at_least,
        }

    def protocol_of(self, name: str) -> dict[str, Any]:
        part, ending = name.rsplit("@", 1)
        index = self.classes.index(ending.split("=", 1)[1])
        inner = next(score.protocol_of(part) for score in self.scores(index) if part in score.names)
        return {**inner, **self.protocol(), "observed": {**inner.get("observed", {}), **self._observed}}

    def reset(self) -> None:
        super().reset()
        for score in self._all():
            score.reset()

    def reset_all(self) -> None:
        super().reset_all()
        for score in self._all():
            score.reset_all()
