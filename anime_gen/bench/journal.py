"""Measurements one after the other within a given time; each is kept as soon as it is there, whatever comes after."""

from __future__ import annotations

import gc
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from anime_gen.cli import mistake
from anime_gen.files import write_text

# As early as can be: what is imported takes its time, too.
BEGAN = time.monotonic()


class Late(Exception):
    """A part has had its time."""


class Part(NamedTuple):
    """One measurement: what it is called, the seconds that it usually takes and may take, and how it is made."""

    name: str
    usually: float
    at_most: float
    work: Callable[[], Any]


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raises Late within, when the time is over. A timer that was set before goes on."""

    def ring(number: int, frame: object) -> None:
        raise Late(f"took longer than {seconds:.0f} s")

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    others, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if others:
            signal.setitimer(signal.ITIMER_REAL, max(0.01, others - (time.monotonic() - began)))


def first_line(error: BaseException) -> str:
    """An error in one line: the user's mistake behind it, where there is one."""
    error = mistake(error) or error
    text = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {text}"[:200].removesuffix(": ")


class Journal:
    """What has been found so far, in two files.

    Args:
        path: of the files, without what their names end in.
        machine: device, driver and versions.
        table: makes Markdown of what has been found.
    """

    def __init__(self, path: Path, machine: dict[str, Any], table: Callable[[dict[str, Any]], str]) -> None:
        self.path = path
        self.table = table
        self.found: dict[str, Any] = {
            "machine": machine,
            "seconds": 0.0,
            "parts": {},
            "took": {},
            "failed": {},
            "left_out": [],
        }

    def save(self) -> None:
        self.found["seconds"] = round(time.monotonic() - BEGAN, 1)
        for suffix, text in ((".json", json.dumps(self.found, indent=1) + "\n"), (".md", self.table(self.found))):
            write_text(self.path.with_suffix(suffix), text)

    def run(self, parts: list[Part], seconds: float) -> None:
        """Does one part after the other while there is time for it; counted from when this program began."""
        for part in parts:
            began = time.monotonic()
            left = seconds - (began - BEGAN)
            if left < part.usually:
                self.found["left_out"].append(part.name)
                self.save()
                continue
            print(f"{began - BEGAN:5.0f} s  {part.name}", file=sys.stderr, flush=True)
            try:
                with limit(min(part.at_most, left)):
                    self.found["parts"][part.name] = part.work()
            except Exception as error:
                self.found["failed"][part.name] = first_line(error)
                print(f"         {first_line(error)}", file=sys.stderr, flush=True)
            self.found["took"][part.name] = round(time.monotonic() - began, 1)
            freed()
            self.save()


def freed() -> None:
    """Gives the card's memory back, also that of what has failed."""
    import torch  # what takes notes begins before it is loaded

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
