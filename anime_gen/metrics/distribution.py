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
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.protocol import SIDES, Role, Score


def _need(real: int, sampled: int) -> None:
    if min(real, sampled) < 2:
        raise UserError(
            f"a distance needs 2 real and 2 sampled pictures, got {real} and {sampled}: score more pictures"
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
        return {self.names[0]: distances.frechet_distance(*real, *fake)}

    def protocol(self) -> dict[str, Any]:
        return {**self.extractor.protocol(), **super().protocol(), "dtype": "float64", "estimator": "gaussian, N-1"}


class KernelDistance(Score):
    """Unbiased MMD^2 with KID's cubic kernel over all pairs (Binkowski et al. 2018), name `kd_<extractor>`.

    Unlike the published KID it takes no random subsets: the value depends on no seed, order or number of ranks.
    """

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor
        for side in SIDES:
            self.add_state(side.value, [], dist_reduce_fx="cat")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"kd_{self.extractor.name}": False}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role in SIDES:
            getattr(self, role.value).append(self.extractor(images).flatten())

    def compute(self) -> dict[str, Tensor]:
        """The distance. Raises: UserError: fewer than two pictures on a side."""
        real, fake = (self._rows(side.value, self.extractor.num_features) for side in SIDES)
        _need(len(real), len(fake))
        self._sizes = {"num_real": len(real), "num_fake": len(fake)}
        return {self.names[0]: distances.kernel_distance(real, fake)}

    def protocol(self) -> dict[str, Any]:
        return {
            **self.extractor.protocol(),
            **super().protocol(),
            "dtype": "float64",
            "estimator": "unbiased, all pairs, (x.y/D+1)^3",
        }
