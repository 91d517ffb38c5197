"""One evaluation: at every stage, its parts see each batch of samples in their order, on the run's one stopwatch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from anime_gen.contract import Batch, GenerativeModule
from anime_gen.data import AnimeFaces
from anime_gen.data.source import Split


@dataclass
class Stage:
    """One evaluation of a split; what a part leaves here is there for those after it."""

    split: Split
    trainer: L.Trainer
    module: Any  # the family
    training_seconds: float  # of the run before this evaluation, without those before it
    # Pictures whose rows are told the same, uint8 (N, 3, H, W), so many a row; none where nothing is told.
    grid: Tensor = field(default_factory=lambda: torch.zeros(0, 3, 1, 1, dtype=torch.uint8))
    columns: int = 1
    # Attribute groups for whose classes scores are told apart.
    slices: tuple[str, ...] = ()

    @property
    def data(self) -> AnimeFaces:
        """What the run is scored on."""
        return self.trainer.datamodule  # type: ignore[attr-defined]

    @property
    def fitting(self) -> bool:
        """Whether a training goes on after it."""
        return bool(self.trainer.state.fn == "fit")


class Part(L.Callback):
    """Something that is done at every evaluation. It is listed among a run's callbacks; `Evaluation` calls it.

    Attributes:
        place: among the parts, the first first.
    """

    place: ClassVar[int]

    def prepare(self, stage: Stage) -> None:
        """Before a training: what is wrong with an evaluation is said now."""

    def begin(self, stage: Stage) -> None:
        """Before the first batch."""

    def batch(self, made_BCHW: Tensor, batch: Batch, stage: Stage) -> None:
        """One batch, and a sample for each of its conditions."""

    def end(self, stage: Stage) -> None:
        """After the last batch."""


class Evaluation(L.Callback):
    """Calls the parts of a run's evaluations, and says what share of its time they take.

    Args:
        parts: in any order; each says its place.
    """

    state_key = "Scoring"  # by which checkpoints have always known what is kept here

    def __init__(self, parts: Iterable[Part]) -> None:
        self.parts = sorted(parts, key=lambda part: part.place)
        self._stage: Stage | None = None
        self._began = 0.0
        self._spent = 0.0

    def _at(self, split: Split, trainer: L.Trainer, pl_module: GenerativeModule) -> Stage:
        return Stage(split, trainer, pl_module, pl_module.stopwatch.seconds() - self._spent)

    def _begin(self, split: Split, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._stage = self._at(split, trainer, pl_module)
        for part in self.parts:
            part.begin(self._stage)
        self._began = pl_module.stopwatch.seconds()

    def _batch(self, made_BCHW: Tensor, batch: Batch) -> None:
        assert self._stage is not None
        for part in self.parts:
            part.batch(made_BCHW, batch, self._stage)

    def _end(self) -> None:
        assert self._stage is not None
        for part in self.parts:
            part.end(self._stage)

    def on_fit_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        for part in self.parts:
            part.prepare(self._at("validation", trainer, pl_module))

    def on_validation_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._begin("validation", trainer, pl_module)

    def on_validation_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, *rest: Any
    ) -> None:
        self._batch(outputs, batch)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._end()

    def on_validation_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        seconds = pl_module.stopwatch.seconds()
        self._spent += seconds - self._began
        if trainer.state.fn == "fit":
            for logger in trainer.loggers:
                share = {"time/scoring_share": self._spent / max(seconds, 1e-9)}
                logger.log_metrics(share, step=pl_module.images_shown)

    def on_test_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._begin("test", trainer, pl_module)

    def on_test_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, *rest: Any
    ) -> None:
        self._batch(outputs, batch)

    def on_test_epoch_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._end()

    def on_fit_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        seconds = pl_module.stopwatch.seconds()
        rank_zero_info(f"scoring took {self._spent / max(seconds, 1e-9):.0%} of {seconds:.0f} s")

    def state_dict(self) -> dict[str, Any]:
        return {"spent": self._spent}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._spent = state_dict["spent"]
