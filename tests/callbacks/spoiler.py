"""What makes a run diverge on purpose, for tests of what then happens."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch


class Spoil(L.Callback):
    """After so many images, ruins the weights of a run whose rate is too high."""

    def __init__(self, images: int, above: float) -> None:
        self.images = images
        self.above = above

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: Any, *rest: object) -> None:
        rates = [group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups]
        if pl_module.images_shown >= self.images and max(rates) > self.above:
            with torch.no_grad():
                next(pl_module.parameters())[0] = torch.nan
