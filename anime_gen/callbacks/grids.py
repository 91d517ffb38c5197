"""Sample grids as PNG and in the loggers: the same seeds and conditions for every family, every time."""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning as L
import torch
from PIL import Image
from torch import Tensor

from anime_gen.callbacks.ema import EMA
from anime_gen.callbacks.evaluation import Part, Stage
from anime_gen.callbacks.show import show
from anime_gen.contract import Condition, GenerativeModule
from anime_gen.files import write_picture
from anime_gen.images import quantise, tile
from anime_gen.run.folder import RunFolder


class Grids(Part):
    """After each scoring, draws `rows` conditions of the validation split (what the family needs) with `columns` seeds.

    A first grid comes as soon as training has lasted `early_seconds`: drawing changes nothing of the training. Where
    seeds make no difference, photos and their translations stand side by side instead, as many as there is room for.
    `predict` writes one PNG for each test condition into `predictions/`.
    """

    state_key = "Grids"
    place = 0

    def __init__(self, rows: int = 8, columns: int = 8, early_seconds: float = 60.0) -> None:
        self.rows = rows
        self.columns = columns
        self.early_seconds = early_seconds
        self._began = 0.0
        self._early_is_drawn = False

    @torch.no_grad()
    def pictures(self, trainer: L.Trainer, pl_module: GenerativeModule) -> tuple[Tensor, Condition]:
        """The pictures of the grid row by row, uint8 (N, 3, H, W) on every rank, and what was told of each row."""
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        seeds_a_row = self.columns if pl_module.varies else 1
        shown: Condition = data.showcase(self.rows if pl_module.varies else self.rows * self.columns // 2)
        # There may be fewer validation pictures than rows.
        rows = next((len(part) for part in shown.values()), self.rows)
        number = torch.arange(rows * seeds_a_row)
        repeated = shown.map(lambda part: part.repeat_interleave(seeds_a_row, dim=0))
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
        if not pl_module.varies and shown.source_BCHW is not None:
            pairs = torch.stack([quantise(shown.source_BCHW).to(pictures.device), pictures], dim=1)
            return tile(pairs.flatten(0, 1), self.columns)
        reads = pl_module.needs & {"caption_BL", "text_BD"}
        captions = data.captions("validation")[: self.rows] if reads else None
        return tile(pictures, self.columns, shown if pl_module.needs else None, data.vocabulary, captions)

    def on_train_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._began = time.monotonic()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._early_is_drawn or (trainer.world_size > 1 and batch_idx % 16):  # agreeing costs a broadcast
            return
        # The clock is rank 0's alone: all ranks draw, or none does.
        if not trainer.strategy.broadcast(time.monotonic() - self._began >= self.early_seconds):
            return
        ema = EMA.of(trainer)
        with nullcontext() if ema is None else ema.standing_in(pl_module):
            pl_module.agree()
            pictures, shown = self.pictures(trainer, pl_module)
        self._early_is_drawn = True
        if trainer.is_global_zero:
            path = self._keep(self.draw(pictures, shown, trainer, pl_module), trainer, pl_module)
            print(f"\nfirst pictures, after {pl_module.images_shown:,} images: {path}", file=sys.stderr)

    def end(self, stage: Stage) -> None:
        if stage.split != "validation":
            return
        trainer, module = stage.trainer, stage.module
        pictures, shown = self.pictures(trainer, module)
        if module.varies and module.needs:
            stage.grid, stage.columns = pictures, self.columns
        self._early_is_drawn = True
        if trainer.is_global_zero:
            self._keep(self.draw(pictures, shown, trainer, module), trainer, module)

    def state_dict(self) -> dict[str, Any]:
        return {"early_is_drawn": self._early_is_drawn}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._early_is_drawn = state_dict["early_is_drawn"]

    def _keep(self, grid: Image.Image, trainer: L.Trainer, pl_module: GenerativeModule) -> Path:
        images_shown = pl_module.images_shown
        path = RunFolder.of(trainer).grid(images_shown)
        write_picture(path, grid)
        show(grid, "samples", images_shown, trainer)
        return path

    def on_predict_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, *rest: Any
    ) -> None:
        folder = RunFolder.of(trainer).predictions
        for index, picture in zip(batch.index_B.tolist(), quantise(outputs), strict=True):
            write_picture(folder / f"{index:06d}.png", Image.fromarray(picture.permute(1, 2, 0).cpu().numpy()))
