"""What optimisers are told: a run that goes on with other settings has those, not what its checkpoint remembers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


def renew(optimizers: Iterable[Optimizer], before: Told, now: Told) -> None:
    """Gives restored optimisers what they are told otherwise than before; all else is left as it was restored."""
    for optimizer, groups_before, groups_now in zip(optimizers, before, now, strict=True):
        for group, one, other in zip(optimizer.param_groups, groups_before, groups_now, strict=True):
            changed = {name: value for name, value in other.items() if one.get(name) != value}
            if one.get(_BASE) and _BASE in changed:
                group["lr"] *= changed[_BASE] / one[_BASE]
            group.update(changed)
