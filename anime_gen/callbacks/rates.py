"""What optimisers are told: a run that goes on with other settings has those, not what its checkpoint remembers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import lightning as L
from torch.optim import Optimizer

# Of each optimiser, for each group of its weights: rate, betas, weight decay ...
type Told = list[list[dict[str, Any]]]

# The rate that a schedule takes a share of.
_BASE = "initial_lr"


def told(optimizers: Iterable[Optimizer]) -> Told:
    """What each group of weights is trained with; of a scheduled rate what was told, not its share of that."""
    return [[_told(group) for group in optimizer.param_groups] for optimizer in optimizers]


def _told(group: dict[str, Any]) -> dict[str, Any]:
    beside = {"params", "lr"} if _BASE in group else {"params"}
    return {name: value for name, value in group.items() if name not in beside}


class Scale(L.Callback):
    """Multiplies the rates of all optimisers, whatever a family calls them.

    Args:
        factor: of the rates that the settings say.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # What is saved is not restored yet: `renew` sees what is told otherwise.
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                for name in group.keys() & {"lr", _BASE}:
                    group[name] *= self.factor
        follow(trainer)


def follow(trainer: L.Trainer) -> None:
    """Schedules take shares of the rates that there are now, not of those that they began with."""
    for scheduled in trainer.lr_scheduler_configs:
        scheduler = scheduled.scheduler
        groups = scheduler.optimizer.param_groups
        scheduler.base_lrs = [group[_BASE] for group in groups if _BASE in group]


def renew(optimizers: Iterable[Optimizer], before: Told, now: Told) -> None:
    """Gives restored optimisers what they are told otherwise than before; all else is left as it was restored."""
    for optimizer, groups_before, groups_now in zip(optimizers, before, now, strict=True):
        for group, one, other in zip(optimizer.param_groups, groups_before, groups_now, strict=True):
            changed = {name: value for name, value in other.items() if one.get(name) != value}
            if one.get(_BASE) and _BASE in changed:
                group["lr"] *= changed[_BASE] / one[_BASE]
            group.update(changed)
