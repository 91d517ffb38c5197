"""One progress bar for a whole run, in images, with an ETA that counts the scoring too."""

from __future__ import annotations

import statistics
import sys
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from anime_gen.contract import GenerativeModule


def clock(seconds: float) -> str:
    """75 -> "1:15", 4000 -> "1:06:40"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Images(ProgressBar):
    """Images shown of the run's total; the ETA is the median batch's time plus what the last scoring took, each."""

    def __init__(self) -> None:
        super().__init__()
        self._bar: tqdm[Any] | None = None
        self._scoring: tqdm[Any] | None = None
        self._batch_seconds: deque[float] = deque(maxlen=100)
        self._began = self._batch_ended = 0.0
        self._scoring_began = 0.0
        self._scoring_seconds: list[float] = []
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def _make(self, **options: Any) -> tqdm[Any]:
        # Where nobody watches (a log file), a line a minute is enough.
        interval = 0.2 if sys.stderr.isatty() else 60.0
        return tqdm(disable=not self._enabled, dynamic_ncols=True, mininterval=interval, **options)

    def on_train_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        per_epoch = int(trainer.num_training_batches) * trainer.datamodule.batch_size  # type: ignore[attr-defined]
        total = per_epoch * trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else None
        self._bar = self._make(
            total=total,
            initial=pl_module.images_shown,
            desc="training",
            bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} images{postfix}"
            if total
            else "{desc} {n_fmt} images{postfix}",
        )
        self._batch_ended = self._began = time.monotonic()

    def _eta(self, trainer: L.Trainer, images_left: int, images_per_batch: int) -> float:
        training = statistics.median(self._batch_seconds) * images_left / images_per_batch
        scorings = max(0, (trainer.max_epochs or 0) - trainer.current_epoch) if trainer.limit_val_batches else 0
        return training + scorings * (self._scoring_seconds[-1] if self._scoring_seconds else 0.0)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._bar is None:
            return
        now = time.monotonic()
        self._batch_seconds.append(now - self._batch_ended)
        self._batch_ended = now
        images_per_batch = batch.image_BCHW.shape[0] * trainer.world_size
        speed = images_per_batch / statistics.median(self._batch_seconds)
        text = f"{speed:.0f} images/s"
        if self._bar.total:
            left = self._eta(trainer, int(self._bar.total) - pl_module.images_shown, images_per_batch)
            text += f", {clock(left)} left"
            if not self._scoring_seconds:
                text += " + scoring"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(images_per_batch)

    def _begin(self, what: str, batches: Sequence[float]) -> None:
        self._scoring_began = time.monotonic()
        self._scoring = self._make(total=int(sum(batches)) or None, desc=what, leave=False, unit="batch")

    def _step(self) -> None:
        if self._scoring is not None:
            self._scoring.update(1)

    def _finish(self) -> None:
        if self._scoring is not None:
            self._scoring.close()
        self._scoring_seconds.append(time.monotonic() - self._scoring_began)
        self._batch_ended = time.monotonic()

    def on_validation_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._begin("scoring", trainer.num_val_batches)

    def on_validation_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._step()

    def on_validation_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._finish()

    def on_test_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._begin("scoring", trainer.num_test_batches)

    def on_test_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._step()

    def on_test_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._finish()

    def on_predict_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._begin("sampling", trainer.num_predict_batches)

    def on_predict_batch_end(self, *args: Any, **kwargs: Any) -> None:
        self._step()

    def on_predict_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._finish()

    def on_train_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"took {clock(time.monotonic() - self._began)}", refresh=True)
            self._bar.close()

    def on_exception(self, trainer: L.Trainer, pl_module: GenerativeModule, exception: BaseException) -> None:
        for bar in (self._bar, self._scoring):
            if bar is not None:
                bar.close()
