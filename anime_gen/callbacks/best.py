"""The checkpoint with the best score so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint

from anime_gen.contract import GenerativeModule
from anime_gen.run.folder import BEST, RunFolder


class Best(ModelCheckpoint):
    """Keeps `checkpoints/best.ckpt`. `last.ckpt` is kept too: a best score alone hides divergence.

    Args:
        monitor: the score's name as in metrics.json.
        mode: "min" or "max", which of its values is better.
    """

    def __init__(self, monitor: str = "fd_judge", mode: str = "min") -> None:
        super().__init__(
            monitor=monitor,
            mode=mode,
            filename=BEST,
            save_top_k=1,
            # Right after the scoring: last.ckpt, which Resume saves then too, must know what has been best.
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )

    def setup(self, trainer: L.Trainer, pl_module: GenerativeModule, stage: str) -> None:
        self.dirpath = str(RunFolder.of(trainer).checkpoints)
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # A run's folder may have been moved, or named another way: what was best in it still is.
        here = str(Path(str(self.dirpath)) / f"{BEST}{self.FILE_EXTENSION}") if state_dict["best_model_path"] else ""
        best = {here: state_dict["best_model_score"]} if here else {}
        super().load_state_dict(
            {
                **state_dict,
                "dirpath": self.dirpath,
                "best_model_path": here,
                "kth_best_model_path": here,
                "best_k_models": best,
            }
        )
