"""Scores a run, on its averaged weights where it has them, and keeps every score beside its protocol."""

from __future__ import annotations

import platform
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from anime_gen.callbacks.continuity import check_painter
from anime_gen.callbacks.curves import peak_memory_gib
from anime_gen.callbacks.ema import EMA
from anime_gen.callbacks.evaluation import Part, Stage
from anime_gen.conditions import pinned
from anime_gen.contract import Batch
from anime_gen.data.cache import writing
from anime_gen.data.source import Split
from anime_gen.images import quantise
from anime_gen.metrics import reference
from anime_gen.metrics.diversity import ConditionDiversity
from anime_gen.metrics.features import Extractor, JudgeFeatures
from anime_gen.metrics.protocol import Record, Role, Score, append, drop_after, read
from anime_gen.metrics.scores import Scored, Scores, extractor_scores, judge_scores, rendering_scores, slice_scores
from anime_gen.metrics.slices import Sliced
from anime_gen.run.folder import RunFolder
from anime_gen.settings.parser import as_data


class Scoring(Part):
    """Compares samples with real pictures after every Lightning epoch, and at `validate` and `test`.

    Sampling happens in the evaluation loop (one sample for each real picture's condition), so it is sharded over the
    ranks like any evaluation, with Lightning's one progress bar. Scores go to the loggers against images shown, to
    `trainer.callback_metrics` for the best checkpoint, and to `metrics.json`, with what the run has cost so far.

    Args:
        train_images: how many training pictures the search for copies looks at; None: all of them.
        extractors: networks beside the judge to take distances on, such as `anime_gen.metrics.extractors.Inception`.
        extra: further scores, such as `anime_gen.metrics.paired.LPIPS`.
        slices: attribute groups (`gender`) for whose classes distances and failures are told apart.
    """

    place = 1

    def __init__(
        self,
        train_images: int | None = None,
        extractors: list[Extractor] | None = None,
        extra: list[Score] | None = None,
        slices: list[str] | None = None,
    ) -> None:
        self.train_images = train_images
        self.extractors = extractors or []
        self.extra = extra or []
        self.slices = slices or []
        self._scores: Scores | None = None
        self._diversity: ConditionDiversity | None = None
        # Where what the scores keep of real pictures is, or is to be, on disk.
        self._reference = Path()
        # The split whose real pictures are compared with: they are counted once, and never mixed with another split's.
        self._split: Split | None = None
        self._real_is_counted = False
        self._real_diversity_is_counted = False

    def prepare(self, stage: Stage) -> None:
        if stage.trainer.is_global_zero:
            run = RunFolder.of(stage.trainer)
            check_painter(read(run.metrics), stage.data.record("train", stage.split), run)
            drop_after(run.metrics, stage.module.images_shown)
        self._prepare(stage)

    def begin(self, stage: Stage) -> None:
        stage.slices = tuple(self.slices)
        if stage.fitting and stage.trainer.is_global_zero:
            # A run that was killed between these scores and the save that follows them takes them again.
            drop_after(RunFolder.of(stage.trainer).metrics, stage.module.images_shown - 1)
        if self._split != stage.split:
            self._prepare(stage)
        if not self._real_is_counted:
            # Once for each data set, like painting it: this is no time of the run.
            with stage.module.stopwatch.paused():
                self._look_at_training(stage)

    def _prepare(self, stage: Stage) -> None:
        """Makes the scores, and fetches what they keep of real pictures from the disk, if it is there."""
        split, trainer, pl_module, data = stage.split, stage.trainer, stage.module, stage.data
        self._split = split
        self._real_is_counted = self._real_diversity_is_counted = False
        judge = JudgeFeatures()
        self._scores = Scores(
            [
                *judge_scores(data.vocabulary, judge),
                *rendering_scores(data.image_size),
                *(score for extractor in self.extractors for score in extractor_scores(extractor)),
                *self.extra,
                *(Sliced(partial(slice_scores, judge), data.vocabulary, group, judge) for group in self.slices),
            ]
        ).to(pl_module.device)
        self._diversity = ConditionDiversity(judge).to(pl_module.device)
        pictures: dict[str, Any] = {
            "train": data.content("train"),
            split: data.content(split),
            "words": data.vocabulary.as_dict(),
            "scored": data.scored(split),
            "train_images": self.train_images,
            # Of a part of a split something else is kept.
            "limits": [trainer.limit_val_batches, trainer.limit_test_batches],
            "device": pl_module.device.type,
        }
        # Each rank has looked at its share and keeps that: some scores must know whose share a picture was in.
        share = f"{trainer.global_rank + 1}of{trainer.world_size}"
        name = f"{reference.key(self._scores, pictures)}-{share}.safetensors"
        self._reference = data.source.cache / "reference" / name
        fetched = reference.load(self._scores, self._reference)
        self._real_is_counted = trainer.strategy.reduce_boolean_decision(fetched, all=True)

    def _look_at_training(self, stage: Stage) -> None:
        """What the search for copies compares samples with."""
        assert self._scores is not None
        self._scores.reset_all()  # where another rank's file was missing, this one's was read
        batches = stage.data.loader("train", frozenset(), self.train_images)
        title = "training pictures, once for scoring"
        for batch in tqdm(batches, title, unit="batch", disable=not stage.trainer.is_global_zero, leave=False):
            self._scores.update(quantise(batch.image_BCHW.to(stage.module.device)), Role.TRAINING)

    def batch(self, made_BCHW: torch.Tensor, batch: Batch, stage: Stage) -> None:
        assert self._scores is not None
        assert self._diversity is not None
        real, needs = quantise(batch.image_BCHW), stage.module.needs
        if needs and not self._real_diversity_is_counted:
            self._diversity.update(real)
        if not self._real_is_counted:
            self._scores.update(real, Role.HELD_OUT, batch.condition)
        # Words that were told are the same words when a text tower has read them.
        asked = batch.condition.only(needs | ({"text_BD"} if "caption_BL" in needs else frozenset()))
        # A sample then has a true picture: the one that what it is told was read off.
        has_truth = pinned(needs) or ("source_BCHW" in needs and stage.data.paired)
        self._scores.update(quantise(made_BCHW), Role.SAMPLE, asked, real if has_truth else None)

    def end(self, stage: Stage) -> None:
        assert self._scores is not None
        if not self._real_is_counted:
            with writing(self._reference):
                reference.save(self._scores, self._reference)
        self._real_is_counted = self._real_diversity_is_counted = True
        scored = [*self._scores.compute(), self._scored_diversity(stage)]
        self._scores.reset()
        keep(scored, costs(stage) if stage.fitting else [], stage)

    def _scored_diversity(self, stage: Stage) -> Scored:
        """Of the grid, whose rows are told the same."""
        diversity, values = self._diversity, dict[str, float]()
        assert diversity is not None
        if len(stage.grid):
            conditions = torch.arange(len(stage.grid)) // stage.columns
            mine = slice(stage.trainer.global_rank, None, stage.trainer.world_size)
            diversity.update(stage.grid[mine], conditions[mine])
            values = {name: float(value) for name, value in diversity.compute().items()}
            diversity.reset()
        return Scored(diversity.name, values.get(diversity.name), {**diversity.protocol(), "better": None})


def keep(scored: list[Scored], beside: list[Record], stage: Stage) -> None:
    """Writes scores into the run's `metrics.json`, to the loggers, and where the best checkpoint is chosen by them.

    Args:
        scored: of one scoring; every rank has the same.
        beside: records that only the file gets.
        stage: of the evaluation.
    """
    trainer, module = stage.trainer, stage.module
    images, seconds, shared = module.images_shown, round(module.stopwatch.seconds(), 1), circumstances(stage)
    records = [Record(name, value, images, seconds, {**protocol, **shared}) for name, value, protocol in scored]
    values = {record.name: record.value for record in records if record.value is not None}
    for name, value in values.items():
        module.log(name, value, logger=False, rank_zero_only=False)
    if stage.fitting:
        for logger in trainer.loggers:
            logger.log_metrics({f"score/{name}": value for name, value in values.items()}, step=images)
    if trainer.is_global_zero:
        append(RunFolder.of(trainer).metrics, [*records, *beside])


def circumstances(stage: Stage) -> dict[str, Any]:
    """What the protocols of all scores of one scoring say."""
    ema = EMA.of(stage.trainer)
    return {
        "split": stage.split,
        "data": stage.data.record("train", stage.split),
        "system": {
            "weights": ema.weights if ema else "trained",
            "precision": str(stage.trainer.precision),
            "sampling": as_data(stage.module.settings),
            "data": stage.data.presentation(),
        },
    }


def costs(stage: Stage) -> list[Record]:
    """What the run has cost: `parameters` (all that is trained), `parameters_drawing` (of the network that draws),
    `images_per_second` (of training, without scoring) and `peak_memory_gib`."""
    trainer, pl_module, data = stage.trainer, stage.module, stage.data
    images, seconds = pl_module.images_shown, round(pl_module.stopwatch.seconds(), 1)
    machine = {
        "device": device_name(pl_module.device),
        "threads": torch.get_num_threads(),
        "ranks": trainer.world_size,
        "image_size": data.image_size,
        "system": {"precision": str(trainer.precision), "batch_size": data.batch_size},
    }
    lower, higher = {"better": "lower"}, {"better": "higher"}
    values: list[tuple[str, float, dict[str, Any]]] = [
        ("parameters", sum(part.numel() for part in pl_module.parameters() if part.requires_grad), lower),
        ("parameters_drawing", sum(part.numel() for part in pl_module.averaged.parameters()), lower),
        ("images_per_second", images / max(stage.training_seconds, 1e-9), {**machine, **higher}),
        ("peak_memory_gib", peak_memory_gib(pl_module.device), {**machine, **lower}),
    ]
    return [Record(name, float(value), images, seconds, protocol) for name, value, protocol in values]


def device_name(device: torch.device) -> str:
    """What the accelerator, or else the processor, calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "cpu")
    return platform.processor() or "cpu"
