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
import sys
from collections.abc import Sequence
from pathlib import Path

from anime_gen.callbacks.progress import clock
from anime_gen.cli import main as anime_gen
from anime_gen.cli import mistake
from anime_gen.cli.quiet import quiet
from anime_gen.cli.train import suite
from anime_gen.contract import UserError
from anime_gen.settings.parser import OneLineParser
from anime_gen.studies.launch import train
from anime_gen.studies.ledger import read_entry, seconds_left
from anime_gen.studies.plan import Job, plan, read_study


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
    study = read_study(file, OneLineParser(exit_on_error=False))
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
