"""An alarm for training that has diverged."""

from __future__ import annotations

import math
from typing import Any

import lightning as L

from anime_gen.contract import GenerativeModule, UserError


class Divergence(L.Callback):
    """Stops a run whose losses stay NaN or infinite, saying when it began. The last good checkpoint is kept.

    Args:
        patience: how many batches in a row may be bad. One can be a fluke of bfloat16; a hundred are not.
    """

    def __init__(self, patience: int = 20) -> None:
        self.patience = patience
        self.bad_batches = 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        bad = [name for name, value in outputs.items() if not math.isfinite(float(value))]
        self.bad_batches = self.bad_batches + 1 if bad else 0
        if self.bad_batches >= self.patience:
            images = int(pl_module.images_shown)
            began = images - self.patience * batch.image_BCHW.shape[0] * trainer.world_size
            raise UserError(
                f"training diverged: {', '.join(bad)} not finite since about {began:,} images; "
                "lower the learning rate or use --trainer.precision=32-true, then start a new run"
            )
