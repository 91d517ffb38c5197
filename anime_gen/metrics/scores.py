"""The suite's list of scores, and how a list of scores is fed.

All are `torchmetrics.Metric`s that take uint8 pictures (B, 3, H, W), work outside the suite, and `compute()` a dict
from score names to scalars. A name that is missing from the dict has no value: nothing was asked. Pictures are counted
as they come, so a sampler that pads ranks with duplicates must not be used.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor, nn

from anime_gen.contract import Condition
from anime_gen.metrics import rendering
from anime_gen.metrics.control import AttributeAccuracy, FaceRate, LandmarkError, TagScore
from anime_gen.metrics.copies import NearestPixels, NearestTraining
from anime_gen.metrics.distribution import PRDC, FrechetDistance, InceptionScore, KernelDistance
from anime_gen.metrics.diversity import Collapse
from anime_gen.metrics.features import Classifier, Extractor, JudgeFeatures
from anime_gen.metrics.paired import PSNR, SSIM, LabError
from anime_gen.metrics.patches import SlicedWasserstein
from anime_gen.metrics.protocol import Record, Role, Score
from anime_gen.metrics.spectrum import SpectrumDistance
from anime_gen.vocabulary import Vocabulary


class Scored(NamedTuple):
    """One score of one set of samples."""

    name: str
    value: float | None  # None: not asked
    protocol: dict[str, Any]

    def record(self, nimg: int, seconds: float) -> Record:
        """As a line of `metrics.json`."""
        return Record(self.name, self.value, nimg, seconds, self.protocol)


def computed(score: Score) -> list[Scored]:
    """What one score has found, under all its names; value None where nothing was asked."""
    values: dict[str, Tensor] = score.compute()
    found = []
    for name, higher in score.better.items():
        better = None if higher is None else "higher" if higher else "lower"
        protocol = {**score.protocol_of(name), "better": better}
        found.append(Scored(name, float(values[name]) if name in values else None, protocol))
    return found


class Scores(nn.Module):
    """Several scores that are fed alike.

    Give it each real, training and sampled picture once, over all ranks together. Real and training pictures survive
    `reset()`. Every rank must call `compute`: the ranks' states are joined there.
    """

    def __init__(self, scores: Iterable[Score]) -> None:
        super().__init__()
        self._parts = nn.ModuleList(scores)

    @property
    def scores(self) -> list[Score]:
        """The parts, in the order of their names."""
        return [part for part in self._parts if isinstance(part, Score)]

    @property
    def better(self) -> dict[str, bool | None]:
        """Every score's name -> True: higher is better, False: lower, None: neither."""
        return {name: way for score in self.scores for name, way in score.better.items()}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        """As `Score.update`."""
        for score in self.scores:
            score.update(images, role, condition, truth)

    def compute(self) -> list[Scored]:
        """All names, always the same ones in the same order; value None where nothing was asked."""
        return [scored for score in self.scores for scored in computed(score)]

    def reset(self) -> None:
        """Forgets the samples; real and training pictures stay."""
        for score in self.scores:
            score.reset()

    def reset_all(self) -> None:
        """Forgets everything."""
        for score in self.scores:
            score.reset_all()


def judge_scores(vocabulary: Vocabulary, judge: JudgeFeatures | None = None) -> list[Score]:
    """What every run is scored by: one judge, which looks at every batch once.

    Args:
        vocabulary: the data's words, in whose order conditions come.
        judge: default the shipped one.
    """
    judge = JudgeFeatures() if judge is None else judge
    return [
        FrechetDistance(judge),
        KernelDistance(judge),
        PRDC(judge),
        Collapse(judge),
        NearestTraining(judge),
        NearestPixels(),
        FaceRate(judge),
        TagScore(judge, vocabulary),
        AttributeAccuracy(judge, vocabulary),
        LandmarkError(judge),
        SSIM(),
        PSNR(),
        LabError(),
    ]


def rendering_scores(image_size: int) -> list[Score]:
    """What every run is scored by beside the judge: how pictures are rendered. No weights; none for tiny pictures."""
    if image_size < rendering.SMALLEST:
        return []
    return [FrechetDistance(rendering.Rendering()), SlicedWasserstein(image_size), SpectrumDistance(image_size)]


def extractor_scores(extractor: Extractor) -> list[Score]:
    """What a run is scored by on a further extractor."""
    scores: list[Score] = [
        FrechetDistance(extractor),
        KernelDistance(extractor),
        PRDC(extractor),
        NearestTraining(extractor),
    ]
    return [*scores, InceptionScore(extractor)] if isinstance(extractor, Classifier) else scores


def slice_scores(judge: JudgeFeatures) -> list[Score]:
    """What each group of a fairness slice is scored by."""
    return [FrechetDistance(judge), KernelDistance(judge), FaceRate(judge), LandmarkError(judge)]
