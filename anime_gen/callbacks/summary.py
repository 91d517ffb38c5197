"""The first and the last words of a run: what it trains on, where it lies and what it scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities import rank_zero_info

from anime_gen.callbacks.curves import peak_memory_gib
from anime_gen.callbacks.progress import clock
from anime_gen.contract import GenerativeModule
from anime_gen.metrics.protocol import Record, read

REAL = "_real"


def in_words(record: Record) -> str:
    """The value; or that nothing was asked; or that none of what was asked could be measured (no sample has a face)."""
    if record.value is not None:
        return format(record.value, ".4g")
    return "undefined" if record.protocol.get("observed", {}).get("num_asked") else "not asked"


def table(records: list[Record]) -> str:
    """The latest value of every score, one a line, beside what the same judge makes of real pictures."""
    latest = {record.name: record for record in records}
    rows = [record for name, record in latest.items() if not name.endswith(REAL)]
    if not rows:
        return ""
    width = max(len(record.name) for record in rows)
    lines = [f"  {'':<{width}}  {'samples':>10}  {'real':>8}"] if len(rows) < len(latest) else []
    for record in rows:
        real = latest.get(record.name + REAL)
        beside = f"  {in_words(real):>8}" if real and real.value is not None else ""
        lines.append(f"  {record.name:<{width}}  {in_words(record):>10}{beside}")
    return "\n".join(lines)


class Summary(L.Callback):
    """Prints the run's folder and a small table of its scores when it has ended."""

    def scores(self, trainer: L.Trainer, split: str) -> list[Record]:
        """A folder may hold scores on several splits; they are not each other's. Costs have none."""
        records = read(Path(trainer.default_root_dir) / "metrics.json")
        return [record for record in records if record.protocol.get("split") == split]

    def on_fit_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        pictures = f"{data.count('train'):,} pictures of {data.source}"
        if data.other_domain is not None:
            pictures += f" and {data.other_domain}"
        rank_zero_info(
            f"{trainer.default_root_dir}: {type(pl_module).__name__} on {pictures}, {data.image_size} px, "
            f"{trainer.precision}"
        )

    def on_fit_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        records = self.scores(trainer, "validation")
        images = pl_module.images_shown
        took = f", {clock(records[-1].seconds)} with scoring" if records else ""
        print(f"\n{folder}: {images:,} images{took}, peak memory {peak_memory_gib(pl_module.device):.1f} GiB")
        print(table(records) or "  no scores: the run was ended before the first scoring")
        print(f"\n  grids        {folder}/grids/")
        print(f"  dashboard    make dashboard   (or: anime-gen dashboard {folder.parent})")
        print(f"  sample       anime-gen sample {folder} --seeds 0-63 --out grid.png")

    def on_validation_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if trainer.state.fn == "validate" and trainer.is_global_zero:
            print(f"\n{trainer.default_root_dir}:\n{table(self.scores(trainer, 'validation'))}")

    def on_test_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if trainer.is_global_zero:
            print(f"\n{trainer.default_root_dir}:\n{table(self.scores(trainer, 'test'))}")

    def on_predict_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if trainer.is_global_zero:
            print(f"\n{trainer.default_root_dir}/predictions/")
