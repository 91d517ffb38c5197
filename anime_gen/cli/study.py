"""`anime-gen study FILE [keys]`: trains every run of an experiment file that is not done yet, then compares them.

    title: does the transformer beat the U-Net?
    seeds: [0, 1, 2]
    at: images                                                # what is equal in the comparison, as in `compare --at`
    overlay: {data.epoch_images: 32000}                       # keys of every run
    runs:
      unet: {family: diffusion}
      dit: {family: dit, set: {model.network.depth: 12}}      # keys of one

Each run is an `anime-gen fit` in a process of its own, one after the other, in <out>/<name>/<seed>.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from anime_gen.cli import main as anime_gen
from anime_gen.cli import mistake
from anime_gen.cli.train import OneLineParser, quiet, suite
from anime_gen.contract import UserError
from anime_gen.files import write_text
from anime_gen.reports.matching import At
from anime_gen.run import RunFolder

EXPERIMENTS = Path("experiments")


@dataclass(frozen=True)
class Variant:
    """What one name of a study stands for: a YAML of experiments/family/, and keys that change it."""

    family: str
    set: dict[str, Any] = field(default_factory=dict)

    @property
    def yaml(self) -> Path:
        return EXPERIMENTS / "family" / f"{self.family}.yaml"


@dataclass(frozen=True)
class Study:
    """An experiment file: every variant is trained with every seed. Keys are those of `anime-gen fit`."""

    title: str
    runs: dict[str, Variant]
    seeds: list[int] = field(default_factory=lambda: [0])
    at: At = At.images
    overlay: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One run of a study: where it lies, and the words of its `anime-gen fit` but for that place."""

    name: str
    seed: int
    folder: Path
    words: list[str]

    def __str__(self) -> str:
        return f"{self.name}, seed {self.seed}"


@dataclass(frozen=True)
class Entry:
    """What the ledger says of a run: its words, whether it has ended well, and its wall seconds over all sittings."""

    words: list[str]
    done: bool = False
    seconds: float = 0.0


def read_study(path: Path) -> Study:
    """Raises: UserError: no such file, a key or a family that there is not, or nothing to run."""
    parser = OneLineParser(exit_on_error=False)
    parser.add_class_arguments(Study)
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise UserError(f"{path}: {reason.strerror}; experiment files lie in {EXPERIMENTS}/") from reason
    except yaml.YAMLError as reason:
        raise UserError(f"{path} is no YAML: {' '.join(str(reason).split())}") from reason
    if not isinstance(written, dict):
        raise UserError(f"{path} is no experiment file: it has title, seeds, overlay and runs")
    try:
        checked = parser.parse_object(copy.deepcopy(written))
    except UserError as reason:
        raise UserError(f"{path}: {reason}") from reason
    # Keys are taken as they are written: what a key may be is for `fit` to say.
    runs = {name: Variant(own["family"], own.get("set", {})) for name, own in written["runs"].items()}
    study = Study(checked.title, runs, checked.seeds, checked.at, written.get("overlay", {}))
    for name, variant in study.runs.items():
        if not variant.yaml.exists():
            there = ", ".join(sorted(yaml.stem for yaml in variant.yaml.parent.glob("*.yaml")))
            raise UserError(f"{path}: runs.{name}.family: there is no {variant.yaml}; there are: {there}")
        if Path(name).name != name:
            raise UserError(f"{path}: runs.{name}: a name becomes a folder, so it has no slash")
    if not study.runs or not study.seeds or len(set(study.seeds)) < len(study.seeds):
        raise UserError(f"{path}: give at least one run and one seed, and each seed once")
    return study


def as_words(keys: Mapping[str, Any]) -> list[str]:
    """{"model.landmarks": None} -> ["--model.landmarks=null"]: as they are typed on the command line."""
    return [f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in keys.items()]


def plan(study: Study, out: Path, more: Sequence[str] = ()) -> list[Job]:
    """Every variant with the first seed, then with the next, so that a study cut short is a fair one of fewer seeds.

    Args:
        study: what to run.
        out: the study's folder.
        more: further words for every run; they win.
    """
    jobs = []
    for seed in study.seeds:
        for name, variant in study.runs.items():
            words = [f"--config={EXPERIMENTS / 'shared.yaml'}", f"--config={variant.yaml}"]
            words += [*as_words(study.overlay), *as_words(variant.set), *more]
            words += as_words({"seed_everything": seed, "data.seed": seed})
            jobs.append(Job(name, seed, out / name / str(seed), words))
    return jobs


def read_entry(job: Job) -> Entry:
    """The run's entry; a new one where there is none.

    Raises:
        UserError: the folder holds another run than this job's.
    """
    run = RunFolder(job.folder)
    if run.ledger.exists():
        entry = Entry(**json.loads(run.ledger.read_text(encoding="utf-8")))
        if entry.words != job.words:
            changed = sorted(set(entry.words) ^ set(job.words)) or ["the order of the keys"]
            raise UserError(
                f"{job.folder} was trained with other settings ({', '.join(changed)}): "
                "give the study another folder with --out, or move that one away"
            )
        return entry
    if run.is_run:
        raise UserError(f"{job.folder} holds a run that no study has started: give another folder with --out")
    return Entry(job.words)


def write_entry(job: Job, entry: Entry) -> None:
    """A crash leaves the old entry or the new one."""
    write_text(RunFolder(job.folder).ledger, json.dumps(vars(entry), indent=1) + "\n")


def seconds_left(todo: Sequence[Job], entries: Mapping[Path, Entry], jobs: Sequence[Job]) -> float | None:
    """What `todo` will take: the mean time of its variants' finished runs, or of all where a variant has none.

    None before any run has finished.
    """
    took = [(job.name, entries[job.folder].seconds) for job in jobs if entries[job.folder].done]
    if not took:
        return None
    total = 0.0
    for job in todo:
        alike = [seconds for name, seconds in took if name == job.name] or [seconds for _, seconds in took]
        total += max(0.0, sum(alike) / len(alike) - entries[job.folder].seconds)
    return total


@contextmanager
def passed_on(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """A signal ends the run, which saves itself, and not this process; yields the signals that have come.

    A terminal sends its Ctrl-C to both; SIGTERM is passed on.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGTERM:
            process.terminate()

    handlers = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def train(job: Job, entry: Entry) -> Entry:
    """Runs the job from its last checkpoint, or from the beginning where there is none.

    Raises:
        KeyboardInterrupt: it was stopped from outside; the ledger is up to date.
    """
    began = time.monotonic()
    if RunFolder(job.folder).last.exists():
        words = ["resume", str(job.folder)]
    else:
        if job.folder.exists():  # stopped before its first save: nothing to go on from
            shutil.rmtree(job.folder)
        words = ["fit", *job.words, "--run", str(job.folder)]
    write_entry(job, entry)
    process = subprocess.Popen([sys.executable, "-m", "anime_gen", *words])
    with passed_on(process) as came:
        status = process.wait()
    entry = Entry(job.words, status == 0, entry.seconds + time.monotonic() - began)
    write_entry(job, entry)
    if came or status == 130:
        raise KeyboardInterrupt
    return entry


def try_settings(jobs: Sequence[Job]) -> None:
    """Builds every variant once, so that a mistake in the last one is found before the first has trained for hours.

    Raises:
        UserError: which variant, and what is wrong with it.
    """
    for name, job in {job.name: job for job in reversed(jobs)}.items():
        try:
            suite([*job.words, "--run", str(job.folder)], run=False)
        except Exception as error:
            reason = mistake(error)
            if reason is None:
                raise
            raise UserError(f"runs.{name}: {reason}") from error


def clock(seconds: float) -> str:
    """75 -> "0:01:15"."""
    return str(timedelta(seconds=round(seconds)))


def parse(arguments: list[str]) -> tuple[Path, Path, list[str]]:
    """The file, the study's folder, and keys for every run."""
    parser = argparse.ArgumentParser(prog="anime-gen study", description=__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("file", type=Path, help="such as experiments/compare.yaml")
    parser.add_argument("--out", type=Path, help="the study's folder (default: runs/<the file's name>)")
    if not arguments:
        raise UserError("study: name an experiment file, such as experiments/compare.yaml")
    options, keys = parser.parse_known_args(arguments)
    return options.file, options.out or Path("runs") / options.file.stem, keys


def main(verb: str, arguments: list[str]) -> None:
    """Plans, tries every variant's settings, trains what is not done, compares what is.

    Raises:
        UserError: the file or a variant's settings are wrong (before anything is trained), or some runs have failed
            (after the others have been trained and compared).
    """
    quiet()
    file, out, more = parse(arguments)
    study = read_study(file)
    jobs = plan(study, out, more)
    entries = {job.folder: read_entry(job) for job in jobs}
    todo = [job for job in jobs if not entries[job.folder].done]
    print(f"{study.title}\n{len(study.runs)} variants x {len(study.seeds)} seeds in {out}/:", flush=True)
    for job in jobs:
        entry = entries[job.folder]
        state = f"done in {clock(entry.seconds)}" if entry.done else "to go on with" if entry.seconds else "to do"
        print(f"  {job}: {state}")
    try_settings(todo)
    failed = []
    for number, job in enumerate(todo):
        left = seconds_left(todo[number:], entries, jobs)
        expected = "" if left is None else f"; about {clock(left)} left"
        print(f"\n== {number + 1} of {len(todo)}: {job}{expected}", flush=True)
        entries[job.folder] = entry = train(job, entries[job.folder])
        if not entry.done:
            failed.append(str(job))
            print(f"== {job} has failed after {clock(entry.seconds)}", file=sys.stderr, flush=True)
    done = [str(job.folder) for job in jobs if entries[job.folder].done]
    if done and anime_gen(["compare", *done, "--at", study.at.value, "--out", str(out / "comparison")]):
        failed.append("the comparison")
    if failed:
        raise UserError(f"study: failed: {'; '.join(failed)} (said above); the same command tries again")
