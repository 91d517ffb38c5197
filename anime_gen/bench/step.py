"""make step-bench: how fast a family trains here, how much of this machine that is, and where the time goes.

The step is the run's own: its data, optimisers, moving average and loop. The arithmetic is counted (see `describe`),
the peak is what a large product of matrices reaches in the same precision on the same threads.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from anime_gen.callbacks.curves import peak_memory_gib
from anime_gen.cli.describe import example, training_cost
from anime_gen.cli.pace import Pace, as_measured, measured
from anime_gen.cli.train import fastest_precision, quiet, suite
from anime_gen.contract import UserError

# Side of the product that stands for the peak, and how often it is taken.
SIDE, TIMES = 2048, 7
COSTLIEST = 10


class Rate(NamedTuple):
    """One family in one precision."""

    precision: str
    images_per_second: float
    gmacs_per_second: float  # 10^9 multiply-adds
    peak_gmacs_per_second: float
    memory_gib: float
    costliest: list[tuple[str, float]]  # operation, share of the time

    @property
    def share(self) -> float:
        return self.gmacs_per_second / self.peak_gmacs_per_second


def median_seconds(work: Callable[[], object], times: int = TIMES) -> float:
    """Of some calls, after two that are not counted."""
    taken = []
    for _ in range(times + 2):
        begun = time.monotonic()
        work()
        taken.append(time.monotonic() - begun)
    return statistics.median(taken[2:])


def peak(precision: str) -> float:
    """10^9 multiply-adds a second of a product of two square matrices."""
    kind = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    a, b = (torch.full((SIDE, SIDE), 0.5, dtype=kind) for _ in range(2))
    return SIDE**3 / median_seconds(lambda: a @ b) / 1e9


def build(words: list[str], precision: str, folder: str) -> Any:
    """Data, family and trainer of a run that is thrown away."""
    own = [f"--run={folder}", f"--trainer.precision={precision}", "--trainer.limit_val_batches=0"]
    cli = suite([*words, *own, *as_measured(1)], run=False, measuring=True)
    cli.datamodule.epoch_images = cli.datamodule.batch_size * 10_000
    return cli


def costliest(words: list[str], precision: str, folder: str, batches: int) -> list[tuple[str, float]]:
    """The operations with the largest shares of the time of some steps, children not counted."""
    cli = build(words, precision, folder)
    cli.trainer.callbacks = [part for part in cli.trainer.callbacks if part.state_key == "EMA"]
    cli.trainer.limit_train_batches = batches
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        cli.trainer.fit(cli.model, cli.datamodule)
    rows = [row for row in seen.key_averages() if row.key.startswith("aten::")]
    whole = sum(row.self_cpu_time_total for row in seen.key_averages())
    rows.sort(key=lambda row: -row.self_cpu_time_total)
    return [(row.key.removeprefix("aten::"), row.self_cpu_time_total / whole) for row in rows[:COSTLIEST]]


def rate(words: list[str], precision: str, batches: int = 8) -> Rate:
    """Trains for some seconds."""
    with tempfile.TemporaryDirectory() as folder:
        cli = build(words, precision, folder)
        few, many = (training_cost(cli.model, example(cli.model, cli.datamodule, count))[0] for count in (2, 4))
        pace: Pace = measured(cli, 0)
        top = costliest(words, precision, folder, batches)
    images = cli.datamodule.batch_size / pace.batch_seconds
    gmacs = images * (many - few) / 2 / 1e9
    return Rate(precision, images, gmacs, peak(precision), peak_memory_gib(cli.model.device), top)


def told(found: Rate) -> str:
    """As a person reads it."""
    lines = [
        f"{found.precision}: {found.images_per_second:.0f} images/s, {found.gmacs_per_second:.1f} G multiply-adds/s, "
        f"{found.share:.0%} of the {found.peak_gmacs_per_second:.1f} G/s of a product of matrices; "
        f"{found.memory_gib:.1f} GiB at most"
    ]
    return "\n".join([*lines, *(f"  {share:6.1%}  {name}" for name, share in found.costliest)])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m anime_gen.bench.step", description=__doc__, allow_abbrev=False)
    parser.add_argument("family", type=Path, help="such as experiments/family/diffusion.yaml")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options, keys = parser.parse_known_args(arguments)
    if not options.family.is_file():
        raise UserError(f"step-bench: there is no file {options.family}; the families lie in experiments/family/")
    quiet()
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*no `val_dataloader`.*")
    words = ["-c", "experiments/shared.yaml", "-c", str(options.family), *keys]
    found = []
    print(f"{options.family.stem}, {torch.get_num_threads()} threads, as {torch.backends.cpu.get_cpu_capability()}")
    for precision in dict.fromkeys(("32-true", fastest_precision("cpu"))):
        found.append(rate(words, precision))
        print(told(found[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps([one._asdict() for one in found], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
