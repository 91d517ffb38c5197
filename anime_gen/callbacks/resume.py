"""The checkpoint a run goes on from."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint

from anime_gen.callbacks.divergence import check_weights
from anime_gen.callbacks.rates import Told, follow, renew, told
from anime_gen.contract import GenerativeModule, UserError
from anime_gen.run.checkpoints import make_last
from anime_gen.run.folder import RunFolder


class Resume(Checkpoint):
    """Keeps `checkpoints/last.ckpt`: around every scoring, every so many images, at the end, and at Ctrl-C or SIGTERM.

    A first signal lets the batch (or the scoring) finish, saves and stops; a second one stops at once, and the run
    goes on from the last save. Who sends SIGTERM does not wait for a scoring: it is taken when the run goes on.

    Args:
        every_images: images between saves.
        at_least_seconds: saves come no closer than this, so that small fast families do not spend their time on disk.
        keep: how many of the latest are kept: the last, and `last-1.ckpt`, should a disk damage it.
    """

    state_key = "Resume"

    def __init__(self, every_images: int = 6400, at_least_seconds: float = 20.0, keep: int = 2) -> None:
        if keep < 1:
            raise UserError(f"Resume: keep is {keep}; give 1 or more")
        self.every_images = every_images
        self.at_least_seconds = at_least_seconds
        self.keep = keep
        self._saved_at_images = 0
        self._saved_at_time = 0.0
        self._asked_to_stop = 0
        self._speaks = True
        self._handlers: dict[int, Any] = {}
        self._told: Told | None = None  # by what was saved
        self._tells: Told = []  # today's settings
        self._ranks_before: int | None = None  # by what was saved
        self._ranks = 1

    def on_fit_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._tells = told(trainer.optimizers)  # what is saved is not restored yet
        self._ranks = trainer.world_size

    def on_train_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._renew(trainer)
        self._saved_at_images = pl_module.images_shown
        self._saved_at_time = time.monotonic()
        self._asked_to_stop = 0
        self._speaks = trainer.is_global_zero
        if self._speaks and self._ranks_before not in (None, self._ranks):
            print(
                f"goes on on {self._ranks} instead of {self._ranks_before} devices: the same pictures in the same "
                "order, none twice and none left out; but noise, BatchNorms and pools are each device's own, so that "
                "the numbers are others from here on",
                file=sys.stderr,
            )
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._on_signal)
        except ValueError:  # not the main thread (a notebook, a test): signals belong to somebody else
            self._handlers.clear()

    def _renew(self, trainer: L.Trainer) -> None:
        # Checkpoints of earlier versions keep only what the optimisers were left with.
        renew(trainer.optimizers, self._told or told(trainer.optimizers), self._tells)
        follow(trainer)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._asked_to_stop:
            raise KeyboardInterrupt
        self._asked_to_stop = number
        if self._speaks:
            # Not print: a signal may come in the middle of somebody else's, and its buffer cannot be entered twice.
            os.write(2, b"\nstopping after this batch or scoring; once more stops at once, without saving\n")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        before_scoring = self._ends_before_scoring(trainer)
        if trainer.world_size > 1 and batch_idx % 16 and not before_scoring:
            return  # agreeing costs a broadcast: not after every batch
        due = pl_module.images_shown - self._saved_at_images >= self.every_images
        # The clock is rank 0's alone: a save is collective, so all ranks must agree on it.
        late = time.monotonic() - self._saved_at_time >= self.at_least_seconds
        late, stop = trainer.strategy.broadcast((late, self._asked_to_stop))
        if stop or before_scoring or (due and late):
            self._save(trainer, pl_module)
        if stop:
            self._stop(trainer, pl_module)

    def _stop(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._restore_handlers()
        if self._speaks:
            print(
                f"\nstopped after {pl_module.images_shown:,} images, all saved; "
                f"to go on: make experiment RESUME={trainer.default_root_dir}",
                file=sys.stderr,
            )
        raise KeyboardInterrupt

    def state_dict(self) -> dict[str, Any]:
        return {"told": self._tells, "ranks": self._ranks}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._told = state_dict["told"]
        self._ranks_before = state_dict.get("ranks")  # earlier versions did not say

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._ends_before_scoring(trainer):
            checkpoint["loops"]["fit_loop"] |= before_scoring(checkpoint["loops"]["fit_loop"])

    def _ends_before_scoring(self, trainer: L.Trainer) -> bool:
        """Whether a batch is being ended that a scoring comes after."""
        epoch, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
        count = epoch.batch_progress.current
        is_ending = count.completed < count.processed  # type: ignore[attr-defined]
        return is_ending and fetcher is not None and epoch._should_check_val_fx(fetcher)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # What `before_scoring` has counted too much.
        trainer.fit_loop.epoch_loop.val_loop.batch_progress.total.reset()

    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: GenerativeModule, *rest: Any) -> None:
        # Ranks may have different numbers of these batches, so that they could not agree here.
        if trainer.state.fn == "fit" and self._asked_to_stop == signal.SIGTERM and trainer.world_size == 1:
            self._stop(trainer, pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._save(trainer, pl_module)

    def _save(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        check_weights(trainer, pl_module)  # a run that has diverged goes on from before that
        run = RunFolder.of(trainer)
        trainer.save_checkpoint(run.next, weights_only=False)
        if trainer.is_global_zero:
            make_last(run, self.keep)
        self._saved_at_images = pl_module.images_shown
        self._saved_at_time = time.monotonic()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def on_train_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if pl_module.images_shown != self._saved_at_images:  # not every run ends with a scoring
            self._save(trainer, pl_module)
        self._restore_handlers()

    def on_exception(self, trainer: L.Trainer, pl_module: GenerativeModule, exception: BaseException) -> None:
        self._restore_handlers()


def before_scoring(fit_loop: Mapping[str, Any]) -> dict[str, Any]:
    """The progress of Lightning's loops that a checkpoint keeps of a batch's end, as if its scoring had just begun.

    Of a batch that has not quite ended Lightning takes its scoring for done: a run that goes on would never have it.
    """
    batches = fit_loop["epoch_loop.batch_progress"]
    ended = {count: {**batches[count], "completed": batches[count]["processed"]} for count in ("total", "current")}
    none = {"ready": 0, "started": 0, "processed": 0, "completed": 0}
    begun = {"total": {**none, "ready": 1, "started": 1}, "current": none, "is_last_batch": False}
    return {"epoch_loop.batch_progress": {**batches, **ended}, "epoch_loop.val_loop.batch_progress": begun}
