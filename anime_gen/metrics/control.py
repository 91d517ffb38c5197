"""Do samples show what was asked? Tags, attributes and landmarks, read off the samples by the judge.

"Not asked" is NaN (tags, landmarks) or -1 (attributes), or None for a whole batch. What the judge does not know is
left out and counted in the protocol. Names without a value are missing from `compute()`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.protocol import SIDES, Role, Score
from anime_gen.vocabulary import ATTRIBUTE_TAG, NUM_LANDMARKS, OUTER_EYE_CORNERS, Vocabulary


class _JudgeScore(Score):
    """A score whose states are sums: one set of them for the samples, one for the real pictures and their labels.

    `<name>_real` is the same score of the real pictures. It says what `<name>` is worth: on pictures that are not like
    those it was trained on, a judge may not even read what real ones show.
    """

    def __init__(self, judge: JudgeFeatures, width: int, *sums: str) -> None:
        super().__init__()
        self.judge = judge
        self._sums = sums
        for role in SIDES:
            for name in sums:
                default = torch.zeros(width, dtype=torch.float64)
                self.add_state(f"{role.value}_{name}", default, dist_reduce_fx="sum")

    def _add(self, role: Role, **parts: Tensor) -> None:
        for name, part in parts.items():
            # Not in place: the state may have been made in inference mode, the update may come outside of it.
            state = f"{role.value}_{name}"
            setattr(self, state, getattr(self, state) + part.to(self.device, torch.float64))

    @property
    @abstractmethod
    def _better(self) -> dict[str, bool]: ...

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {**self._better, **{f"{name}_real": None for name in self._better}}

    @abstractmethod
    def _result(self, *sums: Tensor) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The scores of one side, and what is to be said of them, from its sums in the order they were named in."""

    def compute(self) -> dict[str, Tensor]:
        """The scores, `<name>` of the samples and `<name>_real`; no name of what was not asked or labelled."""
        self._observed = {}
        result: dict[str, Tensor] = {}
        for role, ending in ((Role.SAMPLE, ""), (Role.HELD_OUT, "_real")):
            values, observed = self._result(*(getattr(self, f"{role.value}_{name}") for name in self._sums))
            result |= {name + ending: value for name, value in values.items()}
            self._observed |= {name + ending: value for name, value in observed.items()}
        return result

    def protocol(self) -> dict[str, Any]:
        return {**self.judge.protocol(), **super().protocol()}


class FaceRate(_JudgeScore):
    """`faces`: share of pictures in which the judge sees a face with two eyes."""

    def __init__(self, judge: JudgeFeatures) -> None:
        super().__init__(judge, 1, "seen", "num")

    @property
    def _better(self) -> dict[str, bool]:
        return {"faces": True}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role in SIDES:
            self._add(role, seen=self.judge.look(images).sees_face_B.sum(), num=torch.tensor(len(images)))

    def _result(self, *sums: Tensor) -> tuple[dict[str, Tensor], dict[str, Any]]:
        seen, num = sums
        return {"faces": seen[0] / num[0]} if num else {}, {"num_pictures": int(num)}


class TagScore(_JudgeScore):
    """`tag_f1` (macro) and `tag_accuracy` (micro) over the tags that were asked to be there or not to be there.

    F1 is the mean over tags that were asked to be there at least once, or seen where they should not be; the others
    have no F1. A colour word ("blue hair") that is no tag of the judge is read off its attribute group. Tags that the
    judge does not know, or cannot make out (`legible_tags`: an earring is a pixel), are left out. `per_tag` beside the
    measure holds each tag's precision, recall, F1 and how often it was asked to be there.
    """

    def __init__(self, judge: JudgeFeatures, vocabulary: Vocabulary) -> None:
        """Args: vocabulary: the tags, in whose order `update` gets them."""
        super().__init__(judge, len(vocabulary.tags), "hit", "false_alarm", "miss", "rightly_absent", "left_out")
        self._tags = vocabulary.tags
        self._readers = _readers(judge)

    @property
    def _better(self) -> dict[str, bool]:
        return {"tag_f1": True, "tag_accuracy": True}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        tags_BT = condition.tags_BT
        if tags_BT is None or role not in SIDES:
            return
        _expect("tags", tags_BT, len(images), len(self._tags))
        look = self.judge.look(images)
        tags_BT = tags_BT.to(self.judge.device)
        known_T = torch.tensor([tag in self._readers for tag in self._tags], dtype=torch.bool, device=tags_BT.device)
        seen_BT = torch.zeros_like(tags_BT, dtype=torch.bool)
        for i, tag in enumerate(self._tags):
            if tag in self._readers:
                group, column = self._readers[tag]
                seen_BT[:, i] = (
                    look.tag_logits_BT[:, column] > 0
                    if group is None
                    else look.attribute_logits[group].argmax(1) == column
                )
        asked_BT = ~tags_BT.isnan()
        there_BT = asked_BT & known_T & (tags_BT > 0.5)
        absent_BT = asked_BT & known_T & (tags_BT <= 0.5)
        self._add(
            role,
            hit=(there_BT & seen_BT).sum(0),
            false_alarm=(absent_BT & seen_BT).sum(0),
            miss=(there_BT & ~seen_BT).sum(0),
            rightly_absent=(absent_BT & ~seen_BT).sum(0),
            left_out=(asked_BT & ~known_T).sum(0),
        )

    def _result(self, *sums: Tensor) -> tuple[dict[str, Tensor], dict[str, Any]]:
        hit, false_alarm, miss, rightly_absent, left_out = sums
        right, wrong = hit + rightly_absent, false_alarm + miss
        has_f1_T = 2 * hit + wrong > 0
        f1 = 2 * hit / (2 * hit + wrong)
        observed = {
            "answers": int((right + wrong).sum()),
            "answers_left_out": int(left_out.sum()),
            "tags_left_out": [tag for tag in self._tags if tag not in self._readers],
            "tags_with_f1": int(has_f1_T.sum()),
            "per_tag": {
                tag: {
                    "precision": _ratio(hit[i], hit[i] + false_alarm[i]),
                    "recall": _ratio(hit[i], hit[i] + miss[i]),
                    "f1": _ratio(2 * hit[i], 2 * hit[i] + wrong[i]),
                    "asked": int(hit[i] + miss[i]),
                }
                for i, tag in enumerate(self._tags)
                if has_f1_T[i]
            },
        }
        if not observed["answers"]:
            return {}, observed
        result = {"tag_accuracy": right.sum() / (right + wrong).sum()}
        if has_f1_T.any():
            result["tag_f1"] = f1[has_f1_T].mean()
        return result, observed

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "threshold": 0.5, "estimator": "macro F1, micro accuracy"}


class AttributeAccuracy(_JudgeScore):
    """`accuracy_<group>`: share of pictures in which the judge sees the class that was asked.

    Groups and classes are matched by name; those the judge does not know are left out. It may answer with a class that
    the data does not know: that is a wrong answer.
    """

    def __init__(self, judge: JudgeFeatures, vocabulary: Vocabulary) -> None:
        """Args: vocabulary: the groups, in whose order `update` gets them."""
        super().__init__(judge, len(vocabulary.attributes), "right", "asked", "left_out")
        self._groups = vocabulary.attributes
        judged = judge.vocabulary.attributes
        self._heads = [list(judged).index(group) if group in judged else None for group in self._groups]
        # For each group: class of the data -> class of the judge, -1 where it has none of that name.
        self._classes = [
            [judged[group].index(name) if name in judged.get(group, ()) else -1 for name in names]
            for group, names in self._groups.items()
        ]

    @property
    def _better(self) -> dict[str, bool]:
        return {f"accuracy_{group}": True for group in self._groups}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        attributes_BA = condition.attributes_BA
        if attributes_BA is None or role not in SIDES:
            return
        _expect("attributes", attributes_BA, len(images), len(self._groups))
        look = self.judge.look(images)
        attributes_BA = attributes_BA.to(self.judge.device)
        right, asked, left_out = (torch.zeros(len(self._groups), dtype=torch.float64) for _ in range(3))
        for i, (group, head) in enumerate(zip(self._groups, self._heads, strict=True)):
            if int(attributes_BA[:, i].max()) >= len(self._classes[i]):
                raise UserError(
                    f"attributes: class {int(attributes_BA[:, i].max())} of {group!r} is none of its "
                    f"{len(self._classes[i])}: build the scores from the data's vocabulary"
                )
            given_B = attributes_BA[:, i] >= 0
            # The last entry is for class -1, not asked.
            wanted_B = torch.tensor([*self._classes[i], -1], device=given_B.device)[attributes_BA[:, i]]
            known_B = given_B & (wanted_B >= 0)
            asked[i], left_out[i] = known_B.sum(), (given_B & ~known_B).sum()
            if head is not None:
                right[i] = (known_B & (look.attribute_logits[head].argmax(1) == wanted_B)).sum()
        self._add(role, right=right, asked=asked, left_out=left_out)

    def _result(self, *sums: Tensor) -> tuple[dict[str, Tensor], dict[str, Any]]:
        right, asked, left_out = sums
        return {f"accuracy_{group}": right[i] / asked[i] for i, group in enumerate(self._groups) if asked[i] > 0}, {
            "answers": dict(zip(self._groups, asked.int().tolist(), strict=True)),
            "answers_left_out": dict(zip(self._groups, left_out.int().tolist(), strict=True)),
        }


class LandmarkError(_JudgeScore):
    """Are the landmarks where they were asked?

    `landmark_nme`: distance between the judge's landmarks and the asked ones, over the distance of the asked outer
    corners of the eyes; mean over the asked and visible points of a picture, then over pictures with a face.
    `landmark_failures`: share of the asked pictures in which the judge sees no face. Read them together: a model that
    draws mud and two good faces has a fine error.
    """

    def __init__(self, judge: JudgeFeatures) -> None:
        # left_out: landmarks were given, but not both corners that the error is measured in
        super().__init__(judge, 1, "error", "found", "asked", "left_out")

    @property
    def _better(self) -> dict[str, bool]:
        return {"landmark_nme": False, "landmark_failures": False}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        landmarks_BK2, visible_BK = condition.landmarks_BK2, condition.visible_BK
        if landmarks_BK2 is None or role not in SIDES:
            return
        _expect("landmarks", landmarks_BK2, len(images), NUM_LANDMARKS)
        look = self.judge.look(images)
        wanted_BK2 = landmarks_BK2.to(self.judge.device, torch.float64)
        counted_BK = ~wanted_BK2.isnan().any(2)
        left, right = OUTER_EYE_CORNERS
        unit_B = (wanted_BK2[:, left] - wanted_BK2[:, right]).norm(dim=1)  # NaN where a corner was not given
        if visible_BK is not None:
            counted_BK = counted_BK & visible_BK.to(self.judge.device)
        given_B = counted_BK.any(1)
        asked_B = given_B & (unit_B > 0)
        found_B = asked_B & look.sees_face_B
        error_BK = (look.landmarks_BK2.double() - wanted_BK2).norm(dim=2).where(counted_BK, 0.0)
        error_B = error_BK.sum(1) / counted_BK.sum(1) / unit_B
        self._add(
            role,
            error=error_B.where(found_B, 0.0).sum(),
            found=found_B.sum(),
            asked=asked_B.sum(),
            left_out=(given_B & ~asked_B).sum(),
        )

    def _result(self, *sums: Tensor) -> tuple[dict[str, Tensor], dict[str, Any]]:
        error, found, asked, left_out = sums
        result = {}
        if asked:
            result["landmark_failures"] = 1 - found[0] / asked[0]
        if found:
            result["landmark_nme"] = error[0] / found[0]
        return result, {"num_asked": int(asked), "num_found": int(found), "num_left_out": int(left_out)}

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "unit": "outer eye corners", "points": "asked and visible"}


def _ratio(part: Tensor, whole: Tensor) -> float | None:
    return float(part / whole) if whole > 0 else None


def _readers(judge: JudgeFeatures) -> dict[str, tuple[int | None, int]]:
    """Every tag the judge can read -> (None, its column of the tag head) or (attribute group, class)."""
    readers: dict[str, tuple[int | None, int]] = {}
    for head, (group, names) in enumerate(judge.vocabulary.attributes.items()):
        if group in ATTRIBUTE_TAG:
            readers |= {ATTRIBUTE_TAG[group].format(name): (head, i) for i, name in enumerate(names)}
    return readers | {tag: (None, i) for i, tag in enumerate(judge.vocabulary.tags) if tag in judge.legible_tags}


def _expect(what: str, given: Tensor, rows: int, columns: int) -> None:
    if given.shape[:2] != (rows, columns):
        raise UserError(
            f"{what}: asked {tuple(given.shape[:2])} of {rows} pictures and {columns} names: "
            "build the scores from the vocabulary of the data"
        )
