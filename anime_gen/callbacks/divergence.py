"""An alarm for training that has diverged."""

from __future__ import annotations

import math
from typing import Any

import lightning as L

from anime_gen.contract import GenerativeModule, UserError


class Divergence(L.Callback):
    """Stops a run whose losses stay NaN or infinite, saying when it began. `best.ckpt` is from before.

    Args:
        every_batches: batches between two looks; each look waits for the accelerator.
        patience: how many looks in a row may be bad. One can be a fluke of bfloat16; many are not.

    Raises:
        UserError: training has diverged.
    """

    def __init__(self, every_batches: int = 10, patience: int = 3) -> None:
        self.every_batches = every_batches
        self.patience = patience
        self.bad_looks = 0
        self.began = 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx % self.every_batches:
            return
        images = pl_module.images_shown
        bad = [name for name, value in outputs.items() if not math.isfinite(float(value))]
        # Each rank has losses of its own; all must stop together, or those that go on wait for the others for ever.
        fine = trainer.strategy.reduce_boolean_decision(not bad)
        if not fine and self.bad_looks == 0:
            self.began = images
        self.bad_looks = 0 if fine else self.bad_looks + 1
        if self.bad_looks >= self.patience:
            raise UserError(
                f"training diverged: {', '.join(bad) or 'a loss'} not finite since about {self.began:,} images; "
                "lower the learning rate or use --trainer.precision=32-true, then start a new run"
            )
