"""Processes that train together: where one is lost, the others end at once, and one line says which and why."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
from subprocess import Popen

import lightning as L

from anime_gen.contract import UserError
from anime_gen.run.folder import RunFolder

# What gloo and NCCL say of a process that is gone or does not answer.
_GONE = re.compile(r"closed by peer|reset by peer|broken pipe|timed out|timeout|remote process exited", re.IGNORECASE)

# Seconds between two looks, and until a process that has failed itself, and will say so, is not waited for.
_LOOK = 0.25
_GRACE = 3.0


def is_lost(error: BaseException) -> bool:
    """Whether a process has failed only because it could not reach another one."""
    return isinstance(error, RuntimeError) and bool(_GONE.search(str(error)))


class Ranks(L.Callback):
    """Looks after the processes that Lightning has started for further ranks; elsewhere it knows of none.

    Raises:
        UserError: another rank is gone, or has not answered within the strategy's timeout.
    """

    def __init__(self) -> None:
        self._processes: list[Popen[bytes]] = []
        self._over = threading.Event()

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._processes = getattr(trainer.strategy.launcher, "procs", [])
        if not self._processes:
            return
        for thread in threading.enumerate():
            if thread.name == "child-process-observer":
                # Lightning's own kills this process, too, before it can say a word.
                thread._child_processes = []  # type: ignore[attr-defined]
        self._over.clear()
        threading.Thread(target=self._watch, args=(trainer,), daemon=True).start()

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._over.set()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._over.set()
        if not trainer.is_global_zero or trainer.world_size == 1 or not is_lost(exception):
            return
        until = time.monotonic() + _GRACE
        while self._failed() is None and time.monotonic() < until and self._processes:
            time.sleep(_LOOK)
        self._end()
        raise UserError(self._why(trainer)) from exception

    def _watch(self, trainer: L.Trainer) -> None:
        while not self._over.wait(_LOOK):
            # One that meets a mistake of the user's ends as this process does, which says so itself.
            if self._failed() is not None and not self._over.wait(_GRACE):
                print(f"anime-gen: {self._why(trainer)}", file=sys.stderr, flush=True)
                self._end()
                os._exit(1)

    def _failed(self) -> tuple[int, int] | None:
        """Rank and exit status of the first that has ended with one."""
        ended = ((number, process.poll()) for number, process in enumerate(self._processes, 1))
        return next(((number, status) for number, status in ended if status), None)

    def _end(self) -> None:
        for process in self._processes:
            process.kill()

    def _why(self, trainer: L.Trainer) -> str:
        run = RunFolder.of(trainer)
        return f"{why(run, self._failed())}; what was saved is whole: to go on: make experiment RESUME={run.path}"


def why(run: RunFolder, failed: tuple[int, int] | None) -> str:
    """What ended the processes of a run.

    Args:
        run: whose.
        failed: rank and exit status of a process that has ended, where it is known.
    """
    words = run.last_words()
    if words:
        number = min(words)
        return f"rank {number} stopped: {words[number]}"
    if failed is None:
        return "another rank of this run is gone, or has not answered in time; what it said says why"
    number, status = failed
    if status < 0:
        return f"rank {number} was killed ({signal.Signals(-status).name}), by somebody or for want of memory"
    return f"rank {number} ended with status {status}; what it said says why"
