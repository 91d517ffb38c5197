"""Adam whose rate is constant, and falls to 0 in the last part of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import lightning as L
import torch
from torch import nn


def cooled_adam(
    trainer: L.Trainer, parameters: Iterable[nn.Parameter], lr: float, betas: tuple[float, float], cooldown: float
) -> dict[str, Any]:
    """What `configure_optimizers` returns.

    Args:
        trainer: whose steps count.
        parameters: what is trained.
        lr: the rate, until it falls.
        betas: Adam's.
        cooldown: last part of the run, as a fraction of its steps, in which the rate falls along a line.
    """
    optimizer = torch.optim.Adam(parameters, lr, betas)
    steps = trainer.estimated_stepping_batches  # infinite for a run without an end

    # Read anew at every step: a resumed run needs no state for it.
    def rate(_: int) -> float:
        return max(0.0, min(1.0, (1 - trainer.global_step / steps) / cooldown))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
