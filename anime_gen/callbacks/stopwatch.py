"""Seconds of a run, over all its sittings."""

from __future__ import annotations

import time


class Stopwatch:
    """Wall seconds spent in `fit`, scoring included; a resumed run goes on from `earlier`."""

    def __init__(self) -> None:
        self.earlier = 0.0
        self._since: float | None = None

    def start(self) -> None:
        self._since = time.monotonic()

    def seconds(self) -> float:
        return self.earlier + (time.monotonic() - self._since if self._since is not None else 0.0)
