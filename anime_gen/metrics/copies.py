"""Are samples copies of training pictures?

Feature states are flat float32 lists: torchmetrics stands in for a rank that saw nothing with an empty vector, which
only joins other vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from anime_gen.contract import Condition
from anime_gen.metrics import distances
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.protocol import Role, Score


class NearestTraining(Score):
    """Do samples copy training pictures? Distance in feature space to the nearest one, against unseen real pictures'.

    `nearest_ratio`: median distance of samples over median distance of held-out pictures: about 1 where samples are
    as far from the training set as real pictures are, 0 for copies, above 1 for samples unlike any training picture.
    `copies`: share of samples that are nearer than 99 % of the held-out pictures: 0.01 would be as often as by chance.
    A held-out picture that is in the training set too is not unseen: it is left out, and counted in the protocol.
    No value until all three roles have been seen.
    """

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor
        for role in Role:
            self.add_state(role.value, [], dist_reduce_fx="cat")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"nearest_ratio": None, "copies": False}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        getattr(self, role.value).append(self.extractor(images).flatten())

    def compute(self) -> dict[str, Tensor]:
        """Both names, or nothing while a role is missing."""
        training, held_out, samples = (self._rows(role.value, self.extractor.num_features) for role in Role)
        self._sizes = {"num_training": len(training), "num_held_out": len(held_out), "num_fake": len(samples)}
        if not all(self._sizes.values()):
            return {}
        usual, found = distances.nearest(held_out, training), distances.nearest(samples, training)
        # The same picture in another batch has features that differ by rounding, which grows with their spread.
        unseen = usual[usual > 1e-4 * (training - training.mean(0)).double().norm(dim=1).mean()]
        self._observed = {"num_held_out_in_training": len(usual) - len(unseen)}
        if not len(unseen):
            return {}
        ratio = found.quantile(0.5) / unseen.quantile(0.5)
        return {"nearest_ratio": ratio, "copies": (found < unseen.quantile(0.01)).double().mean()}

    def protocol(self) -> dict[str, Any]:
        return {
            **self.extractor.protocol(),
            **super().protocol(),
            "dtype": "float64",
            "estimator": "euclidean; medians; 1st percentile",
        }
