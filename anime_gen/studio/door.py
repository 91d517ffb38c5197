"""Who may come in: only pages of this studio itself, and with `--password` only who knows it.

A page elsewhere can make a browser send requests to localhost. It cannot make it lie about the page's own origin, nor
(by a name of its own that leads to 127.0.0.1) about the name it asked for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "anime_gen_studio"
LOGIN = "/login"
OPEN = (LOGIN, "/static/style.css")
# Bytes of the longest password form.
FORM = 4096
# Seconds that a wrong password costs; one is tried at a time.
WRONG = 1.0

# Nothing from elsewhere is loaded, and no other page shows this one in a frame.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

ASK = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Studio: password</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/static/style.css">
<main class="login"><h1>anime_gen studio</h1><form method="post" action="/login">
<label>Password <input type="password" name="password" autocomplete="current-password" autofocus required></label>
<button class="primary">Come in</button><p role="alert">{said}</p></form></main></html>"""


def own_names(host: str) -> frozenset[str]:
    """What this machine may be called in an address, beside its numbers."""
    here = socket.gethostname().lower()
    return frozenset({"localhost", host.lower(), here, f"{here}.local"})


class Door:
    """In front of the studio.

    Args:
        studio: what lies behind.
        names: see `own_names`. Numbers are always let in: no foreign page has one as its name.
        password: None: none is asked for.
    """

    def __init__(self, studio: ASGIApp, names: frozenset[str], password: str | None = None) -> None:
        self._studio = studio
        self._names = names
        self._password = password
        self._ticket = secrets.token_urlsafe()
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._studio(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            await refuse(f"this studio is not called {host!r}: open it by the address it has printed", scope, send)
        elif scope["type"] == "websocket" and urlsplit(headers.get("origin", "")).netloc != host:
            await refuse("only the studio's own page may talk to it", scope, send)
        elif self._password is not None and scope["path"] == LOGIN:
            await (await self._login(Request(scope, receive)))(scope, receive, send)
        elif self._password is not None and scope["path"] not in OPEN and not self._has_ticket(headers):
            if scope["type"] == "websocket":
                await refuse("the password is asked for first", scope, send)
            else:
                await RedirectResponse(LOGIN, 303)(scope, receive, send)
        else:
            await self._studio(scope, receive, with_policy(send))

    def _is_ours(self, host: str) -> bool:
        name = urlsplit(f"//{host}").hostname or ""
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._names
        return True

    def _has_ticket(self, headers: Headers) -> bool:
        try:
            shown = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return shown is not None and secrets.compare_digest(shown.value.encode(), self._ticket.encode())

    async def _login(self, request: Request) -> Response:
        said = ""
        if request.method == "POST":
            form = b""
            async for part in request.stream():
                form += part
                if len(form) > FORM:
                    return PlainTextResponse("that is no password", 413)
            [word] = parse_qs(form.decode(errors="replace")).get("password", [""])[:1]
            async with self._one_at_a_time:
                if secrets.compare_digest(word.encode(), (self._password or "").encode()):
                    entered = RedirectResponse("/", 303)
                    entered.set_cookie(COOKIE, self._ticket, httponly=True, samesite="strict")
                    return entered
                await asyncio.sleep(WRONG)
            said = "That is not the password."
        return HTMLResponse(ASK.format(said=said), 403 if said else 200, {"content-security-policy": POLICY})


async def refuse(reason: str, scope: Scope, send: Send) -> None:
    """Status 403 and a line."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 4403, "reason": reason})
        return

    async def receive() -> Message:
        return {"type": "http.request"}

    await PlainTextResponse(f"{reason}\n", 403)(scope, receive, send)


def with_policy(send: Send) -> Send:
    """Answers say what the page may load, and are asked for anew: the next studio at this address may be another."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = POLICY
            headers["cache-control"] = "no-cache"
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "no-referrer"
        await send(message)

    return sent
