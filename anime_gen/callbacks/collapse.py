"""An alarm for samples that all look alike."""

from __future__ import annotations

from collections.abc import Mapping

import lightning as L
from lightning.pytorch.utilities import rank_zero_warn

from anime_gen.contract import GenerativeModule
from anime_gen.metrics.protocol import read
from anime_gen.run.folder import RunFolder


def collapsed_since(history: Mapping[int, float], threshold: float, patience: int, forms_within: int) -> int | None:
    """Images shown at the scoring with which a collapse began, or None while there is none.

    Args:
        history: images shown -> collapse index (`metrics.diversity.collapse_index`), in order.
        threshold: an index above it is bad.
        patience: how many scorings in a row must be bad. One may be a fluke; GANs do recover.
        forms_within: until an index has been good once, bad ones of fewer images than this do not count: samples that
            have not formed yet are alike too.
    """
    bad: list[int] = []
    formed = False
    for images, index in history.items():
        if index <= threshold:
            formed = True
            bad = []
        elif formed or images >= forms_within:
            bad.append(images)
    return bad[0] if len(bad) >= patience else None


class Collapse(L.Callback):
    """Warns once, in one line, when samples have become alike, saying since when; the run goes on.

    It looks at what the scoring has written to metrics.json, so a resumed run goes on from its history. The scalar
    `alarm/collapsed` is 1 at every scoring at which there is a collapse.

    Args:
        score: the collapse index's name as in metrics.json.
        threshold: of the index. On painted faces, families that are well have 0.15 to 0.35 once samples have formed,
            and 0.5 to 0.7 before; ten pictures with some noise on them have 0.7 and more.
        patience: scorings in a row.
        forms_within: images after which samples should have formed.
    """

    def __init__(
        self, score: str = "collapse_judge", threshold: float = 0.5, patience: int = 2, forms_within: int = 40_000
    ) -> None:
        self.score = score
        self.threshold = threshold
        self.patience = patience
        self.forms_within = forms_within

    def on_validation_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking or not trainer.is_global_zero:
            return
        run = RunFolder.of(trainer)
        history = {
            record.nimg: record.value
            for record in read(run.metrics)
            if record.name == self.score and record.value is not None and record.protocol["split"] == "validation"
        }
        since = self._since(history)
        for logger in trainer.loggers:
            logger.log_metrics({"alarm/collapsed": float(since is not None)}, step=pl_module.images_shown)
        earlier = dict(list(history.items())[:-1])
        if since is not None and self._since(earlier) is None:
            rank_zero_warn(
                f"samples have collapsed since about {since:,} images: they are {history[since]:.0%} closer to each "
                f"other than real pictures are ({self.score}); look at {run.grids}"
            )

    def _since(self, history: Mapping[int, float]) -> int | None:
        return collapsed_since(history, self.threshold, self.patience, self.forms_within)
