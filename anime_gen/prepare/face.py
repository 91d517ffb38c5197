"""A face that was found in a picture."""

from __future__ import annotations

import math
from typing import NamedTuple


class Point(NamedTuple):
    """A place in pixels: x to the right, y down, the corner of the picture is 0, 0."""

    x: float
    y: float


class Face(NamedTuple):
    """A box in pixels, and how sure its finder is. The eyes are the character's own left and right one.

    `landmarks` are x, y of each of the suite's 24, in pixels, where the finder tells them, and `sure` how sure it is of
    each, in [0, 1]; else none at all.
    """

    left: float
    top: float
    width: float
    height: float
    confidence: float = 1.0
    left_eye: Point | None = None
    right_eye: Point | None = None
    landmarks: tuple[Point, ...] = ()
    sure: tuple[float, ...] = ()

    @property
    def centre(self) -> Point:
        return Point(self.left + self.width / 2, self.top + self.height / 2)

    @property
    def side(self) -> float:
        """Of the square with the same centre that holds the box."""
        return max(self.width, self.height)

    @property
    def tilt(self) -> float:
        """Radians by which the line of the eyes is turned clockwise, 0 where no eyes are known."""
        if self.left_eye is None or self.right_eye is None:
            return 0.0
        # The character's left eye is on the right.
        return math.atan2(self.left_eye.y - self.right_eye.y, self.left_eye.x - self.right_eye.x)


def without_doubles(faces: list[Face]) -> list[Face]:
    """The surest of those that overlap by more than half of the smaller one, surest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: (-face.confidence, face.left, face.top)):
        if all(_shared(face, other) <= 0.5 for other in kept):
            kept.append(face)
    return kept


def _shared(a: Face, b: Face) -> float:
    """The area that two boxes share, over the smaller one's."""
    across = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    down = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    smaller = min(a.width * a.height, b.width * b.height)
    return max(0.0, across) * max(0.0, down) / smaller if smaller > 0 else 0.0
