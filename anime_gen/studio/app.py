"""The studio as a web application: a page, its files, and a WebSocket for all that is wished for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from anime_gen.contract import UserError
from anime_gen.studio import faces
from anime_gen.studio.blind import Booth
from anime_gen.studio.compare import compare
from anime_gen.studio.door import Door, own_names
from anime_gen.studio.line import Line, Tell
from anime_gen.studio.shelf import Shelf
from anime_gen.studio.talk import Talk, Verb
from anime_gen.studio.translation import translate

STATIC = Path(__file__).resolve().parent / "static"


def runs(shelf: Shelf, message: Mapping[str, Any], tell: Tell) -> None:
    """Tells `run` of each run: what it can be asked; or `broken`: why it cannot be opened."""
    for name in shelf.names:
        tell("step", text=f"opening {name}")
        try:
            tell("run", **shelf.describe(name))
        except UserError as reason:
            tell("broken", name=name, text=str(reason))


def studio(shelf: Shelf, votes: Path, host: str = "127.0.0.1", password: str | None = None) -> ASGIApp:
    """The application, behind its door.

    Raises:
        UserError: `votes` is no file of votes.
    """
    line, booth = Line(), Booth(shelf, votes)
    verbs: dict[str, Verb] = {
        "runs": partial(runs, shelf),
        "ask": partial(faces.draw, shelf),
        "place": partial(faces.draw, shelf),
        "draw": partial(faces.draw, shelf),
        "compare": partial(compare, shelf),
        "translate": partial(translate, shelf),
        "pair": booth.pair,
        "vote": booth.vote,
        "ranking": booth.ranking,
    }

    async def page(request: Request) -> FileResponse:
        return FileResponse(STATIC / "index.html")

    async def talk(socket: WebSocket) -> None:
        await Talk(socket, line, verbs, {"runs": shelf.known}).hold()

    @asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        yield
        line.close()

    routes = [Route("/", page), WebSocketRoute("/talk", talk), Mount("/static", StaticFiles(directory=STATIC))]
    return Door(Starlette(routes=routes, lifespan=life), own_names(host), password)
