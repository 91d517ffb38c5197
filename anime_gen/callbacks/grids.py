"""Sample grids as PNG and in TensorBoard: the same seeds and conditions for every family, every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from PIL import Image
from torch import Tensor

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
        # The pictures of the latest grid, uint8, on every rank.
        self.latest = torch.zeros(0, 3, 1, 1, dtype=torch.uint8)

    @torch.no_grad()
    def pictures(self, trainer: L.Trainer, pl_module: GenerativeModule) -> tuple[Tensor, Condition]:
        """The pictures of the grid row by row, uint8 (N, 3, H, W) on every rank, and what was told of each row."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        shown: Condition = data.showcase(self.rows)
        # There may be fewer validation pictures than rows.
        rows = next((len(part) for part in shown if part is not None), self.rows)
        number = torch.arange(rows * self.columns)
        repeated = shown.map(lambda part: part.repeat_interleave(self.columns, dim=0))
        seeds = (number % self.columns if pl_module.needs else number).tolist()
        mine = number[trainer.global_rank :: trainer.world_size]
        size = pl_module.image_size
        whole = torch.zeros(len(number), 3, size, size, dtype=torch.int32, device=pl_module.device)
        if len(mine):
            with trainer.precision_plugin.forward_context():
                images = pl_module.sample(repeated.rows(mine), [seeds[i] for i in mine.tolist()])
            whole[mine] = quantise(images).int()
        whole = trainer.strategy.reduce(whole, reduce_op="sum")
        return whole.to(torch.uint8), shown

    def draw(self, pictures: Tensor, shown: Condition, trainer: L.Trainer, pl_module: GenerativeModule) -> Image.Image:
        """The grid of `pictures`."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        reads = pl_module.needs & {"caption_BL", "text_BD"}
        captions = data.captions("validation")[: self.rows] if reads else None
        return tile(pictures, self.columns, shown if pl_module.needs else None, data.vocabulary, captions)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        pictures, shown = self.pictures(trainer, pl_module)
        self.latest = pictures
        if not trainer.is_global_zero:
            return
        images_shown = pl_module.images_shown
        grid = self.draw(pictures, shown, trainer, pl_module)
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
