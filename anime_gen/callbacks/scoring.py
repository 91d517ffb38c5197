"""Scores a run, on its averaged weights where it has them, and keeps every score beside its protocol."""

from __future__ import annotations

import platform
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_info
from tqdm import tqdm

from anime_gen.callbacks.curves import peak_memory_gib
from anime_gen.callbacks.ema import EMA
from anime_gen.callbacks.grids import Grids
from anime_gen.callbacks.stopwatch import Stopwatch, paused
from anime_gen.contract import Batch, Condition, GenerativeModule
from anime_gen.data import AnimeFaces
from anime_gen.data.cache import writing
from anime_gen.data.source import Split
from anime_gen.images import quantise
from anime_gen.metrics import reference
from anime_gen.metrics.diversity import ConditionDiversity
from anime_gen.metrics.features import Extractor, JudgeFeatures
from anime_gen.metrics.protocol import Record, Role, Score, append, drop_after
from anime_gen.metrics.scores import Scored, Scores, extractor_scores, judge_scores, slice_scores
from anime_gen.metrics.slices import Sliced
from anime_gen.run import RunFolder

# A family that is told one of these knows where things are in the picture: its sample has a true picture, the one they
# were read off. Many pictures have the same tags.
PINS_DOWN = frozenset({"landmarks_BK2", "sketch_B1HW"})


class Scoring(L.Callback):
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

    state_key = "Scoring"

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
        self.stopwatch = Stopwatch()
        self._scores: Scores | None = None
        self._diversity: ConditionDiversity | None = None
        # Where what the scores keep of real pictures is, or is to be, on disk.
        self._reference = Path()
        # The split whose real pictures are compared with: they are counted once, and never mixed with another split's.
        self._split: Split | None = None
        self._real_is_counted = False
        self._real_diversity_is_counted = False
        self._began = 0.0
        self._spent = 0.0

    def on_fit_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if trainer.is_global_zero:
            drop_after(RunFolder.of(trainer).metrics, pl_module.images_shown)
        # What is wrong with the scores is said before the training.
        self._prepare("validation", trainer, pl_module)
        self.stopwatch.start()

    def _begin(self, split: Split, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if self._split != split:
            self._prepare(split, trainer, pl_module)
        if not self._real_is_counted:
            # Once for each data set, like painting it: this is no time of the run.
            with paused(trainer):
                self._look_at_training(trainer, pl_module)
        self._began = self.stopwatch.seconds()

    def _prepare(self, split: Split, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        """Makes the scores, and fetches what they keep of real pictures from the disk, if it is there."""
        self._split = split
        self._real_is_counted = self._real_diversity_is_counted = False
        data: AnimeFaces = trainer.datamodule  # type: ignore[attr-defined]
        judge = JudgeFeatures()
        self._scores = Scores(
            [
                *judge_scores(data.vocabulary, judge),
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

    def _look_at_training(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        """What the search for copies compares samples with."""
        assert self._scores is not None
        self._scores.reset_all()  # where another rank's file was missing, this one's was read
        data: AnimeFaces = trainer.datamodule  # type: ignore[attr-defined]
        batches = data.loader("train", frozenset(), self.train_images)
        title = "training pictures, once for scoring"
        for batch in tqdm(batches, title, unit="batch", disable=not trainer.is_global_zero, leave=False):
            self._scores.update(quantise(batch.image_BCHW.to(pl_module.device)), Role.TRAINING)

    def _batch(self, outputs: torch.Tensor, batch: Batch, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        assert self._scores is not None
        assert self._diversity is not None
        real = quantise(batch.image_BCHW)
        if pl_module.needs and not self._real_diversity_is_counted:
            self._diversity.update(real)
        if not self._real_is_counted:
            self._scores.update(real, Role.HELD_OUT, batch.condition)
        # Words that were told are the same words when a text tower has read them.
        told = pl_module.needs | ({"text_BD"} if "caption_BL" in pl_module.needs else frozenset())
        asked = Condition(**{name: getattr(batch.condition, name) for name in told})
        data: AnimeFaces = trainer.datamodule  # type: ignore[attr-defined]
        pinned = pl_module.needs & PINS_DOWN or ("source_BCHW" in pl_module.needs and data.paired)
        self._scores.update(quantise(outputs), Role.SAMPLE, asked, real if pinned else None)

    def _end(self, split: Split, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        assert self._scores is not None
        if not self._real_is_counted:
            with writing(self._reference):
                reference.save(self._scores, self._reference)
        self._real_is_counted = self._real_diversity_is_counted = True
        scored = [*self._scores.compute(), self._scored_diversity(trainer, pl_module)]
        self._scores.reset()
        seconds = self.stopwatch.seconds()
        spent: list[Record] = []
        if trainer.state.fn == "fit":
            spent = costs(pl_module.images_shown, seconds, self._began - self._spent, trainer, pl_module)
        keep(scored, spent, seconds, split, trainer, pl_module)

    def _scored_diversity(self, trainer: L.Trainer, pl_module: GenerativeModule) -> Scored:
        """Of the grid, whose rows are told the same."""
        diversity = self._diversity
        assert diversity is not None
        callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        grids = next((callback for callback in callbacks if isinstance(callback, Grids)), None)
        if grids is not None and pl_module.needs and len(grids.latest):
            conditions = torch.arange(len(grids.latest)) // grids.columns
            mine = slice(trainer.global_rank, None, trainer.world_size)
            diversity.update(grids.latest[mine], conditions[mine])
            values = {name: float(value) for name, value in diversity.compute().items()}
            diversity.reset()
        else:
            values = {}
        return Scored(diversity.name, values.get(diversity.name), {**diversity.protocol(), "better": None})

    def on_validation_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._begin("validation", trainer, pl_module)

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, *rest: Any
    ) -> None:
        self._batch(outputs, batch, trainer, pl_module)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._end("validation", trainer, pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        # With the grids, which are drawn after the scores.
        seconds = self.stopwatch.seconds()
        self._spent += seconds - self._began
        if trainer.state.fn == "fit":
            for logger in trainer.loggers:
                share = {"time/scoring_share": self._spent / max(seconds, 1e-9)}
                logger.log_metrics(share, step=pl_module.images_shown)

    def on_test_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._begin("test", trainer, pl_module)

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, *rest: Any
    ) -> None:
        self._batch(outputs, batch, trainer, pl_module)

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._end("test", trainer, pl_module)

    def on_fit_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        seconds = self.stopwatch.seconds()
        rank_zero_info(f"scoring took {self._spent / max(seconds, 1e-9):.0%} of {seconds:.0f} s")

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.stopwatch.seconds(), "spent": self._spent}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.stopwatch.earlier = state_dict["seconds"]
        self._spent = state_dict["spent"]


def keep(
    scored: list[Scored],
    beside: list[Record],
    seconds: float,
    split: Split,
    trainer: L.Trainer,
    pl_module: GenerativeModule,
) -> None:
    """Writes scores into the run's `metrics.json`, to the loggers, and where the best checkpoint is chosen by them.

    Args:
        scored: of one scoring; every rank has the same.
        beside: records that only the file gets.
        seconds: trained so far.
        split: whose pictures were scored.
        trainer, pl_module: of the run.
    """
    images, shared = pl_module.images_shown, circumstances(split, trainer, pl_module)
    records = [
        Record(name, value, images, round(seconds, 1), {**protocol, **shared}) for name, value, protocol in scored
    ]
    values = {record.name: record.value for record in records if record.value is not None}
    for name, value in values.items():
        pl_module.log(name, value, logger=False, rank_zero_only=False)
    if trainer.state.fn == "fit":
        for logger in trainer.loggers:
            logger.log_metrics({f"score/{name}": value for name, value in values.items()}, step=images)
    if trainer.is_global_zero:
        append(RunFolder.of(trainer).metrics, [*records, *beside])


def circumstances(split: Split, trainer: L.Trainer, pl_module: GenerativeModule) -> dict[str, Any]:
    """What the protocols of all scores of one scoring say."""
    data: AnimeFaces = trainer.datamodule  # type: ignore[attr-defined]
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    return {
        "split": split,
        "data": data.record("train", split),
        "system": {
            "weights": next((callback.weights for callback in callbacks if isinstance(callback, EMA)), "trained"),
            "precision": str(trainer.precision),
            "sampling": repr(pl_module.settings),
            "data": data.told(),
        },
    }


def costs(
    images: int, seconds: float, training_seconds: float, trainer: L.Trainer, pl_module: GenerativeModule
) -> list[Record]:
    """What the run has cost: `parameters` (all that is trained), `parameters_drawing` (of the network that draws),
    `images_per_second` (of training, without scoring) and `peak_memory_gib`."""
    data: AnimeFaces = trainer.datamodule  # type: ignore[attr-defined]
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
        ("images_per_second", images / max(training_seconds, 1e-9), {**machine, **higher}),
        ("peak_memory_gib", peak_memory_gib(pl_module.device), {**machine, **lower}),
    ]
    return [Record(name, float(value), images, round(seconds, 1), protocol) for name, value, protocol in values]


def device_name(device: torch.device) -> str:
    """What the accelerator, or else the processor, calls itself."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "cpu")
    return platform.processor() or "cpu"
