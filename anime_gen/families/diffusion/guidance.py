"""Which conditions the network is told: explicit joint dropping in training, one scale for each in sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from anime_gen.contract import Condition, UserError

KINDS = ("labels", "landmarks")  # tags and attributes are told together, the landmarks apart


class Told(NamedTuple):
    """Whether each picture's labels and landmarks are told, (B,) bool; where not, the learned null stands in."""

    labels_B: Tensor
    landmarks_B: Tensor


class Dropping(NamedTuple):
    """How often the network is told less than everything, as explicit states.

    Dropping each condition on its own would make the state that guidance subtracts, nothing told, rare: 1 % at 10 %
    each. The rest of the probability tells everything.

    Args:
        none: probability that nothing is told.
        labels_only: that only tags and attributes are.
        landmarks_only: that only landmarks are.
        partial: share of the pictures with labels of which a random part of the words is hidden, so that a few
            words can be asked for without saying all the others.
    """

    none: float = 0.1
    labels_only: float = 0.15
    landmarks_only: float = 0.1
    partial: float = 0.5

    def check(self) -> None:
        """Raises UserError unless the states are probabilities that sum to at most 1."""
        states = (self.none, self.labels_only, self.landmarks_only)
        if min(*states, self.partial) < 0 or sum(states) > 1 or self.partial > 1:
            raise UserError(f"model.dropping: probabilities must be >= 0 and sum to at most 1, not {self}")

    def draw(self, batch: int, device: torch.device) -> Told:
        """One state for each picture."""
        u = torch.rand(batch, device=device)
        labels_only = (u >= self.none) & (u < self.none + self.labels_only)
        landmarks_only = (u >= self.none + self.labels_only) & (u < self.none + self.labels_only + self.landmarks_only)
        everything = u >= self.none + self.labels_only + self.landmarks_only
        return Told(labels_only | everything, landmarks_only | everything)

    def hide_words(self, condition: Condition) -> Condition:
        """Hides each word of a share of the pictures: tag NaN, class -1, keeping each with a chance drawn once."""
        words = condition.tags_BT if condition.tags_BT is not None else condition.attributes_BA
        if words is None:
            return condition
        chance_B1 = torch.rand(len(words), 1, device=words.device)
        chance_B1 = torch.where(torch.rand_like(chance_B1) < self.partial, chance_B1, 1.0)
        tags, classes = condition.tags_BT, condition.attributes_BA
        if tags is not None:
            tags = tags.masked_fill(torch.rand_like(tags) > chance_B1, torch.nan)
        if classes is not None:
            classes = classes.masked_fill(torch.rand(classes.shape, device=classes.device) > chance_B1, -1)
        return condition._replace(tags_BT=tags, attributes_BA=classes)


def scales(guidance: float | Mapping[str, float]) -> tuple[float, float]:
    """(labels, landmarks) from one number for both or a mapping of kind to number (1 where unnamed).

    Raises:
        UserError: a kind is unknown.
    """
    if not isinstance(guidance, Mapping):
        return float(guidance), float(guidance)
    unknown = set(guidance) - set(KINDS)
    if unknown:
        raise UserError(f"guidance: {sorted(unknown)} unknown; give one number, or some of {', '.join(KINDS)}")
    return float(guidance.get("labels", 1.0)), float(guidance.get("landmarks", 1.0))


def guided(
    predict: Callable[[Told, int], Tensor], batch: int, guidance: float | Mapping[str, float], device: torch.device
) -> Tensor:
    """Classifier-free guidance with a scale for each kind of condition, in one batched pass.

    Nested as in Brooks et al. 2023 (InstructPix2Pix), eq. 3, with the landmarks as the outer condition:
    p(none) + s_landmarks (p(landmarks) - p(none)) + s_labels (p(both) - p(landmarks)).
    Scale 1 is the plain conditional prediction, 0 the unconditional one. Branches whose weight is 0 are not computed:
    one scale for both kinds costs two evaluations, two scales three, 1 costs one.

    Args:
        predict: (told for copies * B rows, copies) -> predictions of the B pictures repeated `copies` times.
        batch: B.
    """
    labels, landmarks = scales(guidance)
    weights = {(False, False): 1 - landmarks, (False, True): landmarks - labels, (True, True): labels}
    states = [state for state, weight in weights.items() if weight != 0]
    told = Told(
        *(
            torch.tensor([state[kind] for state in states], device=device).repeat_interleave(batch)
            for kind in range(len(KINDS))
        )
    )
    predictions = predict(told, len(states)).float().chunk(len(states))
    return torch.stack([weights[s] * p for s, p in zip(states, predictions, strict=True)]).sum(0)
