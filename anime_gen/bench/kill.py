"""make kill-test: is a run that is killed at any moment, and gone on with, equal to one that was left alone?

Every family is trained small, once in peace and then N times with a `kill -9` at a random moment, in a step, a save, a
scoring or a grid, and half of the time another one while it goes on. Then weights, averages, optimisers, all else that
the last and the best checkpoint hold, scores, curves and grids are compared, bit for bit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from anime_gen.contract import UserError
from anime_gen.metrics.protocol import read
from anime_gen.run.checkpoints import read_checkpoint
from anime_gen.run.folder import RunFolder

SMALL = (
    "--data.source=anime_gen.data.PaintedFaces", "--data.source.faces=200", "--data.epoch_images=64",
    "--trainer.max_epochs=2", "--trainer.precision=32-true", "--trainer.accelerator=cpu",
)  # fmt: skip
# Pictures between saves, which divide no epoch; and no waiting between them.
EVERY_IMAGES, AT_LEAST_SECONDS, KEEP = 24, 0.0, 2
# What a clock or the machine decides; and where the styles are read from: of a run that goes on, from its checkpoint.
NOT_COMPARED = (
    "seconds", "spent", "time/", "memory/", "images_per_second", "peak_memory_gib", "hyper_parameters/style",
)  # fmt: skip


def typed(words: Sequence[str], said: str) -> None:
    """`anime-gen` in a child that has everything imported; what it says goes to a file."""
    from anime_gen.callbacks import Resume
    from anime_gen.cli import main

    Resume.__init__.__defaults__ = (EVERY_IMAGES, AT_LEAST_SECONDS, KEEP)
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    torch.set_num_threads(1)
    os._exit(main(list(words)))


class Family:
    """A family's small runs in a folder of their own.

    Args:
        yaml: its settings.
        folder: for its runs.
    """

    def __init__(self, yaml: Path, folder: Path) -> None:
        debug = Path("experiments/overlay/debug.yaml")
        self.words = ["-c", "experiments/shared.yaml", "-c", str(yaml), "-c", str(debug), *SMALL]
        self.folder = folder
        self.said = folder / "said.txt"
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["anime_gen.cli.train", "anime_gen.metrics.judge"])
        if "style: null" in yaml.read_text(encoding="utf-8"):
            styles = Family(yaml.with_name("stylegan2.yaml"), folder)
            styles.finish(styles.run("styles"))
            self.words.append(f"--model.style={folder / 'styles'}")

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.folder / name)

    def start(self, run: RunFolder) -> BaseProcess:
        """Begins a run, or goes on with it where it is begun: what a scheduler's line does."""
        words = ["resume", str(run.path)] if run.is_run else ["fit", *self.words, "--run", str(run.path)]
        process = self.context.Process(target=typed, args=(words, str(self.said)))
        process.start()
        return process

    def finish(self, run: RunFolder) -> float:
        """To the end; seconds from its first settings on.

        Raises:
            UserError: it ended otherwise.
        """
        process = self.start(run)
        began = _when_begun(run, process)
        process.join()
        if process.exitcode:
            raise UserError(f"{run.path} ended with status {process.exitcode}: see {self.said}")
        return time.monotonic() - began

    def kill(self, run: RunFolder, seconds: float) -> bool:
        """Starts it, and kills it so long after it has written its settings; whether that was before its end."""
        process = self.start(run)
        began = _when_begun(run, process)
        process.join(max(0.0, began + seconds - time.monotonic()))
        process.kill()
        process.join()
        return process.exitcode != 0


def _when_begun(run: RunFolder, process: BaseProcess) -> float:
    while not run.is_run and process.is_alive():
        time.sleep(0.005)
    return time.monotonic()


def contents(run: RunFolder) -> dict[str, Any]:
    """Everything of a run that a kill must not change, by a name that says what it is."""
    found: dict[str, Any] = {}
    for path in (run.last, run.best):
        found |= {f"{path.stem}/{name}": value for name, value in _leaves(read_checkpoint(path, mmap=False))}
    for number, record in enumerate(read(run.metrics)):
        found[f"scores/{number}/{record.name}"] = (record.nimg, record.value)
    events = EventAccumulator(str(run.path), size_guidance={"scalars": 0})
    events.Reload()
    for tag in events.Tags()["scalars"]:
        # What was written again after a resume stands in the place of what the killed run had written.
        found[f"curves/{tag}"] = {event.step: event.value for event in events.Scalars(tag)}
    found |= {f"{run.grids.name}/{path.name}": path.read_bytes() for path in run.grids.iterdir()}
    return {name: value for name, value in found.items() if not any(part in name for part in NOT_COMPARED)}


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(part, f"{name}/{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _leaves(part, f"{name}/{number}")
    else:
        yield name, value


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names of what is not equal, or only in one of them."""
    return [name for name in sorted({*one, *other}) if not _same(one.get(name), other.get(name))]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other)


def tried(family: Family, tries: int, chance: random.Random) -> tuple[int, list[str]]:
    """So many runs with kills; how many kills there were, and what differed, by run."""
    seconds = family.finish(family.run("whole"))
    whole = contents(family.run("whole"))
    kills, found = 0, list[str]()
    for number in range(tries):
        run = family.run(str(number))
        moments = [chance.uniform(0, seconds) for _ in range(1 + (chance.random() < 0.5))]
        kills += sum(family.kill(run, moment) for moment in moments)
        family.finish(run)
        found += [f"{run.path}: {name}" for name in differences(whole, contents(run))]
    return kills, found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m anime_gen.bench.kill", description=__doc__, allow_abbrev=False)
    parser.add_argument("family", type=Path, nargs="+", help="such as experiments/family/dcgan.yaml")
    parser.add_argument("--tries", type=int, default=20, help="runs that are killed, of each family (20)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--keep", type=Path, help="folder for the runs, which stay (default: they do not)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    differ = False
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'family':<22}{'runs':>5}{'kills':>7}{'seconds':>9}  differences", flush=True)
        for yaml in options.family:
            place = (options.keep or Path(folder)) / yaml.stem
            place.mkdir(parents=True, exist_ok=True)
            began = time.monotonic()
            kills, found = tried(Family(yaml, place), options.tries, random.Random(f"{options.seed} {yaml.stem}"))
            spent = time.monotonic() - began
            print(f"{yaml.stem:<22}{options.tries:>5}{kills:>7}{spent:>9.0f}  {len(found) or 'none'}", flush=True)
            for line in found[:5]:
                print(f"  {line}", flush=True)
            differ |= bool(found)
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
