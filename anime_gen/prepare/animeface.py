"""animeface: a classical detector of real anime faces that needs no download but its package.

It reads Pillow's memory, and with Pillow 12 and newer it finds nothing and says nothing. So it runs in an environment
of its own, made on demand in the cache, and shows at the start that it finds a face that is there.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.data.cache import cache_root
from anime_gen.prepare.detector import Detector
from anime_gen.prepare.face import Face, Point, without_doubles

_PINS = Path(__file__).with_name("animeface.txt")
_FINDER = Path(__file__).with_name("animeface_finder.py")
# A face of the painter's of which animeface is certain: seed and number.
_KNOWN = (0, 2)


class Seen(NamedTuple):
    """A face, and its nose, the middle of its mouth and its chin, in the picture's pixels."""

    face: Face
    nose: Point
    mouth: Point
    chin: Point


class AnimeFace(Detector):
    """animeface 2 (nagadomi's detector): boxes and eyes.

    A picture is searched at most `side` pixels wide or high: what is a face in it is found from about a twentieth of
    that on. The time it takes grows with the square of the side.
    """

    def __init__(self, side: int = 1024, least: float = 0.5) -> None:
        """Args:
        side: pixels to which a larger picture is reduced for the search.
        least: how sure it must be of a face.
        """
        if side < 64:
            raise UserError(f"--detector.side {side}: at least 64")
        self.side = side
        self.least = least

    def check(self) -> None:
        from anime_gen.painter import render, sample_face

        found = self.find(render(sample_face(*_KNOWN), 256))
        self._end()
        if not found:
            raise UserError(
                f"animeface in {environment()} finds no face in a picture of one: delete that folder and start again"
            )

    def find(self, picture: np.ndarray) -> list[Face]:
        return without_doubles([one.face for one in self.look(picture)])

    def look(self, picture: np.ndarray) -> list[Seen]:
        """All that it tells, of every face that it is sure of; one face may be there twice.

        Args:
            picture: uint8 (height, width, 3), RGB, upright.
        """
        image = Image.fromarray(picture)
        factor = max(1.0, max(image.size) / self.side)
        if factor > 1:
            image = image.resize([max(1, round(part / factor)) for part in image.size], Image.Resampling.BOX)
        # The rounding of the sides is no part of the factor: they differ.
        across, down = picture.shape[1] / image.width, picture.shape[0] / image.height

        def place(told: list[float]) -> Point:
            x, y, width, height = (*told, 0.0, 0.0)[:4]
            return Point((x + width / 2) * across, (y + height / 2) * down)

        seen = []
        for told in self._ask(image):
            if told["likelihood"] >= self.least:
                left, top, width, height = told["face"]
                box = (left * across, top * down, width * across, height * down)
                face = Face(*box, told["likelihood"], place(told["left_eye"]), place(told["right_eye"]))
                seen.append(Seen(face, *(place(told[name]) for name in ("nose", "mouth", "chin"))))
        return seen

    def describe(self) -> dict[str, Any]:
        return {"class": "AnimeFace", "pins": hashlib.sha256(_PINS.read_bytes()).hexdigest()[:16], "side": self.side,
                "least": self.least}  # fmt: skip

    def _ask(self, image: Image.Image) -> list[dict[str, Any]]:
        finder = self._finder
        assert finder.stdin is not None
        assert finder.stdout is not None
        try:
            finder.stdin.write(f"{image.width} {image.height}\n".encode() + image.tobytes())
            finder.stdin.flush()
            answer = finder.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            self.__dict__.pop("_finder")  # the next picture gets a new one
            raise BrokenPipeError(errno.EPIPE, f"animeface ended on it (exit code {finder.wait()})")
        return json.loads(answer)

    def _end(self) -> None:
        # A process that is forked from this one must not talk with the same finder.
        finder = self.__dict__.pop("_finder", None)
        if finder is not None:
            finder.communicate()

    @cached_property
    def _finder(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([python(), "-I", _FINDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_finder"}


def environment() -> Path:
    """Where animeface lives: another folder for other pins or another Python."""
    key = hashlib.sha256(_PINS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    return cache_root() / "animeface" / key


def python() -> Path:
    """The Python that has animeface; its environment is made where there is none.

    Raises:
        UserError: it cannot be made.
    """
    place = environment()
    found = place / "bin" / "python"
    complete = place / ".complete"
    if complete.exists():
        return found
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        # Another run may be at it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            _make(place)
            complete.touch()
    return found


def _make(place: Path) -> None:
    print("making a small environment for animeface (once, some seconds) ...", file=sys.stderr)
    shutil.rmtree(place, ignore_errors=True)
    commands: tuple[list[str | Path], ...] = (
        [sys.executable, "-m", "venv", place],
        [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
         "--only-binary", ":all:", "-r", _PINS],
    )  # fmt: skip
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise UserError(
                f"animeface cannot be installed in {place} ({reason[-1] if reason else done.returncode}): mend that, "
                "or name another --detector"
            )
