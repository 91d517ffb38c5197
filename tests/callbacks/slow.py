"""A trainer that is slowed on purpose, for tests of what a run's minutes buy."""

import time

import lightning as L


class Slow(L.Callback):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_batch_start(self, *rest: object) -> None:
        time.sleep(self.seconds)
