"""What a run goes on from, and with which settings it cannot."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from jsonargparse import Namespace

from anime_gen.cli import rank
from anime_gen.contract import UserError
from anime_gen.run.checkpoints import newest_whole
from anime_gen.run.folder import RunFolder


def check_batches(before: Mapping[str, Any], now: Namespace, world: int) -> None:
    """Refuses to go on with other batches: a run's place in its epoch and its schedules are counted in them.

    Args:
        before: settings of the data, as they were.
        now: as they are.
        world: ranks that share each batch.

    Raises:
        UserError: the setting, as it was and as it is, or how many ranks could share the batches.
    """
    for name in ("batch_size", "epoch_images"):
        if name in before and before[name] != now[name]:
            raise UserError(
                f"data.{name} is {before[name]} in this run, which cannot go on with {now[name]}: its place in an "
                "epoch is counted in batches; leave it, or begin a new run"
            )
    size = now["batch_size"]
    if size % max(world, 1):
        able = " or ".join(str(count) for count in range(1, size + 1) if size % count == 0)
        raise UserError(
            f"this run's batches of {size} pictures (data.batch_size) cannot be shared by {world} devices: go on with "
            f"--trainer.devices={able}"
        )


def going_on(run: RunFolder) -> list[str]:
    """The words with which a run goes on from its last checkpoint, or where it has none, anew."""
    last = newest_whole(run)
    if last is None and not rank():
        print(f"{run.path} was stopped before its first save: it begins anew", file=sys.stderr)
    return ["--config", str(run.config), "--run", str(run.path), *(["--ckpt_path", str(last)] if last else [])]
