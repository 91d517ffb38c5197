"""`anime-gen studio RUN...`: a page where anybody asks trained runs for faces."""

from __future__ import annotations

import argparse
import importlib.util
import os
import socket
from ipaddress import ip_address
from pathlib import Path

from anime_gen.cli.options import Options
from anime_gen.contract import UserError

NEEDED = ("starlette", "uvicorn", "websockets")


def main(verb: str, arguments: list[str]) -> None:
    """Serves until Ctrl-C.

    Raises:
        UserError: packages are missing, a run cannot be loaded, or the address is taken.
    """
    parser = Options(
        "anime-gen studio",
        "such as anime-gen studio runs/diffusion/NAME",
        description="Serves a page on which anybody asks these runs for faces, compares them, draws and translates.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders, or .ckpt files")
    parser.add_argument("--port", type=int, default=7860, help="0 takes a free one (default: 7860)")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="127.0.0.1: this machine alone (default); 0.0.0.0: whoever can reach it over the network may draw, upload "
        "and vote, unencrypted",
    )
    parser.add_argument("--password", help="asked of everybody first; who is logged in on this machine can see it")
    parser.add_argument(
        "--votes",
        type=Path,
        default=Path("votes.sqlite"),
        help="file of blind votes (default: votes.sqlite); see anime-gen votes",
    )
    parser.add_argument("--checkpoint", default="best", help="best (by score) or last (default: best)")
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one (default: auto)")
    options = parser.parse_args(arguments)
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(f"studio: {', '.join(missing)} not installed: pip install {' '.join(missing)}")
    serve(options)


def serve(options: argparse.Namespace) -> None:
    """As `main`, where all that is needed is there."""
    import uvicorn

    from anime_gen.cli.quiet import quiet
    from anime_gen.studio.app import studio
    from anime_gen.studio.shelf import Shelf
    from anime_gen.studio.uploads import MOST_MESSAGE

    quiet()
    shelf = Shelf(options.runs, options.checkpoint, options.device)
    app = studio(shelf, options.votes, options.host, options.password)
    address = (options.host, options.port)
    try:
        door = socket.create_server(address, family=socket.AF_INET6 if ":" in options.host else socket.AF_INET)
    except (OSError, OverflowError) as reason:
        number = getattr(reason, "errno", None)
        why = os.strerror(number) if number and number > 0 else reason
        raise UserError(f"studio: {options.host}, port {options.port}: {why}; --port 0 takes a free one") from reason
    port = door.getsockname()[1]
    print(f"{len(shelf.names)} run(s): http://localhost:{port}/   Ctrl-C ends it", flush=True)
    if not local(options.host):
        guard = (
            "who knows the password" if options.password else "anybody who can reach it (--password asks for a word)"
        )
        print(f"Open to the network by this machine's address and port {port}, unencrypted: {guard}", flush=True)
    config = uvicorn.Config(
        app, log_level="warning", ws="websockets-sansio", ws_max_size=MOST_MESSAGE, server_header=False
    )
    uvicorn.Server(config).run(sockets=[door])


def local(host: str) -> bool:
    """Whether it is this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
