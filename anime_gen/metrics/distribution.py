"""Distances between the distributions of real and sampled pictures' features.

Feature states are flat float32 lists: torchmetrics stands in for a rank that saw nothing with an empty vector, which
only joins other vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anime_gen.contract import Condition, UserError
from anime_gen.metrics import distances
from anime_gen.metrics.features import Classifier, Extractor
from anime_gen.metrics.protocol import SIDES, Role, Score


def _need(real: int, sampled: int, at_least: int = 2) -> None:
    if min(real, sampled) < at_least:
        raise UserError(
            f"this score needs at least {at_least} real and as many sampled pictures, got {real} and {sampled}: score "
            "more pictures"
        )


class FrechetDistance(Score):
    """Fréchet distance between real and sampled pictures' features (Heusel et al. 2017), name `fd_<extractor>`.

    Biased upwards for few pictures, and the covariance is singular for fewer than D: compare at equal numbers only.
    """

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor
        width = extractor.num_features
        for side in SIDES:
            self.add_state(f"{side.value}_n", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
            self.add_state(f"{side.value}_sum", torch.zeros(width, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{side.value}_outer", torch.zeros(width, width, dtype=torch.float64), dist_reduce_fx="sum")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"fd_{self.extractor.name}": False}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role not in SIDES:
            return
        features = self.extractor(images).double()
        for name, value in (
            ("n", torch.tensor(len(features), device=self.device)),
            ("sum", features.sum(0)),
            ("outer", features.T @ features),
        ):
            # Not in place: the state may have been made in inference mode, the update may come outside of it.
            state = f"{role.value}_{name}"
            setattr(self, state, getattr(self, state) + value)

    def compute(self) -> dict[str, Tensor]:
        """The distance. Raises: UserError: fewer than two pictures on a side."""
        counts = [int(getattr(self, f"{side.value}_n")) for side in SIDES]
        _need(*counts)
        self._sizes = {"num_real": counts[0], "num_fake": counts[1]}
        real, fake = (
            distances.moments(n, getattr(self, f"{side.value}_sum"), getattr(self, f"{side.value}_outer"))
            for n, side in zip(counts, SIDES, strict=True)
        )
        if self.extractor.directions:
            axes_KD = distances.whitening(real, self.extractor.directions)
            if not len(axes_KD):  # all real pictures are alike: there is no unit of a difference
                return {}
            real, fake = (
                distances.Moments(axes_KD @ side.mean_D, axes_KD @ side.covariance_DD @ axes_KD.T)
                for side in (real, fake)
            )
        return {self.names[0]: distances.frechet_distance(*real, *fake)}

    def protocol(self) -> dict[str, Any]:
        return {**self.extractor.protocol(), **super().protocol(), "dtype": "float64", "estimator": "gaussian, N-1"}


class _FeatureScore(Score):
    """A score that needs all features of both sides, in the order of the pictures.

    Rank r of w has been given pictures r, r + w, r + 2w ..., as the suite's loaders deal them out: so the order, and
    with it what a seed draws, is the same on any number of ranks. Scores of one extractor share the memory of features.
    """

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor
        for side in SIDES:
            self.add_state(side.value, [], dist_reduce_fx="cat")
            # Not reduced: one number for each rank.
            self.add_state(f"{side.value}_n", torch.zeros((), dtype=torch.int64), dist_reduce_fx=None)

    @property
    def _width(self) -> int:
        return self.extractor.num_features

    def _look(self, images: Tensor) -> Tensor:
        return self.extractor(images)

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role in SIDES:
            getattr(self, role.value).append(self._look(images).flatten())
            counter = f"{role.value}_n"
            setattr(self, counter, getattr(self, counter) + len(images))

    def _in_order(self, role: Role) -> Tensor:
        """All features of a side, (N, D)."""
        rows = self._rows(role.value, self._width)
        counts = getattr(self, f"{role.value}_n").view(-1).tolist()
        if len(counts) == 1:
            return rows
        places = torch.cat([torch.arange(rank, rank + n * len(counts), len(counts)) for rank, n in enumerate(counts)])
        return rows[places.argsort().to(rows.device)]

    def _sides(self, at_least: int = 2) -> tuple[Tensor, Tensor]:
        """Features of real and sampled pictures. Raises: UserError: fewer than that on a side."""
        real, fake = (self._in_order(side) for side in SIDES)
        self._sizes = {"num_real": len(real), "num_fake": len(fake)}
        _need(len(real), len(fake), at_least)
        if directions := self.extractor.directions:
            wide = real.double()
            mean_D = wide.mean(0)
            own = distances.Moments(mean_D, torch.cov(wide.T))
            axes_KD = distances.whitening(own, directions)
            if not len(axes_KD):
                raise UserError(f"the real pictures are all alike to {self.extractor.name}: score pictures that differ")
            real, fake = ((side.double() - mean_D) @ axes_KD.T for side in (real, fake))
        return real, fake

    def protocol(self) -> dict[str, Any]:
        return {**self.extractor.protocol(), **super().protocol(), "dtype": "float64"}


class KernelDistance(_FeatureScore):
    """Unbiased MMD^2 with KID's cubic kernel over all pairs (Binkowski et al. 2018), name `kd_<extractor>`.

    Unlike the published KID it takes no random subsets: the value depends on no seed, order or number of ranks.
    """

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"kd_{self.extractor.name}": False}

    def compute(self) -> dict[str, Tensor]:
        """The distance. Raises: UserError: fewer than two pictures on a side."""
        return {self.names[0]: distances.kernel_distance(*self._sides())}

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "estimator": "unbiased, all pairs, (x.y/D+1)^3"}


class KID(_FeatureScore):
    """KID as it is published and as torch-fidelity computes it, name `kid_<extractor>`: the mean over random subsets.

    `observed` holds the standard deviation over subsets, which is not that of the mean. `kd_<extractor>` estimates the
    same in float64 and needs neither seed nor subsets: this one is for comparison with numbers elsewhere.
    """

    def __init__(self, extractor: Extractor, subsets: int = 100, subset_size: int = 1000, seed: int = 2020) -> None:
        super().__init__(extractor)
        self.subsets, self.subset_size, self.seed = subsets, subset_size, seed

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"kid_{self.extractor.name}": False}

    def compute(self) -> dict[str, Tensor]:
        """The mean. Raises: UserError: fewer pictures on a side than a subset has."""
        try:
            real, fake = self._sides(self.subset_size)
        except UserError as reason:
            raise UserError(f"{reason}, or take smaller subsets (--kid_subset_size)") from reason
        found = distances.published_kid(real, fake, self.subsets, self.subset_size, self.seed)
        self._observed = {"std": float(found.std(correction=0))}
        return {self.names[0]: found.mean()}

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "dtype": "float32",
            "estimator": "unbiased, mean over subsets, (x.y/D+1)^3",
            "subsets": self.subsets,
            "subset_size": self.subset_size,
            "seed": self.seed,
        }


class CMMD(_FeatureScore):
    """CMMD (Jayasumana et al. 2024), name `cmmd_<extractor>`: 1000 times a Gaussian MMD^2 of features of length 1.

    Defined on CLIP's image tower; with another extractor it is another number.
    """

    sigma = 10.0

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"cmmd_{self.extractor.name}": False}

    def compute(self) -> dict[str, Tensor]:
        """The distance. Raises: UserError: fewer than two pictures on a side."""
        real, fake = (torch.nn.functional.normalize(side, dim=1) for side in self._sides())
        return {self.names[0]: 1000 * distances.gaussian_distance(real, fake, self.sigma)}

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "estimator": f"biased, all pairs, gaussian sigma {self.sigma:g}, times 1000"}


class PRDC(_FeatureScore):
    """`precision_`, `recall_` (Kynkäänniemi et al. 2019), `density_` and `coverage_<extractor>` (Naeem et al. 2020).

    Precision and density ask whether samples look real, recall and coverage whether they are as varied. All depend on
    the number of pictures: compare at equal numbers only.
    """

    def __init__(self, extractor: Extractor, neighbours: int = 3, density_neighbours: int = 5) -> None:
        """Args: neighbours: k of precision and recall. density_neighbours: k of density and coverage."""
        super().__init__(extractor)
        self.neighbours, self.density_neighbours = neighbours, density_neighbours

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"{name}_{self.extractor.name}": True for name in distances.Overlap._fields}

    def compute(self) -> dict[str, Tensor]:
        """The four shares. Raises: UserError: not more pictures on a side than neighbours."""
        sides = self._sides(max(self.neighbours, self.density_neighbours) + 1)
        found = distances.overlap(*sides, self.neighbours, self.density_neighbours)
        return dict(zip(self.names, found, strict=True))

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "estimator": f"euclidean, {self.neighbours} (precision, recall) and {self.density_neighbours} neighbours",
        }


class InceptionScore(_FeatureScore):
    """Inception score (Salimans et al. 2016) as torch-fidelity computes it, name `is_<extractor>`: mean over splits.

    `is_<extractor>_real` is that of the real pictures: what a perfect model would get. `observed` holds the standard
    deviations over splits.
    """

    extractor: Classifier

    def __init__(self, extractor: Classifier, splits: int = 10, seed: int = 2020) -> None:
        super().__init__(extractor)
        self.splits, self.seed = splits, seed

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"is_{self.extractor.name}": True, f"is_{self.extractor.name}_real": None}

    @property
    def _width(self) -> int:
        return self.extractor.num_classes

    def _look(self, images: Tensor) -> Tensor:
        return self.extractor.logits(images)

    def compute(self) -> dict[str, Tensor]:
        """Both means. Raises: UserError: fewer pictures on a side than splits."""
        real, fake = self._sides(self.splits)
        found = [distances.inception_scores(side, self.splits, self.seed) for side in (fake, real)]
        stds = [float(scores.std(correction=0)) for scores in found]
        self._observed = {"std": dict(zip(self.names, stds, strict=True))}
        return {name: scores.mean() for name, scores in zip(self.names, found, strict=True)}

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "splits": self.splits,
            "seed": self.seed,
            "num_classes": self.extractor.num_classes,
        }
