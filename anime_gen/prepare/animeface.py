"""animeface: a classical detector of real anime faces that needs no download but its package.

It reads Pillow's memory, and with Pillow 12 and newer it finds nothing and says nothing. So it runs in an environment
of its own, made on demand in the cache, and shows at the start that it finds a face that is there.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.prepare.apart import Environment, ask
from anime_gen.prepare.detector import Detector
from anime_gen.prepare.face import Face, Point, without_doubles

ENVIRONMENT = Environment("animeface", Path(__file__).with_name("animeface.txt"))
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
            place = ENVIRONMENT.place
            raise UserError(
                f"animeface in {place} finds no face in a picture of one: delete that folder and start again"
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
        return {"class": "AnimeFace", "pins": ENVIRONMENT.digest, "side": self.side, "least": self.least}

    def _ask(self, image: Image.Image) -> list[dict[str, Any]]:
        try:
            return ask("animeface", self._finder, f"{image.width} {image.height}\n".encode() + image.tobytes())
        except BrokenPipeError:
            self.__dict__.pop("_finder")  # the next picture gets a new one
            raise

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


def python() -> Path:
    """The Python that has animeface; its environment is made where there is none.

    Raises:
        UserError: it cannot be made.
    """
    if not ENVIRONMENT.complete:
        print("making a small environment for animeface (once, some seconds) ...", file=sys.stderr)
        ENVIRONMENT.make("name another --detector")
    return ENVIRONMENT.python
