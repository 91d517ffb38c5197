"""Scores what only translations have: the way back, what returns by it, and how they treat different people."""

from __future__ import annotations

from functools import partial

import lightning as L
import torch
from torch import Tensor
from torchmetrics import MeanMetric

from anime_gen.callbacks.evaluation import Part, Stage
from anime_gen.callbacks.scoring import keep
from anime_gen.callbacks.show import show
from anime_gen.contract import Batch, Condition, Translator, UserError
from anime_gen.data.source import Split
from anime_gen.files import write_picture
from anime_gen.images import quantise, tile
from anime_gen.metrics.control import FaceRate, LandmarkError
from anime_gen.metrics.distribution import FrechetDistance, KernelDistance
from anime_gen.metrics.diversity import NearDuplicates
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.paired import LabError
from anime_gen.metrics.protocol import Role, Score
from anime_gen.metrics.scores import Scored, Scores, rendering_scores
from anime_gen.metrics.slices import Sliced, can_slice
from anime_gen.metrics.translation import CycleError, Holes, Inverted, Named, Recoloured
from anime_gen.run.folder import RunFolder


class Translation(Part):
    """For families that translate, beside `Scoring` and at the same times, into the same `metrics.json`.

    `<score>_back` is of the other domain: pictures made of anime faces against real photos. `landmark_nme_photo` is
    the distance between the output's landmarks and the photo's own. Where photos and pictures are twins, scores are
    also told apart by the photo's own attributes (`fd_judge@skin=dark`). A grid `<images>_translated.png` shows photo,
    translation and way back, and the same from anime faces.

    Args:
        slices: attribute groups and tags of the other domain to tell apart; those that it has not, or that `Scoring`
            slices by the anime faces' own labels, are passed over.
        rows: of the grid.
    """

    place = 2

    def __init__(self, slices: tuple[str, ...] = ("skin", "age", "gender", "glasses", "hat"), rows: int = 8) -> None:
        self.slices = slices
        self.rows = rows
        self._split: Split | None = None
        self._real_is_counted = False
        # Of translations: against their twins, and against the photos. Then the way back, and both round trips.
        self._there = self._likeness = self._back = self._photos = self._anime = Scores([])
        self._believed: dict[str, MeanMetric] = {}
        self._shown = torch.zeros(0)

    @property
    def _all(self) -> tuple[Scores, ...]:
        return self._there, self._likeness, self._back, self._photos, self._anime

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Raises: UserError: the family translates nothing."""
        if not isinstance(pl_module, Translator):
            raise UserError(
                "trainer.callbacks: Translation scores families that translate, and "
                f"{type(pl_module).__name__} does not: leave it out"
            )

    def begin(self, stage: Stage) -> None:
        self._shown = torch.zeros(0)
        if self._split == stage.split:
            return
        self._split, self._real_is_counted = stage.split, False
        data = stage.data
        assert data.other_domain is not None
        judge, vocabulary = JudgeFeatures(), data.other_domain.vocabulary
        slices = [
            Sliced(partial(slice_scores, judge), vocabulary, group, judge)
            for group in self.slices
            if data.paired and can_slice(vocabulary, group) and group not in stage.slices
        ]
        self._there = Scores([Holes(), NearDuplicates(judge), Named(LandmarkError(judge), "photo"), *slices])
        self._likeness = Scores([Inverted(), Recoloured()])
        of_pixels = rendering_scores(data.image_size)
        self._back = Scores(
            [Named(score, "back") for score in (FrechetDistance(judge), KernelDistance(judge), *of_pixels)]
        )
        self._photos, self._anime = (Scores([Named(CycleError(), name)]) for name in ("photo", "anime"))
        names = [f"{which}_{domain}" for which in ("real", "made") for domain in ("anime", "photo")]
        self._believed = {name: MeanMetric() for name in names}
        for part in (*self._all, *self._believed.values()):
            part.to(stage.module.device)

    @torch.no_grad()
    def batch(self, made_BCHW: Tensor, batch: Batch, stage: Stage) -> None:
        trainer, pl_module, data = stage.trainer, stage.module, stage.data
        photo_BCHW, anime_BCHW = batch.condition.source_BCHW, batch.image_BCHW
        assert photo_BCHW is not None
        known = data.other_condition(stage.split, batch.index_B.cpu().numpy())
        known = known.map(lambda part: part.to(pl_module.device))
        with trainer.precision_plugin.forward_context():
            back_BCHW = pl_module.back(anime_BCHW)
            photo_again_BCHW = pl_module.back(made_BCHW)
            anime_again_BCHW = pl_module.sample(Condition(source_BCHW=back_BCHW), batch.index_B.tolist())
            real = pl_module.believed(anime_BCHW, photo_BCHW)
            made = pl_module.believed(made_BCHW, back_BCHW)
        for metric, share_B in zip(self._believed.values(), (*real, *made), strict=True):
            metric.update(share_B)
        photo, anime, translated, back, photo_again, anime_again = map(
            quantise, (photo_BCHW, anime_BCHW, made_BCHW, back_BCHW, photo_again_BCHW, anime_again_BCHW)
        )
        if not self._real_is_counted:
            # Of a stranger's photo the landmarks say nothing about this face.
            self._there.update(anime, Role.HELD_OUT, known if data.paired else Condition())
            self._back.update(photo, Role.HELD_OUT)
        self._there.update(translated, Role.SAMPLE, known, anime if data.paired else None)
        self._likeness.update(translated, Role.SAMPLE, truth=photo)
        self._back.update(back, Role.SAMPLE)
        self._photos.update(photo_again, Role.SAMPLE, truth=photo)
        self._anime.update(anime_again, Role.SAMPLE, truth=anime)
        if not len(self._shown):
            columns = torch.stack([photo, translated, photo_again, anime, back, anime_again], dim=1)
            self._shown = columns[: self.rows].flatten(0, 1)

    def end(self, stage: Stage) -> None:
        self._real_is_counted = True
        scored = [*self._accuracies()]
        for scores in self._all:
            scored.extend(scores.compute())
            scores.reset()
        for metric in self._believed.values():
            metric.reset()
        keep(scored, [], stage)
        trainer, images = stage.trainer, stage.module.images_shown
        if trainer.is_global_zero:
            self._draw(trainer, images)

    def _accuracies(self) -> list[Scored]:
        """Of the discriminators: the mean of the share of real logits above the boundary and of made ones below it."""
        believed = {name: float(metric.compute()) for name, metric in self._believed.items()}
        return [
            Scored(
                f"discriminator_accuracy_{domain}",
                (believed[f"real_{domain}"] + 1 - believed[f"made_{domain}"]) / 2,
                {"better": None, "observed": {name: share for name, share in believed.items() if domain in name}},
            )
            for domain in ("anime", "photo")
        ]

    def _draw(self, trainer: L.Trainer, images: int) -> None:
        headings = ["photo", "to anime", "and back", "anime", "to photo", "and back"]
        sheet = tile(self._shown, len(headings), headings=headings)
        write_picture(RunFolder.of(trainer).grid(images, "translated"), sheet)
        show(sheet, "translations", images, trainer)


def slice_scores(judge: JudgeFeatures) -> list[Score]:
    """What each group of people is scored by."""
    return [FrechetDistance(judge), FaceRate(judge), Named(LandmarkError(judge), "photo"), LabError()]
