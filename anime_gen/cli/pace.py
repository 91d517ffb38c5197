"""How many pictures a run is given for its minutes, on this machine, with these settings."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint, ProgressBar

from anime_gen.callbacks import Summary
from anime_gen.contract import GenerativeModule
from anime_gen.reading import read_yaml

# Batches before the measurement, then as many as a lazy regulariser's turn and a half, over as many seconds.
WARM_UP, LEAST_BATCHES, LEAST_SECONDS = 3, 24, 6.0
# A slow machine measures fewer: its minutes are better spent in training.
MOST_SECONDS = 25.0
MOST_BATCHES = 10_000
# Batches of a scoring: the first one is slower.
SCORED_BATCHES = 2
# Scorings take no more of the run than this; there is always one.
SCORING_SHARE = 0.3

# Keys that say how long a run is.
LENGTHS = (
    "trainer.max_epochs",
    "trainer.max_steps",
    "trainer.max_time",
    "trainer.limit_train_batches",
    "trainer.fast_dev_run",
    "data.epoch_images",
)


# What saves or speaks would do so about a run that nobody will see.
OF_A_RUN = (ProgressBar, Checkpoint, Summary)


class Pace(NamedTuple):
    """What a machine takes for one family."""

    batch_seconds: float
    scoring_seconds: float
    measuring_seconds: float  # spent to find the others


class Length(NamedTuple):
    """How long a run is: so many Lightning epochs, each of so many pictures and then a scoring."""

    epochs: int
    epoch_images: int


def length(minutes: float, pace: Pace, epochs: int, batch_size: int) -> Length:
    """What can be trained and scored in the minutes, those of the measurement included.

    Args:
        minutes: of the whole run.
        pace: of this machine.
        epochs: scorings that are wanted; fewer where they would take more than SCORING_SHARE of the run.
        batch_size: pictures a batch, over all ranks; an epoch is whole batches, at least one.
    """
    seconds = max(60 * minutes - pace.measuring_seconds, 0.0)
    while epochs > 1 and epochs * pace.scoring_seconds > SCORING_SHARE * seconds:
        epochs -= 1
    batches = (seconds - epochs * pace.scoring_seconds) / pace.batch_seconds
    return Length(epochs, max(1, round(batches / epochs)) * batch_size)


def said_otherwise(arguments: Sequence[str], overlays: Sequence[Path]) -> bool:
    """Whether the user has said how long the run is, on the command line or in a file of settings of his own."""
    if any(word.split("=")[0].removeprefix("--") in LENGTHS for word in arguments):
        return True
    for path in overlays:
        settings = read_yaml(path) or {}
        if any(key.split(".")[1] in (settings.get(key.split(".")[0]) or {}) for key in LENGTHS):
            return True
    return False


class Clock(L.Callback):
    """Takes the time of some batches and of a part of a scoring, and ends the training there."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.batches: list[float] = []  # when each one ended
        self.scored: list[float] = []  # likewise, from when the scoring began
        self.ended = 0.0
        self.period = 1

    def _now(self, pl_module: L.LightningModule) -> float:
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        return time.monotonic()

    def on_train_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self.period = pl_module.period
        self.began = self._now(pl_module)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *rest: Any) -> None:
        self.batches.append(self._now(pl_module))
        measured, seconds = len(self.batches) - 1 - WARM_UP, self.batches[-1] - self.batches[0]
        enough = measured >= LEAST_BATCHES and seconds >= LEAST_SECONDS
        late = measured >= 1 and seconds >= MOST_SECONDS
        # All ranks stop together, or those that go on wait for the others for ever.
        if trainer.strategy.reduce_boolean_decision(enough or late, all=False):
            trainer.should_stop = True

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.scored.append(self._now(pl_module))

    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *rest: Any) -> None:
        self.scored.append(self._now(pl_module))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.ended = self._now(pl_module)

    def pace(self, scored_batches: int) -> Pace:
        """Of a run whose scorings have so many batches."""
        counted = self.batches[min(WARM_UP, len(self.batches) - 2) :]
        # Whole periods, or a lazy regulariser's turn would count for more or less than it is worth.
        count = (len(counted) - 1) // self.period * self.period or len(counted) - 1
        batch_seconds = (counted[count] - counted[0]) / count
        if not self.scored:  # the run has no scorings
            return Pace(batch_seconds, 0.0, self.ended - self.began)
        one, after = self.scored[-1] - self.scored[-2], self.ended - self.scored[-1]
        return Pace(batch_seconds, scored_batches * one + after, self.ended - self.began)


def as_measured(batch_size: int) -> list[str]:
    """The keys that a measurement adds to those of the run: it ends when it has seen enough."""
    return ["--trainer.max_epochs=1", f"--data.epoch_images={MOST_BATCHES * batch_size}", "--scoring.train_images=64"]


def measured(cli: Any, scored: int) -> Pace:
    """Trains and scores for some seconds in a folder that is thrown away, and says what that took; all ranks agree.

    Args:
        cli: data, family and trainer of the run, built for this alone; nothing of them goes into the run.
        scored: pictures that one scoring of the run looks at.
    """
    data, trainer = cli.datamodule, cli.trainer
    batch = cli.model.chunk * trainer.world_size
    data.score_images = min(scored, SCORED_BATCHES * batch)
    clock = Clock()
    trainer.callbacks = [*(part for part in trainer.callbacks if not isinstance(part, OF_A_RUN)), clock]
    log = logging.getLogger("lightning.pytorch")
    loudness = log.level
    log.setLevel(logging.ERROR)
    trainer.fit(cli.model, data)
    log.setLevel(loudness)
    return trainer.strategy.broadcast(clock.pace(math.ceil(min(scored, data.count("validation")) / batch)))
