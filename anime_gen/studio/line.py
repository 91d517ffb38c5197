"""The line that all wishes wait in: models are at work in one thread, never in the event loop, one wish at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from anime_gen.contract import UserError

log = logging.getLogger(__name__)


class Tell(Protocol):
    """Says something to whoever wished. Raises `Cancelled` where nobody listens any more: call it often."""

    def __call__(self, event: str, **content: Any) -> None: ...


type Work = Callable[[Tell], None]
type Hear = Callable[[dict[str, Any]], None]


class Cancelled(Exception):
    """Nobody waits for this."""


class Job:
    """One wish: its work, and who hears of it (in the event loop)."""

    def __init__(self, work: Work, hear: Hear) -> None:
        self._work = work
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self.cancelled = False

    def say(self, event: str, **content: Any) -> None:
        """In the event loop. A cancelled job is silent."""
        if not self.cancelled:
            self._hear({"event": event, **content})

    def tell(self, event: str, **content: Any) -> None:
        """As `Tell`, from the thread of models."""
        if self.cancelled:
            raise Cancelled
        self._loop.call_soon_threadsafe(lambda: self.say(event, **content))

    def run(self) -> None:
        """In the thread of models, once. Whatever goes wrong is told in one line and stops nobody else."""
        work = self._work
        del self._work  # and with it the picture that came along
        try:
            work(self.tell)
            self.tell("done")
        except Cancelled:
            pass
        except Exception as reason:
            expected = isinstance(reason, UserError)
            if not expected:
                log.exception("a wish has failed")
            said = " ".join(str(reason).split()) if expected else "something went wrong here; the terminal says what"
            self._loop.call_soon_threadsafe(lambda: self.say("error", text=said))


class Line:
    """First come, first served."""

    def __init__(self) -> None:
        self._jobs: list[Job] = []  # the first is at work
        self._thread = ThreadPoolExecutor(1, "models")

    def join(self, job: Job) -> None:
        """At the end."""
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._begin()
        else:
            job.say("waiting", ahead=len(self._jobs) - 1)

    def leave(self, job: Job) -> None:
        """Work that has begun ends at its next word."""
        job.cancelled = True
        if job in self._jobs[1:]:
            self._jobs.remove(job)
            self._tell_places()

    def close(self) -> None:
        """Ends what is at work, and forgets the rest."""
        for job in self._jobs:
            job.cancelled = True
        del self._jobs[1:]
        self._thread.shutdown(wait=True)

    def _begin(self) -> None:
        job = self._jobs[0]
        job.say("begun")
        done = asyncio.get_running_loop().run_in_executor(self._thread, job.run)
        done.add_done_callback(lambda _: self._next())

    def _next(self) -> None:
        del self._jobs[0]
        if self._jobs:
            self._begin()
            self._tell_places()

    def _tell_places(self) -> None:
        for ahead, job in enumerate(self._jobs):
            if ahead:
                job.say("waiting", ahead=ahead)
