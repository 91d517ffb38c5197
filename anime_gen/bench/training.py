"""What training costs: the one place that takes the time of a family's steps, counts them and looks at their memory.

The steps are a run's own: its data, optimisers, clipping, moving average and loop.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import lightning as L
import torch
from torch.profiler import ProfilerActivity, profile

from anime_gen.callbacks import EMA, Curves, Divergence
from anime_gen.callbacks.curves import peak_memory_gib
from anime_gen.cli.describe import counter
from anime_gen.cli.pace import as_measured
from anime_gen.cli.quiet import quiet
from anime_gen.cli.train import SuiteCLI, suite
from anime_gen.contract import GenerativeModule
from anime_gen.noise import normal

# What a run does at every batch; the other callbacks speak, save or score.
EVERY_BATCH = (EMA, Curves, Divergence)
# Batches between the one that is counted, or the whole period of them, and the first that is timed.
WARM_UP = 2
# The clock is read when an accelerator has done all it was given: not so often that it has to wait for its next work.
LAP_BATCHES = 10
LEAST_LAPS = 3
# Batches of which the operations are told apart.
PROFILED = 4
COSTLIEST = 10
# Products of matrices that stand for the peak: their side on each kind of device, and how many are taken.
SIDES = {"cpu": 2048, "cuda": 8192}
PRODUCTS = 7


class Cost(NamedTuple):
    """Of one family's training, in one precision."""

    precision: str
    batch_size: int
    batches: int  # that were timed
    images_per_second: float  # the median lap's
    gmacs_per_second: float  # 10^9 multiply-adds
    memory_gib: float
    costliest: list[tuple[str, float]]  # operation, its share of the time without what it calls; empty: not asked for


def synchronised(device: torch.device) -> float:
    """Seconds on a clock, when the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()


class Watch(L.Callback):
    """Counts the arithmetic of one period of batches, times laps of whole periods, and ends the training.

    Args:
        seconds: to time for, and at least LEAST_LAPS laps; but no more than three times as long where there is one lap.
        profiled: tells the costliest operations apart, in further batches.
    """

    def __init__(self, seconds: float, profiled: bool = False) -> None:
        self.seconds = seconds
        self.profiled = profiled
        self.laps: list[float] = []
        self.lap_batches = 1
        self.macs = 0.0  # of a batch
        self.memory_gib = 0.0
        self.costliest: list[tuple[str, float]] = []
        self._batches = 0
        self._lap_began = 0.0
        self._profiled_from = 0
        self._counter = counter()
        self._profile: profile | None = None
        self._watching = ExitStack()  # of whichever of the two looks at every operation now

    def on_train_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        period, least = pl_module.period, LAP_BATCHES if pl_module.device.type == "cuda" else 1
        self.lap_batches = -(-least // period) * period
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)
        self._watching.enter_context(self._counter)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: GenerativeModule, *rest: Any) -> None:
        self._batches += 1
        if self._profile is not None:
            if self._batches - self._profiled_from == max(pl_module.period, PROFILED):
                self._watching.close()
                self.costliest = costliest(self._profile, pl_module.device)
                self._profile, trainer.should_stop = None, True
            return
        timed = self._batches - pl_module.period - WARM_UP
        if timed == -WARM_UP:
            self._watching.close()
            self.macs = self._counter.get_total_flops() / 2 / pl_module.period
        elif timed == 0:
            self._lap_began = synchronised(pl_module.device)
        elif timed > 0 and timed % self.lap_batches == 0:
            now = synchronised(pl_module.device)
            self.laps.append(now - self._lap_began)
            self._lap_began = now
            spent = sum(self.laps)
            if spent >= self.seconds and (len(self.laps) >= LEAST_LAPS or spent >= 3 * self.seconds):
                self._finish(trainer, pl_module)

    def _finish(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self.memory_gib = peak_memory_gib(pl_module.device)
        if not self.profiled:
            trainer.should_stop = True
            return
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if pl_module.device.type == "cuda" else [])]
        self._profiled_from, self._profile = self._batches, profile(activities=kinds)
        self._watching.enter_context(self._profile)

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._watching.close()  # or it would look at whatever is run next

    def cost(self, precision: str, batch_size: int) -> Cost:
        """What has been seen, of batches of so many pictures."""
        seconds = statistics.median(self.laps) / self.lap_batches
        return Cost(
            precision,
            batch_size,
            len(self.laps) * self.lap_batches,
            batch_size / seconds,
            self.macs / seconds / 1e9,
            self.memory_gib,
            self.costliest,
        )


def costliest(seen: profile, device: torch.device) -> list[tuple[str, float]]:
    """The operations with the largest shares of the device's time, calls of one name together, children not counted."""
    which = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows = [(row.key, float(getattr(row, which))) for row in seen.key_averages()]
    # On a card, what a kernel took is told of the kernel and of the operation that started it.
    operations = [(name.removeprefix("aten::"), took) for name, took in rows if name.startswith("aten::")]
    whole = sum(took for _, took in operations if device.type == "cuda") or sum(took for _, took in rows)
    operations.sort(key=lambda row: -row[1])
    return [(name, took / whole) for name, took in operations[:COSTLIEST]]


@contextmanager
def silence() -> Iterator[None]:
    """Within, Lightning does not say what is special about a run that nobody will keep."""
    quiet()
    warnings.filterwarnings("ignore", message=".*no `val_dataloader`.*")
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def build(words: list[str], folder: str, further: L.Callback) -> SuiteCLI:
    """Data, family and trainer of a run without an end and without scorings, to be thrown away.

    Args:
        words: of the command line, as `fit` takes them.
        folder: where the trainer may write.
        further: what looks on, after all that a run does at every batch; it must end the training.
    """
    own = [f"--run={folder}", "--trainer.limit_val_batches=0", *as_measured(1)]
    cli = suite([*words, *own], run=False, measuring=True)
    cli.datamodule.epoch_images *= cli.datamodule.batch_size
    callbacks: list[L.Callback] = cli.trainer.callbacks  # type: ignore[attr-defined]
    callbacks[:] = [*(part for part in callbacks if isinstance(part, EVERY_BATCH)), further]
    return cli


def cost(
    words: list[str],
    seconds: float,
    profiled: bool = False,
    prepare: Callable[[GenerativeModule], None] = lambda module: None,
) -> Cost:
    """Trains a family for some seconds.

    Args:
        words: of the command line, as `fit` takes them.
        seconds: to take the time of steps; building, counting and warming up come before.
        profiled: whether the costliest operations are wanted.
        prepare: what is done to the family before.
    """
    with silence(), tempfile.TemporaryDirectory() as folder:
        watch = Watch(seconds, profiled)
        cli = build(words, folder, watch)
        prepare(cli.model)
        cli.trainer.fit(cli.model, cli.datamodule)
    return watch.cost(str(cli.trainer.precision), cli.datamodule.batch_size)


def peak(precision: str, device: torch.device, side: int | None = None) -> float:
    """10^9 multiply-adds a second of a product of two square matrices, the median of some.

    Args:
        precision: a trainer's; in float32 a card may multiply in TF32, as its convolutions do.
        device: where.
        side: of the matrices; None: what fills the device.
    """
    side = SIDES[device.type] if side is None else side
    kind = torch.bfloat16 if precision.startswith("bf16") else torch.float32
    # Not of zeros or ones: a card that has less to switch draws less power, and runs faster.
    a, b = (normal(side, side, device=device).to(kind) for _ in range(2))
    exactly = torch.get_float32_matmul_precision()
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    taken = []
    for _ in range(PRODUCTS + 2):
        began = synchronised(device)
        a @ b
        taken.append(synchronised(device) - began)
    torch.set_float32_matmul_precision(exactly)
    return side**3 / statistics.median(taken[2:]) / 1e9
