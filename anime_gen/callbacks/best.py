"""The checkpoint with the best scores so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import lightning as L
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import rank_zero_info

from anime_gen.callbacks.continuity import incomparable
from anime_gen.contract import GenerativeModule, UserError
from anime_gen.files import also_named
from anime_gen.metrics.protocol import read
from anime_gen.run.folder import RunFolder
from anime_gen.settings.aliases import best_score_of


class Candidate(NamedTuple):
    """A scoring whose checkpoint is kept."""

    images: int  # shown before it
    cost: float  # by which the best is chosen, less is better
    beside: float  # that must be near the lowest


def candidates(scorings: Sequence[Candidate], within: float) -> list[Candidate]:
    """Those that are the best now, or may turn out to be when `beside` has fallen further; the best one first.

    Out of the race are scorings whose `beside` is too far from the lowest, which only falls, and those that another
    one is no worse than in either.
    """
    lowest = min(one.beside for one in scorings)
    near = [one for one in scorings if one.beside <= lowest * (1 + within)]
    kept: list[Candidate] = []
    for one in sorted(near, key=lambda one: (one.cost, one.beside, one.images)):
        if all(one.beside < other.beside for other in kept):
            kept.append(one)
    return kept


class Best(Checkpoint):
    """Keeps `checkpoints/best.ckpt`. `last.ckpt` is kept too: a best score alone hides divergence.

    The best has the lowest `monitor` among the scorings whose `beside` is within a share of the run's lowest: what
    pictures show decides, but not at the price of how they are rendered.

    A run that goes on under another judge, or on other pictures, chooses anew.

    Args:
        monitor: the score's name as in metrics.json.
        mode: "min" or "max", which of its values is better.
        beside: a score of which less is better, and which must not be given up for the other; null, or one that the
            run has not (pictures below 16 px): the first alone decides.
        within: how much above the run's lowest it may be, as a share of that.
    """

    state_key = "Best"

    def __init__(
        self,
        monitor: str = "fd_judge",
        mode: Literal["min", "max"] = "min",
        beside: str | None = "fd_render",
        within: float = 0.1,
    ) -> None:
        if within < 0:
            raise UserError(f"Best: within is {within}; give 0 or more")
        self.monitor, self.mode, self.beside, self.within = monitor, mode, beside, within
        self.kept: list[Candidate] = []

    def on_validation_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        """Right after the scoring: last.ckpt, which Resume saves then too, must know what has been best."""
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        now, before = self._scored(trainer, pl_module.images_shown), self._comparable(trainer)
        self.kept = candidates([*(one for one in before if one.images < now.images), now], self.within)
        folder = RunFolder.of(trainer)
        if now in self.kept:
            trainer.save_checkpoint(folder.candidate(now.images), weights_only=False)
        if not trainer.is_global_zero:
            return
        if self.kept[0] not in before[:1]:
            also_named(folder.candidate(self.kept[0].images), folder.best)
        stay = {folder.candidate(one.images) for one in self.kept}
        for path in set(folder.candidate(0).parent.glob("*.ckpt")) - stay:
            path.unlink()

    def _comparable(self, trainer: L.Trainer) -> list[Candidate]:
        """What is kept, without what another judge has scored: its numbers say nothing beside today's."""
        otherwise, gone = list[int](), list[int]()
        if trainer.is_global_zero:
            folder = RunFolder.of(trainer)
            otherwise = incomparable(read(folder.metrics), self.monitor)
            # A run that goes on from before its latest scorings comes by candidates that those have ruled out.
            second = self.kept[1:] if folder.best.exists() else self.kept
            gone = [one.images for one in second if one.images and not folder.candidate(one.images).exists()]
        otherwise, gone = trainer.strategy.broadcast((otherwise, gone))
        # Of earlier versions' best nobody knows how many images there were.
        same = [one for one in self.kept if not otherwise or (one.images and one.images not in otherwise)]
        if len(same) < len(self.kept):
            rank_zero_info(f"{self.monitor} is measured otherwise than in this run so far: the best is chosen anew")
        return [one for one in same if one.images not in gone]

    def _scored(self, trainer: L.Trainer, images: int) -> Candidate:
        values = trainer.callback_metrics
        if self.monitor not in values:
            raise UserError(f"Best: no score is called {self.monitor!r}; there are {', '.join(sorted(values))}")
        cost = float(values[self.monitor]) * (1 if self.mode == "min" else -1)
        beside = float(values[self.beside]) if self.beside in values else 0.0
        return Candidate(images, *(math.inf if math.isnan(value) else value for value in (cost, beside)))

    def state_dict(self) -> dict[str, Any]:
        return {"kept": [tuple(one) for one in self.kept]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.kept = [Candidate(*one) for one in state_dict["kept"]]

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Of earlier versions, which knew one score: how such a checkpoint is rendered nobody knows."""
        score = best_score_of(checkpoint)
        if score is not None:
            unknown = math.inf if self.beside else 0.0
            self.kept = [Candidate(0, score * (1 if self.mode == "min" else -1), unknown)]
