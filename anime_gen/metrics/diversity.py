"""How different samples are from each other: have they collapsed, and does one condition always give one picture?

Feature states are flat float32 lists: torchmetrics stands in for a rank that saw nothing with an empty vector, which
only joins other vectors.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.protocol import SIDES, Role, Score

_ROWS = 1024  # rows of a pairwise matrix held at once


def thinned(features_ND: Tensor, count: int) -> Tensor:
    """`count` of the rows, which ones decided by what is in them: never by their order, so not by the ranks either."""
    if len(features_ND) <= count:
        return features_ND
    # Digits that no feature's size has a say in: a hash of each row.
    direction_D = torch.arange(1, features_ND.shape[1] + 1, dtype=torch.float64, device=features_ND.device).sqrt()
    digits_N = (features_ND.double() * direction_D).sum(1).mul(1e5).frac()
    return features_ND[digits_N.argsort()[:count]]


def nearest_other(features_ND: Tensor) -> Tensor:
    """Euclidean distance of each row to the nearest other row, (N,) float64; N at least 2."""
    features_ND = features_ND.double()
    found = []
    for start in range(0, len(features_ND), _ROWS):
        rows = features_ND[start : start + _ROWS]
        # Differences, not |x|^2 + |y|^2 - 2 x.y: of two equal rows the distance must be 0, not rounding.
        apart = torch.cdist(rows, features_ND, compute_mode="donot_use_mm_for_euclid_dist")
        apart[torch.arange(len(rows)), torch.arange(start, start + len(rows))] = torch.inf
        found.append(apart.amin(1))
    return torch.cat(found)


def mean_distance(features_ND: Tensor) -> Tensor:
    """Euclidean distance of two different rows, mean over all pairs, float64 scalar; N at least 2."""
    features_ND = features_ND.double()
    sums = [
        torch.cdist(rows, features_ND, compute_mode="donot_use_mm_for_euclid_dist").sum()
        for rows in torch.split(features_ND, _ROWS)
    ]
    return torch.stack(sums).sum() / (len(features_ND) * (len(features_ND) - 1))


def collapse_index(real_ND: Tensor, sampled_ND: Tensor) -> Tensor:
    """1 - (median distance of a sample to the nearest other sample) / (the same of real pictures), at least 0.

    0: samples are as far from each other as real pictures are. 1: at least half of them have a twin, so that N samples
    show fewer than about N / 2 different pictures. The median distance of *all* pairs would see a collapse to one
    picture, but not one to ten: nine pairs in ten are then of different pictures, as far apart as ever.

    The nearest of more pictures is nearer, so both sets must be of equal size.

    Args:
        real_ND, sampled_ND: features, N at least 2.

    Returns:
        float64 scalar in [0, 1]; NaN where most real pictures have a twin too.
    """
    usual = nearest_other(real_ND).quantile(0.5)
    return (1 - nearest_other(sampled_ND).quantile(0.5) / usual).clamp(min=0).where(usual > 0, torch.nan)


class BothSides(Score):
    """A score of the features of real pictures and of as many samples, one number under one name.

    Where one side has more pictures, it is thinned out to the other's number, and both to `at_most`: the nearest of
    more pictures is nearer.

    Args:
        extractor: whose features.
        at_most: pictures of a side.
    """

    def __init__(self, extractor: Extractor, at_most: int = 4096) -> None:
        super().__init__()
        self.extractor = extractor.alike
        self.at_most = at_most
        for side in SIDES:
            self.add_state(side.value, [], dist_reduce_fx="cat")

    @abstractmethod
    def between(self, real_ND: Tensor, sampled_ND: Tensor) -> Tensor:
        """The score of as many features on both sides, N at least 2; NaN where it has no value."""

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role in SIDES:
            getattr(self, role.value).append(self.extractor(images).flatten())

    def compute(self) -> dict[str, Tensor]:
        """The score, or nothing where it is NaN. Raises: UserError: fewer than two pictures on a side."""
        real, fake = (self._rows(side.value, self.extractor.num_features) for side in SIDES)
        self._sizes = {"num_real": len(real), "num_fake": len(fake)}
        count = min(len(real), len(fake), self.at_most)
        if count < 2:
            raise UserError(
                f"a collapse is seen in at least 2 real and 2 sampled pictures, got {len(real)} and {len(fake)}: "
                "score more pictures"
            )
        value = self.between(thinned(real, count), thinned(fake, count))
        return {} if value.isnan() else {self.names[0]: value}

    def protocol(self) -> dict[str, Any]:
        return {**self.extractor.protocol(), **super().protocol(), "at_most": self.at_most, "dtype": "float64"}


class Collapse(BothSides):
    """`collapse_<extractor>`: see `collapse_index`; 0 is best, 1 is a collapse."""

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"collapse_{self.extractor.name}": False}

    def between(self, real_ND: Tensor, sampled_ND: Tensor) -> Tensor:
        return collapse_index(real_ND, sampled_ND)

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "estimator": "euclidean; median of the nearest other"}


class NearDuplicates(BothSides):
    """`near_duplicates_<extractor>`: share of samples that have another sample nearer than real pictures have.

    Nearer than 99 % of the real pictures have another real one: of real pictures it is 0.01. S3's authors counted such
    translations by eye (40 % of unseen photos).
    """

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"near_duplicates_{self.extractor.name}": False}

    def between(self, real_ND: Tensor, sampled_ND: Tensor) -> Tensor:
        usual = nearest_other(real_ND).quantile(0.01)
        # Where one real picture in a hundred has an exact twin, nothing can be nearer than usual.
        return (nearest_other(sampled_ND) < usual).double().mean().where(usual > 0, torch.nan)

    def protocol(self) -> dict[str, Any]:
        estimator = "euclidean; nearest other sample below the 1st percentile of real pictures'"
        return {**super().protocol(), "estimator": estimator}


class ConditionDiversity(Metric):
    """How different are the pictures that one condition gives? Name `diversity_within_<extractor>`.

    The mean distance of two samples of the same condition (over the pairs of each condition, then over conditions),
    over the mean distance of two real pictures. 0: one picture for each condition. 1: as if nothing had been asked.
    What is best lies between, and depends on how much a condition says: compare families on the same conditions only.
    `observed` holds the same of two samples of different conditions: where both are 0, it is not the condition.

    Not a `Score`: it needs several samples of each condition, which nobody pairs with a real picture.
    """

    full_state_update: bool | None = True
    real: list[Tensor]
    sampled: list[Tensor]
    groups: list[Tensor]

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor.alike
        for name in ("real", "sampled", "groups"):
            self.add_state(name, [], dist_reduce_fx="cat")
        self._sizes: dict[str, int] = {}
        self._observed: dict[str, float] = {}

    def reset(self) -> None:
        """Forgets the samples; real pictures stay."""
        real = list(self.real)  # the list itself will be emptied
        super().reset()
        self.real = real

    @property
    def name(self) -> str:
        """As in metrics.json."""
        return f"diversity_within_{self.extractor.name}"

    def update(self, images: Tensor, groups_B: Tensor | None = None) -> None:
        """Counts some pictures.

        Args:
            images: uint8 (B, 3, H, W).
            groups_B: int64 (B,) below 2^24: samples with the same number were made of the same condition. None: these
                are real pictures.
        """
        features = self.extractor(images).flatten()
        if groups_B is None:
            self.real.append(features)
            return
        self.sampled.append(features)
        self.groups.append(groups_B.to(features))

    def compute(self) -> dict[str, Tensor]:
        """The ratio; nothing where no condition has two samples, or there are not two real pictures."""
        real_ND, sampled_ND = (self._joined(name).view(-1, self.extractor.num_features) for name in ("real", "sampled"))
        groups_N = self._joined("groups")
        groups = [sampled_ND[groups_N == group] for group in set(groups_N.tolist())]
        groups = [group for group in groups if len(group) > 1]
        self._sizes = {"num_real": len(real_ND), "num_fake": len(sampled_ND), "num_conditions": len(groups)}
        self._observed = {}
        if not groups or len(real_ND) < 2:
            return {}
        usual = mean_distance(real_ND)
        within = torch.stack([mean_distance(group) for group in groups])
        if len(groups) > 1:
            everything = torch.cat(groups)
            pairs = torch.tensor([len(group) * (len(group) - 1) for group in groups]).to(within)
            all_pairs = len(everything) * (len(everything) - 1)
            between = (mean_distance(everything) * all_pairs - (within * pairs).sum()) / (all_pairs - pairs.sum())
            self._observed = {"between": float(between / usual)}
        return {self.name: within.mean() / usual}

    def protocol(self) -> dict[str, Any]:
        """As `Score.protocol`."""
        estimator = "euclidean; mean over pairs, then over conditions"
        return {**self.extractor.protocol(), **self._sizes, "estimator": estimator, "observed": self._observed}

    def _joined(self, name: str) -> Tensor:
        state = getattr(self, name)
        if isinstance(state, list):
            state = torch.cat(state) if state else torch.zeros(0, device=self.device)
        assert isinstance(state, Tensor)
        return state
