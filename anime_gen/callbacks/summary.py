"""The last words of a run: where it lies and what it scored."""

from __future__ import annotations

from pathlib import Path

import lightning as L

from anime_gen.callbacks.curves import peak_memory_gib
from anime_gen.callbacks.progress import clock
from anime_gen.contract import GenerativeModule
from anime_gen.metrics.protocol import Record, read


def table(records: list[Record]) -> str:
    """The latest and the best value of every score, one a line; "not asked" where nothing was."""
    latest = {record.name: record for record in records}
    width = max((len(name) for name in latest), default=0)
    lines = [
        f"  {name:<{width}}  {'not asked' if record.value is None else format(record.value, '.4g'):>10}"
        for name, record in latest.items()
    ]
    return "\n".join(lines)


class Summary(L.Callback):
    """Prints the run's folder and a small table of its scores when `fit` has ended."""

    def on_fit_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        records = read(folder / "metrics.json")
        images = int(pl_module.images_shown)
        took = f", {clock(records[-1].seconds)} with scoring" if records else ""
        print(f"\n{folder}: {images:,} images{took}, peak memory {peak_memory_gib(pl_module.device):.1f} GiB")
        print(table(records) or "  no scores: the run was ended before the first scoring")
        print(f"\n  grids        {folder}/grids/")
        print(f"  dashboard    make dashboard   (or: tensorboard --logdir {folder.parent})")
        print(f"  sample       anime-gen sample {folder} --seeds 0-63 --out grid.png")
