"""Trains a run of a study in a process of its own, which a signal reaches."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from anime_gen.run.folder import RunFolder
from anime_gen.studies.ledger import Entry, write_entry
from anime_gen.studies.plan import Job


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
    begun = RunFolder(job.folder).is_run
    words = ["resume", str(job.folder)] if begun else ["fit", *job.words, "--run", str(job.folder)]
    write_entry(job, entry)
    process = subprocess.Popen([sys.executable, "-m", "anime_gen", *words])
    with passed_on(process) as came:
        status = process.wait()
    entry = Entry(job.words, status == 0, entry.seconds + time.monotonic() - began)
    write_entry(job, entry)
    if came or status == 130:
        raise KeyboardInterrupt
    return entry
