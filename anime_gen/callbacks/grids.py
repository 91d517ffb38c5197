"""Sample grids as PNG and in TensorBoard: the same seeds and conditions for every family, every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image

from anime_gen.contract import Condition, GenerativeModule
from anime_gen.grid import tile
from anime_gen.metrics.protocol import quantise


class Grids(L.Callback):
    """After each scoring, draws `rows` conditions of the validation split (what the family needs) with `columns` seeds.

    `predict` writes one PNG for each test condition into `predictions/`.
    """

    def __init__(self, rows: int = 8, columns: int = 8) -> None:
        self.rows = rows
        self.columns = columns

    @torch.no_grad()
    def draw(self, trainer: L.Trainer, pl_module: GenerativeModule) -> Image.Image:
        """The grid of the weights in place."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        shown: Condition = data.showcase(self.rows)
        repeated = shown.map(lambda part: part.repeat_interleave(self.columns, dim=0))
        # There may be fewer validation pictures than rows.
        rows = next((len(part) for part in shown if part is not None), self.rows)
        seeds = list(range(self.columns)) * rows if pl_module.needs else list(range(rows * self.columns))
        with trainer.precision_plugin.forward_context():
            images = pl_module.sample(repeated, seeds)
        reads = pl_module.needs & {"caption_BL", "text_BD"}
        captions = data.captions("validation")[:rows] if reads else None
        return tile(quantise(images), self.columns, shown if pl_module.needs else None, data.vocabulary, captions)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if not trainer.is_global_zero:
            return
        images_shown = pl_module.images_shown
        grid = self.draw(trainer, pl_module)
        folder = Path(trainer.default_root_dir) / "grids"
        folder.mkdir(parents=True, exist_ok=True)
        grid.save(folder / f"{images_shown:09d}.png")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.state.fn == "fit":
                logger.experiment.add_image("samples", np.asarray(grid), images_shown, dataformats="HWC")

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, *rest: Any
    ) -> None:
        folder = Path(trainer.default_root_dir) / "predictions"
        folder.mkdir(parents=True, exist_ok=True)
        for index, picture in zip(batch.index_B.tolist(), quantise(outputs), strict=True):
            Image.fromarray(picture.permute(1, 2, 0).cpu().numpy()).save(folder / f"{index:06d}.png")
