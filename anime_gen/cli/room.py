"""The batch that fits, where a training has run out of memory."""

from __future__ import annotations

import gc
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import lightning as L
import torch

from anime_gen.callbacks import Evaluation
from anime_gen.cli.pace import OF_A_RUN
from anime_gen.contract import GenerativeModule, UserError

# What a try is without: it is in no run.
_NAMES_A_RUN = ("--run", "--ckpt_path", "--minutes")


class Steps(L.Callback):
    """Ends a training when everything that its steps do by turns has had one, and its optimisers have their states."""

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, GenerativeModule)
        trainer.should_stop = batch_idx >= pl_module.period


def smaller(batch_size: int) -> Iterator[int]:
    """Batches to try, each at most half of the one before. An epoch is whole batches: they divide the first."""
    tried = batch_size
    for size in range(batch_size // 2, 0, -1):
        if batch_size % size == 0 and 2 * size <= tried:
            tried = size
            yield size


def without_run(arguments: Sequence[str]) -> list[str]:
    """Words of a command line, without those that name a run, or go on with one."""
    kept, skip = [], False
    for word in arguments:
        if not skip and word.split("=")[0] not in _NAMES_A_RUN:
            kept.append(word)
        skip = not skip and word in _NAMES_A_RUN
    return kept


def that_fits(build: Callable[[list[str]], Any], batch_size: int) -> int | None:
    """The largest batch tried that fits, of `smaller`; None: none does.

    Args:
        build: data, family and trainer by further keys, in no run.
        batch_size: that was too large.
    """
    return next((size for size in smaller(batch_size) if _fits(build, size)), None)


def _fits(build: Callable[[list[str]], Any], batch_size: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            _train(build([f"--run={folder}", f"--data.batch_size={batch_size}", "--trainer.limit_val_batches=0"]))
        except (MemoryError, RuntimeError, UserError) as error:  # a family may want more pictures in a batch
            forget(error)
            return False
    return True


def _train(cli: Any) -> None:
    trainer = cli.trainer
    left_out = (*OF_A_RUN, Evaluation)
    trainer.callbacks = [*(part for part in trainer.callbacks if not isinstance(part, left_out)), Steps()]
    trainer.fit(cli.model, cli.datamodule)


def forget(error: BaseException) -> None:
    """Frees what the frames of an error hold, networks and what was computed with them."""
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
