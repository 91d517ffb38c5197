"""Scores a run, on its averaged weights where it has them, and keeps every score beside its protocol."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_info

from anime_gen.callbacks.ema import EMA
from anime_gen.callbacks.stopwatch import Stopwatch
from anime_gen.contract import Batch, Condition, GenerativeModule
from anime_gen.metrics.protocol import Record, Role, append, drop_after, quantise
from anime_gen.metrics.scores import Scores, judge_scores


class Scoring(L.Callback):
    """Compares samples with real pictures after every Lightning epoch, and at `validate` and `test`.

    Sampling happens in the evaluation loop (one sample for each real picture's condition), so it is sharded over the
    ranks like any evaluation, with Lightning's one progress bar. Scores go to the loggers against images shown, to
    `trainer.callback_metrics` for the best checkpoint, and to `metrics.json`.

    Args:
        train_images: how many training pictures the search for copies looks at; None: all of them.
    """

    state_key = "Scoring"

    def __init__(self, train_images: int | None = None) -> None:
        self.train_images = train_images
        self.stopwatch = Stopwatch()
        self._scores: Scores | None = None
        # The split whose real pictures the scores hold: they are counted once, and never mixed with another split's.
        self._real: str | None = None
        self._began = 0.0
        self._spent = 0.0

    def on_fit_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self.stopwatch.start()
        if trainer.is_global_zero:
            drop_after(self._file(trainer), pl_module.images_shown)

    def _file(self, trainer: L.Trainer) -> Path:
        return Path(trainer.default_root_dir) / "metrics.json"

    def _begin(self, split: str, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._began = time.monotonic()
        if self._scores is None or self._real not in (None, split):
            self._real = None
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            self._scores = Scores(judge_scores(data.vocabulary)).to(pl_module.device)
            loader = data.loader("train", frozenset(), self.train_images)
            for batch in loader:
                self._scores.update(quantise(batch.image_BCHW.to(pl_module.device)), Role.TRAINING)

    def _batch(self, outputs: torch.Tensor, batch: Batch, pl_module: GenerativeModule) -> None:
        assert self._scores is not None
        real = quantise(batch.image_BCHW)
        if self._real is None:
            self._scores.update(real, Role.HELD_OUT, batch.condition)
        asked = Condition(**{name: getattr(batch.condition, name) for name in pl_module.needs})
        self._scores.update(quantise(outputs), Role.SAMPLE, asked, real if pl_module.needs else None)

    def _end(self, split: str, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        assert self._scores is not None
        images = pl_module.images_shown
        seconds = self.stopwatch.seconds()
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        shared = {
            "split": split,
            "data": data.record(),
            "system": {
                "weights": next((callback.weights for callback in callbacks if isinstance(callback, EMA)), "trained"),
                "precision": str(trainer.precision),
                "sampling": repr(pl_module.settings),
            },
        }
        records = [
            Record(name, value, images, round(seconds, 1), {**protocol, **shared})
            for name, value, protocol in self._scores.compute()
        ]
        self._scores.reset()
        self._real = split
        values = {record.name: record.value for record in records if record.value is not None}
        for name, value in values.items():
            pl_module.log(name, value, logger=False, rank_zero_only=False)
        self._spent += time.monotonic() - self._began
        if trainer.is_global_zero:
            append(self._file(trainer), records)
        if trainer.state.fn == "fit":
            share = self._spent / max(seconds, 1e-9)
            for logger in trainer.loggers:
                logger.log_metrics(
                    {**{f"score/{name}": value for name, value in values.items()}, "time/scoring_share": share},
                    step=images,
                )

    def on_validation_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._begin("validation", trainer, pl_module)

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, *rest: Any
    ) -> None:
        self._batch(outputs, batch, pl_module)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._end("validation", trainer, pl_module)

    def on_test_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._begin("test", trainer, pl_module)

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, *rest: Any
    ) -> None:
        self._batch(outputs, batch, pl_module)

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
