"""Scores as `torchmetrics.Metric`s: states that ranks can add up or join, every picture counted once.

All take uint8 pictures (B, 3, H, W), work outside the suite, and `compute()` a dict from score names to scalars. A
name that is missing from the dict has no value: nothing was asked. Pictures are counted as they come, so a sampler
that pads ranks with duplicates must not be used.

Feature states are flat float32 lists: torchmetrics stands in for a rank that saw nothing with an empty vector, which
only joins other vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from anime_gen.contract import Condition, UserError
from anime_gen.metrics import distances
from anime_gen.metrics.control import AttributeAccuracy, FaceRate, LandmarkError, TagScore
from anime_gen.metrics.features import Extractor, JudgeFeatures
from anime_gen.metrics.protocol import Record, Score
from anime_gen.vocabulary import Vocabulary


def _need(real: int, fake: int) -> None:
    if min(real, fake) < 2:
        raise UserError(f"a distance needs 2 real and 2 sampled pictures, got {real} and {fake}: score more pictures")


class FrechetDistance(Score):
    """Fréchet distance between real and sampled pictures' features (Heusel et al. 2017), name `fd_<extractor>`.

    Biased upwards for few pictures, and the covariance is singular for fewer than D: compare at equal numbers only.
    Real statistics survive `reset()`; `reset_all()` drops them.
    """

    kept = ("real_",)

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor
        width = extractor.num_features
        for side in ("real", "fake"):
            self.add_state(f"{side}_n", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
            self.add_state(f"{side}_sum", torch.zeros(width, dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{side}_outer", torch.zeros(width, width, dtype=torch.float64), dist_reduce_fx="sum")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"fd_{self.extractor.name}": False}

    def update(self, images: Tensor, real: bool) -> None:
        """Counts uint8 pictures (B, 3, H, W) to one side."""
        features = self.extractor(images).double()
        side = "real" if real else "fake"
        for name, value in (
            ("n", torch.tensor(len(features), device=self.device)),
            ("sum", features.sum(0)),
            ("outer", features.T @ features),
        ):
            # Not in place: the state may have been made in inference mode, the update may come outside of it.
            setattr(self, f"{side}_{name}", getattr(self, f"{side}_{name}") + value)

    def compute(self) -> dict[str, Tensor]:
        """The distance. Raises: UserError: fewer than two pictures on a side."""
        sides = []
        for side in ("real", "fake"):
            n = int(getattr(self, f"{side}_n"))
            self._counts[f"num_{side}"] = n
            sides.append((n, getattr(self, f"{side}_sum"), getattr(self, f"{side}_outer")))
        _need(sides[0][0], sides[1][0])
        real, fake = (distances.moments(*side) for side in sides)
        return {self.names[0]: distances.frechet_distance(*real, *fake)}

    def protocol(self) -> dict[str, Any]:
        return {**self.extractor.protocol(), **self._counts, "dtype": "float64", "estimator": "gaussian, N-1"}


class KernelDistance(Score):
    """Unbiased MMD^2 with KID's cubic kernel over all pairs (Binkowski et al. 2018), name `kd_<extractor>`.

    Unlike the published KID it takes no random subsets: the value depends on no seed, order or number of ranks.
    Real features survive `reset()`; `reset_all()` drops them.
    """

    kept = ("real",)

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor
        self.add_state("real", [], dist_reduce_fx="cat")
        self.add_state("fake", [], dist_reduce_fx="cat")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"kd_{self.extractor.name}": False}

    def update(self, images: Tensor, real: bool) -> None:
        """Counts uint8 pictures (B, 3, H, W) to one side."""
        getattr(self, "real" if real else "fake").append(self.extractor(images).flatten())

    def compute(self) -> dict[str, Tensor]:
        """The distance. Raises: UserError: fewer than two pictures on a side."""
        real, fake = (self._rows(side, self.extractor.num_features) for side in ("real", "fake"))
        self._counts = {"num_real": len(real), "num_fake": len(fake)}
        _need(len(real), len(fake))
        return {self.names[0]: distances.kernel_distance(real, fake)}

    def protocol(self) -> dict[str, Any]:
        return {
            **self.extractor.protocol(),
            **self._counts,
            "dtype": "float64",
            "estimator": "unbiased, all pairs, (x.y/D+1)^3",
        }


class Role(Enum):
    """Whose pictures `NearestTraining` is given."""

    TRAINING = "training"  # what the family learns from
    HELD_OUT = "held_out"  # real, but never trained on
    SAMPLE = "sample"


class NearestTraining(Score):
    """Do samples copy training pictures? Distance in feature space to the nearest one, against unseen real pictures'.

    `nearest_ratio`: median distance of samples over median distance of held-out pictures: about 1 where samples are
    as far from the training set as real pictures are, 0 for copies, above 1 for samples unlike any training picture.
    `copies`: share of samples that are nearer than 99 % of the held-out pictures: 0.01 would be as often as by chance.
    A held-out picture that is in the training set too is not unseen: it is left out, and counted in the protocol.
    Training and held-out features survive `reset()`. No value until all three roles have been seen.
    """

    kept = ("training", "held_out")

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor
        for role in Role:
            self.add_state(role.value, [], dist_reduce_fx="cat")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"nearest_ratio": None, "copies": False}

    def update(self, images: Tensor, role: Role) -> None:
        """Counts uint8 pictures (B, 3, H, W) to a role."""
        getattr(self, role.value).append(self.extractor(images).flatten())

    def compute(self) -> dict[str, Tensor]:
        """Both names, or nothing while a role is missing."""
        training, held_out, samples = (self._rows(role.value, self.extractor.num_features) for role in Role)
        self._counts = {"num_training": len(training), "num_held_out": len(held_out), "num_fake": len(samples)}
        if not all(self._counts.values()):
            return {}
        usual, found = distances.nearest(held_out, training), distances.nearest(samples, training)
        # The same picture in another batch has features that differ by rounding, which grows with their spread.
        unseen = usual[usual > 1e-4 * (training - training.mean(0)).double().norm(dim=1).mean()]
        self._counts["num_held_out_in_training"] = len(usual) - len(unseen)
        if not len(unseen):
            return {}
        ratio = found.quantile(0.5) / unseen.quantile(0.5)
        return {"nearest_ratio": ratio, "copies": (found < unseen.quantile(0.01)).double().mean()}

    def protocol(self) -> dict[str, Any]:
        return {
            **self.extractor.protocol(),
            **self._counts,
            "dtype": "float64",
            "estimator": "euclidean; medians; 1st percentile",
        }


class Scored(NamedTuple):
    """One score of one set of samples."""

    name: str
    value: float | None  # None: not asked
    protocol: dict[str, Any]

    def record(self, nimg: int, seconds: float) -> Record:
        """As a line of `metrics.json`."""
        return Record(self.name, self.value, nimg, seconds, self.protocol)


class JudgeScores(nn.Module):
    """The suite's standard list of scores, all by one judge that looks at every batch once.

    Give it each real, training and sampled picture once (over all ranks together) as uint8 (B, 3, H, W). Real and
    training pictures survive `reset()`. Every rank must call `compute`: the ranks' states are joined there.
    """

    def __init__(self, vocabulary: Vocabulary, judge: JudgeFeatures | None = None) -> None:
        """Args: vocabulary: the data's words, in whose order conditions come. judge: default the shipped one."""
        super().__init__()
        judge = JudgeFeatures() if judge is None else judge
        self.frechet = FrechetDistance(judge)
        self.kernel = KernelDistance(judge)
        self.nearest = NearestTraining(judge)
        self.faces = FaceRate(judge)
        self.tags = TagScore(judge, vocabulary)
        self.attributes = AttributeAccuracy(judge, vocabulary)
        self.landmarks = LandmarkError(judge)

    @property
    def scores(self) -> list[Score]:
        """The parts, in the order of their names."""
        return [
            self.frechet,
            self.kernel,
            self.nearest,
            self.faces,
            self.tags,
            self.attributes,
            self.landmarks,
        ]

    @property
    def better(self) -> dict[str, bool | None]:
        """Every score's name -> True: higher is better, False: lower, None: neither."""
        return {name: way for score in self.scores for name, way in score.better.items()}

    def update_real(self, images: Tensor) -> None:
        """Real pictures that nothing was trained on: what samples are compared with."""
        self.frechet.update(images, real=True)
        self.kernel.update(images, real=True)
        self.nearest.update(images, Role.HELD_OUT)
        self.faces.update(images, real=True)

    def update_train(self, images: Tensor) -> None:
        """Training pictures, as the family sees them but not mirrored: what samples may be copies of."""
        self.nearest.update(images, Role.TRAINING)

    def update_fake(self, images: Tensor, condition: Condition) -> None:
        """Samples, and what was asked of them.

        Args:
            images: (B, 3, H, W) uint8.
            condition: only the parts the family was told (its `needs`), in any form that a `Condition` may have; the
                rest None. `Condition()` for an unconditional family.
        """
        self.frechet.update(images, real=False)
        self.kernel.update(images, real=False)
        self.nearest.update(images, Role.SAMPLE)
        self.faces.update(images, real=False)
        self.tags.update(images, condition.tags_BT)
        self.attributes.update(images, condition.attributes_BA)
        self.landmarks.update(images, condition.landmarks_BK2, condition.visible_BK)

    def compute(self) -> list[Scored]:
        """All names, always the same ones in the same order; value None where nothing was asked."""
        result = []
        for score in self.scores:
            values: dict[str, Tensor] = score.compute()
            for name in score.names:
                result.append(Scored(name, float(values[name]) if name in values else None, score.protocol()))
        return result

    def reset(self) -> None:
        """Forgets the samples; real and training pictures stay."""
        for score in self.scores:
            score.reset()

    def reset_all(self) -> None:
        """Forgets everything."""
        for score in self.scores:
            score.reset_all()
