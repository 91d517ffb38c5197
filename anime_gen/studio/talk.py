"""One page's conversation with the studio, over a WebSocket.

The page sends {"id", "verb", ...}, and hears {"id", "event", ...} of it: `waiting` with how many are `ahead`, `begun`,
whatever the verb tells, and last `done`, or `error` with a `text` of one line. A new wish of a verb replaces the page's
former one of that verb, so that the newest stroke wins; {"id", "verb": "cancel", "of": VERB} only ends it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from anime_gen.studio.line import Job, Line, Tell

type Verb = Callable[[Mapping[str, Any], Tell], None]
# What is known without a model: the events of an answer; None: it must be worked out.
type Known = Callable[[], list[dict[str, Any]] | None]

# Unsent words to a page that reads slowly; beyond that it misses previews.
BEHIND = 64


class Talk:
    """With one page.

    Args:
        socket: to the page.
        line: that wishes wait in.
        verbs: what can be wished for.
        known: answers of some verbs that need not wait.
    """

    def __init__(self, socket: WebSocket, line: Line, verbs: Mapping[str, Verb], known: Mapping[str, Known]) -> None:
        self._socket = socket
        self._line = line
        self._verbs = verbs
        self._known = known
        self._jobs: dict[str, Job] = {}
        self._unsent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def hold(self) -> None:
        """Until the page goes away, and with it all it has wished for."""
        await self._socket.accept()
        sending = asyncio.create_task(self._send())
        try:
            while True:
                self._hear(await self._socket.receive_text())
        except (WebSocketDisconnect, KeyError):  # KeyError: bytes, which no page of ours sends
            pass
        finally:
            for job in self._jobs.values():
                self._line.leave(job)
            sending.cancel()

    def _hear(self, text: str) -> None:
        try:
            message = json.loads(text)
            number, name = message["id"], message["verb"]
        except (ValueError, TypeError, KeyError, RecursionError):
            self._say(None, {"event": "error", "text": "what the page sent is no wish; reload the page"})
            return
        former = self._jobs.pop(str(message.get("of") if name == "cancel" else name), None)
        if former is not None:
            self._line.leave(former)
        if name == "cancel":
            return
        verb = self._verbs.get(name) if isinstance(name, str) else None
        if verb is None:
            self._say(number, {"event": "error", "text": f"there is no {name!r} here; reload the page"})
            return
        answer = self._known[name]() if name in self._known else None
        if answer is not None:
            for event in [*answer, {"event": "done"}]:
                self._say(number, event)
            return
        self._jobs[name] = Job(partial(verb, message), partial(self._say, number))
        self._line.join(self._jobs[name])

    def _say(self, number: Any, event: dict[str, Any]) -> None:
        if event["event"] == "preview" and self._unsent.qsize() > BEHIND:
            return
        self._unsent.put_nowait({"id": number, **event})

    async def _send(self) -> None:
        with suppress(WebSocketDisconnect, RuntimeError):  # the page has gone; `hold` hears of it, too
            while True:
                await self._socket.send_text(json.dumps(await self._unsent.get()))
