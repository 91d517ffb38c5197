"""How a face is cut out of its picture: a square with a margin, upright, past the edge its mirror image."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from anime_gen.prepare.face import Face, Point


class Square(NamedTuple):
    """A square in a picture: its centre, its side in pixels, and by how many radians it is turned clockwise."""

    centre: Point
    side: float
    tilt: float

    def inside(self, point: Point) -> Point:
        """A place of the picture as fractions of the square."""
        x, y = point.x - self.centre.x, point.y - self.centre.y
        cosine, sine = math.cos(self.tilt), math.sin(self.tilt)
        return Point((x * cosine + y * sine) / self.side + 0.5, (y * cosine - x * sine) / self.side + 0.5)

    def outwards(self, point: Point) -> Point:
        """Fractions of the square as a place of the picture."""
        x, y = (point.x - 0.5) * self.side, (point.y - 0.5) * self.side
        cosine, sine = math.cos(self.tilt), math.sin(self.tilt)
        return Point(self.centre.x + x * cosine - y * sine, self.centre.y + x * sine + y * cosine)


def square_around(face: Face, margin: float, most_tilt: float) -> Square:
    """The square with `margin` of the face's side on each of its sides, along its eyes.

    Args:
        face: what is cut out.
        margin: a share of the face's side; 0.4 keeps hair and its ornaments (S5), 0 is a tight face.
        most_tilt: radians; a head that is turned further stays as it is drawn. 0 turns nothing.
    """
    tilt = face.tilt if abs(face.tilt) <= most_tilt else 0.0
    return Square(face.centre, face.side * (1 + 2 * margin), tilt)


def cut(picture: np.ndarray, square: Square, size: int) -> np.ndarray:
    """The pixels of a square.

    It is read at the picture's own resolution, then resized with Pillow's antialiased BICUBIC. Past the edge stands the
    mirror image, again and again where the square is much larger than the picture.

    Args:
        picture: uint8 (height, width, 3).
        square: in its pixels.
        size: pixels of the result.

    Returns:
        uint8 (size, size, 3).
    """
    import cv2

    picture, square = _around(picture, square)
    whole = max(1, round(square.side))
    # A warp works in the pixels' centres, which lie half a pixel from their corners.
    scale = square.side / whole
    cosine, sine = math.cos(square.tilt) * scale, math.sin(square.tilt) * scale
    middle = (whole - 1) / 2
    there = np.array(
        [
            [cosine, -sine, square.centre.x - 0.5 - cosine * middle + sine * middle],
            [sine, cosine, square.centre.y - 0.5 - sine * middle - cosine * middle],
        ]
    )
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    native = cv2.warpAffine(picture, there, (whole, whole), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(Image.fromarray(native).resize((size, size), Image.Resampling.BICUBIC))


def _around(picture: np.ndarray, square: Square) -> tuple[np.ndarray, Square]:
    """The part of a picture that a square needs: OpenCV warps none of 32,768 pixels and more a side."""
    height, width = picture.shape[:2]
    if not (0 <= square.centre.x <= width and 0 <= square.centre.y <= height):
        return picture, square
    # A square's bounding box, and what a cubic filter reads beside it. What is mirrored past an edge lies inside.
    reach = square.side / 2 * (abs(math.cos(square.tilt)) + abs(math.sin(square.tilt))) + 4
    left, top = max(0, math.floor(square.centre.x - reach)), max(0, math.floor(square.centre.y - reach))
    part = picture[top : math.ceil(square.centre.y + reach), left : math.ceil(square.centre.x + reach)]
    return part, square._replace(centre=Point(square.centre.x - left, square.centre.y - top))


def outside(square: Square, width: int, height: int) -> float:
    """The share of a square that lies past the edge of its picture, where only mirror images stand."""
    side = np.linspace(-0.5, 0.5, 33)
    y, x = np.meshgrid(side, side, indexing="ij")
    cosine, sine = math.cos(square.tilt), math.sin(square.tilt)
    across = square.centre.x + square.side * (x * cosine - y * sine)
    down = square.centre.y + square.side * (x * sine + y * cosine)
    return float(((across < 0) | (across > width) | (down < 0) | (down > height)).mean())
