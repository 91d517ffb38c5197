"""What a score is worth: logits to probabilities that mean what they say, and the threshold of each tag.

Guo et al. 2017 for temperatures and the expected calibration error; Platt 1999 for slope and offset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# The least number of present pictures at which a tag's own best threshold weighs as much as that of all tags together.
FEW = 10
# Slope 1 and offset 0 count as much as this many pictures.
PRIOR = 2.0


class Calibration(NamedTuple):
    """From logits to probabilities."""

    slope_T: Tensor
    offset_T: Tensor
    thresholds_T: Tensor  # probability from which a tag counts as present
    temperature_A: Tensor

    @classmethod
    def none(cls, tags: int, groups: int) -> Calibration:
        """Logits taken as they are."""
        return cls(torch.ones(tags), torch.zeros(tags), torch.full((tags,), 0.5), torch.ones(groups))

    def tags(self, logits_BT: Tensor) -> Tensor:
        """Probability of each tag, (B, T)."""
        return (self.slope_T * logits_BT + self.offset_T).sigmoid()

    def classes(self, group: int, logits_BC: Tensor) -> Tensor:
        """Probability of each class of a group, (B, C)."""
        return (logits_BC / self.temperature_A[group]).softmax(1)

    def as_dict(self) -> dict[str, list[float]]:
        """Plain numbers, for JSON."""
        return {name: part.tolist() for name, part in self._asdict().items()}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Sequence[float]]) -> Calibration:
        """The inverse of `as_dict`."""
        return cls(**{name: torch.tensor(values, dtype=torch.float32) for name, values in saved.items()})


def calibrate(
    tag_logits_NT: Tensor, tags_NT: Tensor, class_logits: Sequence[Tensor], classes_NA: Tensor
) -> Calibration:
    """Fits everything to pictures that were not trained on.

    Args:
        tag_logits_NT, tags_NT: scores and truth (NaN not given).
        class_logits, classes_NA: (N, classes) of each group and the truth (-1 not given).
    """
    slope_T, offset_T = platt(tag_logits_NT, tags_NT)
    probability_NT = (slope_T * tag_logits_NT + offset_T).sigmoid()
    temperatures = [temperature(logits, classes_NA[:, group]) for group, logits in enumerate(class_logits)]
    return Calibration(slope_T, offset_T, thresholds(probability_NT, tags_NT), torch.tensor(temperatures))


def platt(logits_NT: Tensor, tags_NT: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and offset (T,) of each tag by maximum likelihood; slopes stay positive.

    Few pictures move them little: 1 and 0 are where they begin, and what they are drawn to.
    """
    given_NT = ~tags_NT.isnan()
    logits, truth = logits_NT.double(), tags_NT.nan_to_num(0.0).double()
    rise_T = torch.zeros(logits.shape[1], dtype=torch.float64, requires_grad=True)
    offset_T = torch.zeros_like(rise_T, requires_grad=True)

    def loss() -> Tensor:
        wrong = F.binary_cross_entropy_with_logits(rise_T.exp() * logits + offset_T, truth, reduction="none")
        return (wrong * given_NT).sum() + PRIOR * (rise_T.square() + offset_T.square()).sum()

    _minimise([rise_T, offset_T], loss)
    return rise_T.detach().exp().float(), offset_T.detach().float()


def temperature(logits_NC: Tensor, class_N: Tensor) -> float:
    """The one number that logits are divided by, by maximum likelihood (Guo et al. 2017, section 4.2)."""
    given = class_N >= 0
    logits, truth = logits_NC[given].double(), class_N[given]
    rise = torch.zeros((), dtype=torch.float64, requires_grad=True)
    _minimise(
        [rise], lambda: F.cross_entropy(logits * rise.exp(), truth, reduction="sum") + PRIOR * rise.square().sum()
    )
    return float((-rise.detach()).exp())


def _minimise(parameters: list[Tensor], loss: Callable[[], Tensor]) -> None:
    solver = torch.optim.LBFGS(parameters, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> float:
        solver.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    solver.step(closure)  # type: ignore[no-untyped-call]


def thresholds(probability_NT: Tensor, tags_NT: Tensor) -> Tensor:
    """The probability (T,) from which each tag counts as present: the best F1 on these pictures.

    Of a tag that few of them have, the best threshold is chance: it is drawn to the one that serves all tags together.
    """
    grid_G = torch.linspace(0.05, 0.95, 91)
    present_NT, given_NT = tags_NT == 1, ~tags_NT.isnan()
    hits_GT = torch.stack([((probability_NT >= level) & present_NT).sum(0) for level in grid_G])
    said_GT = torch.stack([((probability_NT >= level) & given_NT).sum(0) for level in grid_G])
    count_T = present_NT.sum(0)
    own_T = grid_G[_best(2 * hits_GT / (said_GT + count_T).clamp(min=1))]
    shared = grid_G[_best((2 * hits_GT.sum(1) / (said_GT.sum(1) + count_T.sum()).clamp(min=1))[:, None])]
    return (count_T * own_T + FEW * shared) / (count_T + FEW)


def _best(f1_GT: Tensor) -> Tensor:
    """The middle of the levels that are best, (T,): the first alone would lean on where pictures happen to lie."""
    best_GT = f1_GT == f1_GT.max(0).values
    places_G1 = torch.arange(len(f1_GT), dtype=torch.float64)[:, None]
    return ((best_GT * places_G1).sum(0) / best_GT.sum(0)).round().long()


def calibration_error(confidence_N: Tensor, right_N: Tensor, bins: int = 15) -> float:
    """Expected calibration error: |confidence - share that is right|, mean over equal bins of confidence by their size.

    Args:
        confidence_N: in [0, 1].
        right_N: bool.
    """
    place_N = (confidence_N.double() * bins).long().clamp(max=bins - 1)
    gap_B = torch.zeros(bins, dtype=torch.float64)
    gap_B.index_add_(0, place_N, confidence_N.double() - right_N.double())
    return float(gap_B.abs().sum() / max(1, len(confidence_N)))


def numbers(calibration: Calibration) -> dict[str, Any]:
    """Four digits of each, for a report."""
    return {name: [round(value, 4) for value in values] for name, values in calibration.as_dict().items()}
