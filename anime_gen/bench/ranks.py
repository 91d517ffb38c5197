"""What further processes are worth: `make ranks-bench`.

One process and several train the same batches in turn, as `anime-gen fit` does it, each on one thread where there is no
card. A batch is shared by all ranks, so that of two each has half of it. The efficiency is what several draw of
pictures a second, over as many times what one does: 1 where nothing is lost to their meetings and to smaller batches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from tabulate import tabulate

from anime_gen.bench.training import WARM_UP, synchronised
from anime_gen.contract import GenerativeModule, UserError

SHARED = Path("experiments/shared.yaml")


class Pace(L.Callback):
    """Writes pictures a second, of all ranks together, into a file, and ends the training.

    Args:
        file: that is written.
        batches: that are timed, after those in which the processor's and the allocator's caches fill.
    """

    def __init__(self, file: Path, batches: int) -> None:
        self.file = file
        self.batches = batches
        self._seen = 0
        self._images = 0  # shown when the clock was first read
        self._began = 0.0

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: GenerativeModule, *rest: Any) -> None:
        self._seen += 1
        if self._seen == WARM_UP + pl_module.period:
            self._images, self._began = pl_module.images_shown, synchronised(pl_module.device)
        elif self._seen == WARM_UP + pl_module.period + self.batches:
            seconds = synchronised(pl_module.device) - self._began
            if trainer.is_global_zero:
                self.file.write_text(str((pl_module.images_shown - self._images) / seconds))
            trainer.should_stop = True


def paced(family: Path, devices: int, batches: int, keys: Sequence[str], folder: Path) -> float:
    """Pictures a second of a training on so many devices.

    Raises:
        UserError: it did not come to its end; the last line of what it said.
    """
    file = folder / "pace"
    file.unlink(missing_ok=True)
    words = [
        "-c", SHARED, "-c", family, "--run", folder / f"run-{time.monotonic_ns()}", f"--trainer.devices={devices}",
        "--trainer.limit_val_batches=0", "--data.epoch_images=1048576", *keys,
        "--trainer.callbacks+=anime_gen.bench.ranks.Pace", f"--trainer.callbacks.file={file}",
        f"--trainer.callbacks.batches={batches}",
    ]  # fmt: skip
    command = [sys.executable, "-m", "anime_gen", "fit", *map(str, words)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=one_thread, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if not file.exists():
        raise UserError(f"{family.stem} on {devices} devices: {(done.stderr.splitlines() or ['no word'])[-1]}")
    return float(file.read_text())


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", type=Path, nargs="+", help="such as experiments/family/dcgan.yaml")
    parser.add_argument("--devices", type=int, default=2, help="of the several (2)")
    parser.add_argument("--rounds", type=int, default=3, help="one and several in turn, so many times (3)")
    parser.add_argument("--batches", type=int, default=20, help="that are timed in each (20)")
    told, keys = parser.parse_known_args(words)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for family in told.family:
            rounds = [
                [paced(family, devices, told.batches, keys, Path(folder)) for devices in (1, told.devices)]
                for _ in range(told.rounds)
            ]
            one, several = (statistics.median(rates) for rates in zip(*rounds, strict=True))
            efficiency = statistics.median(many / one / told.devices for one, many in rounds)
            rows.append((family.stem, one, several, efficiency))
    print(tabulate(rows, ["family", "one, pictures/s", f"{told.devices}, pictures/s", "efficiency"], floatfmt=".3g"))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as reason:
        sys.exit(str(reason))
