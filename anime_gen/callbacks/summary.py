"""The first and the last words of a run: what it trains on, where it lies and what it scored."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import lightning as L

from anime_gen.callbacks.curves import peak_memory_gib
from anime_gen.callbacks.progress import clock
from anime_gen.contract import GenerativeModule
from anime_gen.metrics.headlines import headlines, table
from anime_gen.metrics.protocol import Record, read
from anime_gen.run.folder import RunFolder


class Summary(L.Callback):
    """Prints the run's folder and the scores that matter when it has ended."""

    def scores(self, trainer: L.Trainer, split: str) -> list[Record]:
        """A folder may hold scores on several splits; they are not each other's. Costs have none."""
        records = read(RunFolder.of(trainer).metrics)
        return [record for record in records if record.protocol.get("split") == split]

    def on_fit_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if not trainer.is_global_zero:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        pictures = f"{data.count('train'):,} pictures of {data.source}"
        if data.other_domain is not None:
            pictures += f" and {data.other_domain}"
        what = f"{type(pl_module).__name__} on {pictures}, {data.image_size} px, {trainer.precision}"
        print(f"{trainer.default_root_dir}: {what}", file=sys.stderr)

    def on_fit_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if not trainer.is_global_zero:
            return
        folder = RunFolder.of(trainer)
        records = self.scores(trainer, "validation")
        images = pl_module.images_shown
        took = f", {clock(records[-1].seconds)} with scoring" if records else ""
        print(f"\n{folder.path}: {images:,} images{took}, peak memory {peak_memory_gib(pl_module.device):.1f} GiB")
        print(table(headlines(records)) or "  no scores: the run was ended before the first scoring")
        # As they are typed: what is suggested must work.
        run, runs = shlex.quote(str(folder.path)), shlex.quote(str(folder.path.parent))
        pictures = pl_module.pictures_by.format(run=run)
        print(f"\n  grids        {folder.grids}/")
        print(f"  dashboard    make dashboard   (or: anime-gen dashboard {runs})")
        if records:
            print(f"  all scores   anime-gen show {run} --all")
        print(f"  {pictures.split()[0]:<12} anime-gen {pictures}")

    def on_validation_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if trainer.state.fn == "validate":
            self._print(trainer, "validation")

    def on_test_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._print(trainer, "test")

    def _print(self, trainer: L.Trainer, split: str) -> None:
        if trainer.is_global_zero:
            folder = trainer.default_root_dir
            print(f"\n{folder}:\n{table(headlines(self.scores(trainer, split)))}")
            print(f"\n  all scores   anime-gen show {shlex.quote(folder)} --all")

    def on_predict_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if trainer.is_global_zero:
            print(f"\n{RunFolder.of(trainer).predictions}/")
