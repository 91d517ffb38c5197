"""Seconds of a run, over all its sittings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L


class Stopwatch:
    """Wall seconds spent in `fit`, scoring included; a resumed run goes on from `earlier`."""

    def __init__(self) -> None:
        self.earlier = 0.0
        self._since: float | None = None

    def start(self) -> None:
        self._since = time.monotonic()

    def skip(self, seconds: float) -> None:
        """Seconds just gone by were not the run's."""
        if self._since is not None:
            self._since += seconds

    def seconds(self) -> float:
        return self.earlier + (time.monotonic() - self._since if self._since is not None else 0.0)


@contextmanager
def paused(trainer: L.Trainer) -> Iterator[None]:
    """Time within counts on no stopwatch of a trainer's callbacks."""
    began = time.monotonic()
    yield
    seconds = time.monotonic() - began
    callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
    for callback in callbacks:
        if isinstance(watch := getattr(callback, "stopwatch", None), Stopwatch):
            watch.skip(seconds)
