"""Where derived data is kept, and what is said when that place cannot be written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anime_gen.contract import UserError
from anime_gen.files import write_text


def cache_root(chosen: Path | None = None) -> Path:
    """`chosen`, else $ANIME_GEN_CACHE, else $XDG_CACHE_HOME/anime_gen, else ~/.cache/anime_gen."""
    if chosen is not None:
        return Path(chosen).expanduser().absolute()
    if ours := os.environ.get("ANIME_GEN_CACHE"):
        return Path(ours).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "anime_gen"


@contextmanager
def writing(place: Path, needed: int = 0) -> Iterator[None]:
    """Turns what can go wrong with a disk into a line for the user.

    Args:
        place: what is being written, named in the message.
        needed: bytes about to be written, named in the message where they are known.
    """
    try:
        yield
    except OSError as error:
        room = f"free {needed / 1e6:.0f} MB there" if needed else "make it writable"
        raise UserError(
            f"cannot write the data cache at {place} ({error.strerror or error}): {room}, or name another folder with "
            "data.cache_dir or $ANIME_GEN_CACHE"
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that a reader sees all of it or none.

    Raises:
        UserError: it cannot be written.
    """
    with writing(path):
        write_text(path, text)
