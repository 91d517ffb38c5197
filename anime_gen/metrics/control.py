"""Do samples show what was asked? Tags, attributes and landmarks, read off the samples by the judge.

"Not asked" is NaN (tags, landmarks) or -1 (attributes), or None for a whole batch. What the judge does not know is
left out and counted in the protocol. Names without a value are missing from `compute()`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anime_gen.contract import UserError
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.protocol import Score
from anime_gen.vocabulary import ATTRIBUTE_TAG, NUM_LANDMARKS, OUTER_EYE_CORNERS, Vocabulary


class _JudgeScore(Score):
    """A score whose states are sums."""

    def __init__(self, judge: JudgeFeatures) -> None:
        super().__init__()
        self.judge = judge

    def _add_sums(self, width: int, *names: str) -> None:
        for name in names:
            self.add_state(name, torch.zeros(width, dtype=torch.float64), dist_reduce_fx="sum")

    def _add(self, **parts: Tensor) -> None:
        for name, part in parts.items():
            # Not in place: the state may have been made in inference mode, the update may come outside of it.
            setattr(self, name, getattr(self, name) + part.to(self.device, torch.float64))

    def protocol(self) -> dict[str, Any]:
        return {**self.judge.protocol(), **self._counts}


class FaceRate(_JudgeScore):
    """`faces`: share of samples in which the judge sees a face with two eyes; `faces_real`: of the real pictures.

    The second says what the first is worth: on pictures that are not like those it was trained on, a judge may not
    even know the real ones for faces. Real pictures survive `reset()`; `reset_all()` drops them.
    """

    kept = ("real_",)
    fake_seen: Tensor
    fake_num: Tensor
    real_seen: Tensor
    real_num: Tensor

    def __init__(self, judge: JudgeFeatures) -> None:
        super().__init__(judge)
        self._add_sums(1, "fake_seen", "fake_num", "real_seen", "real_num")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"faces": True, "faces_real": None}

    def update(self, images: Tensor, real: bool) -> None:
        """Counts uint8 pictures (B, 3, H, W) to one side."""
        side = "real" if real else "fake"
        seen = self.judge.look(images).sees_face_B.sum()
        self._add(**{f"{side}_seen": seen, f"{side}_num": torch.tensor(len(images))})

    def compute(self) -> dict[str, Tensor]:
        """Shares in [0, 1]; none of a side that has no pictures."""
        sides = {"faces": (self.fake_seen[0], self.fake_num[0]), "faces_real": (self.real_seen[0], self.real_num[0])}
        self._counts = {"num_fake": int(self.fake_num), "num_real": int(self.real_num)}
        return {name: seen / num for name, (seen, num) in sides.items() if num}


class TagScore(_JudgeScore):
    """`tag_f1` (macro) and `tag_accuracy` (micro) over the tags that were asked to be there or not to be there.

    F1 is the mean over tags that were asked to be there at least once, or seen where they should not be; the others
    have no F1. A colour word ("blue hair") that is no tag of the judge is read off its attribute group. Tags that the
    judge does not know, or cannot make out (`legible_tags`: an earring is a pixel), are left out.
    """

    hit: Tensor  # asked to be there and seen
    false_alarm: Tensor  # seen, but asked not to be there
    miss: Tensor  # asked to be there, not seen
    rightly_absent: Tensor
    left_out: Tensor  # asked, but the judge cannot read the tag

    def __init__(self, judge: JudgeFeatures, vocabulary: Vocabulary) -> None:
        """Args: vocabulary: the tags, in whose order `update` gets them."""
        super().__init__(judge)
        self._tags = vocabulary.tags
        self._readers = _readers(judge)
        self._add_sums(len(self._tags), "hit", "false_alarm", "miss", "rightly_absent", "left_out")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"tag_f1": True, "tag_accuracy": True}

    def update(self, images: Tensor, tags_BT: Tensor | None) -> None:
        """Counts samples.

        Args:
            images: (B, 3, H, W) uint8.
            tags_BT: 1 asked to be there, 0 asked not to be there, NaN not asked; None: no tag was asked of any.

        Raises:
            UserError: not one column for each tag of the vocabulary.
        """
        if tags_BT is None:
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
            hit=(there_BT & seen_BT).sum(0),
            false_alarm=(absent_BT & seen_BT).sum(0),
            miss=(there_BT & ~seen_BT).sum(0),
            rightly_absent=(absent_BT & ~seen_BT).sum(0),
            left_out=(asked_BT & ~known_T).sum(0),
        )

    def compute(self) -> dict[str, Tensor]:
        """Both scores, in [0, 1]; nothing where nothing was asked that the judge can read."""
        right, wrong = self.hit + self.rightly_absent, self.false_alarm + self.miss
        has_f1_T = 2 * self.hit + wrong > 0
        self._counts = {
            "answers": int((right + wrong).sum()),
            "answers_left_out": int(self.left_out.sum()),
            "tags_left_out": [tag for tag in self._tags if tag not in self._readers],
            "tags_with_f1": int(has_f1_T.sum()),
        }
        if not self._counts["answers"]:
            return {}
        result = {"tag_accuracy": right.sum() / (right + wrong).sum()}
        if has_f1_T.any():
            result["tag_f1"] = (2 * self.hit / (2 * self.hit + wrong))[has_f1_T].mean()
        return result

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "threshold": 0.5, "estimator": "macro F1, micro accuracy"}


class AttributeAccuracy(_JudgeScore):
    """`accuracy_<group>`: share of samples in which the judge sees the class that was asked.

    Groups and classes are matched by name; those the judge does not know are left out. It may answer with a class that
    the data does not know: that is a wrong answer.
    """

    right: Tensor
    asked: Tensor
    left_out: Tensor  # asked, but the judge does not know the group or the class

    def __init__(self, judge: JudgeFeatures, vocabulary: Vocabulary) -> None:
        """Args: vocabulary: the groups, in whose order `update` gets them."""
        super().__init__(judge)
        self._groups = vocabulary.attributes
        judged = judge.vocabulary.attributes
        self._heads = [list(judged).index(group) if group in judged else None for group in self._groups]
        # For each group: class of the data -> class of the judge, -1 where it has none of that name.
        self._classes = [
            [judged[group].index(name) if name in judged.get(group, ()) else -1 for name in names]
            for group, names in self._groups.items()
        ]
        self._add_sums(len(self._groups), "right", "asked", "left_out")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"accuracy_{group}": True for group in self._groups}

    def update(self, images: Tensor, attributes_BA: Tensor | None) -> None:
        """Counts samples.

        Args:
            images: (B, 3, H, W) uint8.
            attributes_BA: int64 classes, -1 not asked; None: no class was asked of any.

        Raises:
            UserError: not one column for each group of the vocabulary, or a class that the vocabulary does not have.
        """
        if attributes_BA is None:
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
        self._add(right=right, asked=asked, left_out=left_out)

    def compute(self) -> dict[str, Tensor]:
        """The shares, in [0, 1], of the groups in which something was asked that the judge knows."""
        self._counts = {
            "answers": dict(zip(self._groups, self.asked.int().tolist(), strict=True)),
            "answers_left_out": dict(zip(self._groups, self.left_out.int().tolist(), strict=True)),
        }
        return {
            f"accuracy_{group}": self.right[i] / self.asked[i]
            for i, group in enumerate(self._groups)
            if self.asked[i] > 0
        }


class LandmarkError(_JudgeScore):
    """Are the landmarks where they were asked?

    `landmark_nme`: distance between the judge's landmarks and the asked ones, over the distance of the asked outer
    corners of the eyes; mean over the asked and visible points of a picture, then over pictures with a face.
    `landmark_failures`: share of the asked pictures in which the judge sees no face. Read them together: a model that
    draws mud and two good faces has a fine error.
    """

    error: Tensor
    found: Tensor
    asked: Tensor
    left_out: Tensor  # landmarks were given, but not both corners that the error is measured in

    def __init__(self, judge: JudgeFeatures) -> None:
        super().__init__(judge)
        self._add_sums(1, "error", "found", "asked", "left_out")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"landmark_nme": False, "landmark_failures": False}

    def update(self, images: Tensor, landmarks_BK2: Tensor | None, visible_BK: Tensor | None = None) -> None:
        """Counts samples.

        Args:
            images: (B, 3, H, W) uint8, as high as wide.
            landmarks_BK2: (x, y) in [0, 1], NaN not asked; None: nothing was asked of any.
            visible_BK: bool, points that can be seen; None: all.

        Raises:
            UserError: not the suite's landmarks.
        """
        if landmarks_BK2 is None:
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
            error=error_B.where(found_B, 0.0).sum(),
            found=found_B.sum(),
            asked=asked_B.sum(),
            left_out=(given_B & ~asked_B).sum(),
        )

    def compute(self) -> dict[str, Tensor]:
        """Error (in eye distances) and share of failures; no error where no face was found, nothing if not asked."""
        self._counts = {
            "num_asked": int(self.asked),
            "num_found": int(self.found),
            "num_left_out": int(self.left_out),
        }
        result = {}
        if self.asked:
            result["landmark_failures"] = 1 - self.found[0] / self.asked[0]
        if self.found:
            result["landmark_nme"] = self.error[0] / self.found[0]
        return result

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "unit": "outer eye corners", "points": "asked and visible"}


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
