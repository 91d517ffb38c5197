"""Training curves: everything a family's `training_step` returns, with speed and memory, against images shown."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections import deque
from typing import Any

import lightning as L
import torch

from anime_gen.contract import GenerativeModule


def peak_memory_gib(device: torch.device) -> float:
    """Peak memory so far in GiB: of the accelerator where there is one, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


class Curves(L.Callback):
    """Writes scalars to the run's loggers. The step of every curve is images shown; `time/seconds` maps it to seconds.

    Args:
        every_batches: batches between points; each point is the last value that there is of a scalar, never a mean.
            Not every batch has all: some losses are taken now and then.
    """

    state_key = "Curves"

    def __init__(self, every_batches: int = 20) -> None:
        self.every_batches = every_batches
        self._batch_seconds: deque[float] = deque(maxlen=200)
        self._batch_began = 0.0
        self._latest: dict[str, Any] = {}

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: GenerativeModule, batch: Any, batch_idx: int) -> None:
        self._batch_began = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._batch_seconds.append(time.monotonic() - self._batch_began)
        self._latest.update(outputs)
        images_per_batch = batch.image_BCHW.shape[0] * trainer.world_size
        images = pl_module.images_shown
        if (images // images_per_batch) % self.every_batches:
            return
        scalars = {f"train/{name}": float(value) for name, value in self._latest.items()}
        scalars["time/images_per_second"] = images_per_batch / statistics.median(self._batch_seconds)
        scalars["time/seconds"] = pl_module.stopwatch.seconds()
        scalars["memory/peak_gib"] = peak_memory_gib(pl_module.device)
        for logger in trainer.loggers:
            logger.log_metrics(scalars, step=images)

    def state_dict(self) -> dict[str, Any]:
        return {"latest": {name: float(value) for name, value in self._latest.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._latest = state_dict["latest"]
