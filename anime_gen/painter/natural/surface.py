"""The shape of a head as a grid of points in space, and how it lies in the picture.

Rows run from the crown to below the chin, columns around the head from its right side over the nose to its left. Every
row is half an ellipse as wide as the face at that height; nose, lips, sockets and cheeks are raised or sunk from it.
"""

from __future__ import annotations

from functools import lru_cache
from math import asin
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anime_gen.painter.curves import Point
from anime_gen.painter.natural.person import Person
from anime_gen.painter.natural.proportions import CROWN, Proportions, proportions
from anime_gen.painter.natural.view import HumanView

Floats = npt.NDArray[np.float32]

ROWS, COLUMNS = 76, 62
_REACH = 1.85  # how far around the columns go, in radians from the nose
_TEMPLE = -0.3  # above it the skull is half an ellipsoid
_COLUMN = np.linspace(-_REACH, _REACH, COLUMNS, dtype=np.float32)
_SIN, _COS = np.sin(_COLUMN), np.cos(_COLUMN)
_FRONT = np.clip(_COS * 1.6, 0, 1).astype(np.float32)  # features fade out towards the ears


class Surface(NamedTuple):
    """A head in space. V rows, U columns."""

    sizes: Proportions
    view: HumanView
    points_VU3: Floats  # head space: x to the picture's right, y down, z to the viewer
    relief_VU: Floats  # how far features stand out from the bare skull
    half_V: list[float]  # half width of each row
    depth_VU: list[list[float]]  # z again, as plain floats: single places are asked for often
    top: float  # y of the first row
    bottom: float

    def depth(self, x: float, y: float) -> float:
        """z of the surface in front of (x, y), by bilinear interpolation; outside, of the nearest edge."""
        row = min(max((y - self.top) / (self.bottom - self.top), 0.0), 1.0) * (ROWS - 1)
        r = min(int(row), ROWS - 2)
        half = self.half_V[r] + (row - r) * (self.half_V[r + 1] - self.half_V[r])
        column = (asin(min(max(x / half, -1.0), 1.0)) / _REACH + 1.0) * 0.5 * (COLUMNS - 1)
        c = min(int(column), COLUMNS - 2)
        above, below = self.depth_VU[r], self.depth_VU[r + 1]
        down, right = row - r, column - c
        first, second = above[c] + right * (above[c + 1] - above[c]), below[c] + right * (below[c + 1] - below[c])
        return first + down * (second - first)

    def at(self, x: float, y: float, lift: float = 0.0) -> Point:
        """The picture's place of the surface in front of (x, y), `lift` nearer to the viewer."""
        return self.view(x, y, self.depth(x, y) + lift)

    def edge(self, y: float, side: int) -> Point:
        """Where the outline of the face passes height y: `side` +1 on the picture's right."""
        row = round(min(max((y - self.top) / (self.bottom - self.top), 0.0), 1.0) * (ROWS - 1))
        places = self.view.places(self.points_VU3[row])
        x, y = places[(side * places[:, 0]).argmax()].tolist()
        return x, y


def bump(x: Floats, y: Floats, at_x: float, at_y: float, wide: float, high: float) -> Floats:
    """A Gaussian hill of height 1. Heights y may be a column (V, 1): then half of the work is small."""
    u, v = (x - np.float32(at_x)) * np.float32(1 / wide), (y - np.float32(at_y)) * np.float32(1 / high)
    return np.exp(np.float32(-0.5) * (u * u) - np.float32(0.5) * (v * v))


def smooth(a: Floats, low: float, high: float) -> Floats:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((a - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _through(y: Floats, knots: list[tuple[float, float]]) -> Floats:
    """The Catmull-Rom curve through knots (y, value), as a function of y (cubic Hermite form)."""
    places, values = np.array(knots, np.float32).T
    slopes = np.gradient(values, places).astype(np.float32)
    i = np.clip(np.searchsorted(places, y, "right") - 1, 0, len(places) - 2)
    wide = places[i + 1] - places[i]
    t = np.clip((y - places[i]) / wide, 0, 1)
    u = 1 - t
    ends = values[i] * (1 + 2 * t) * u * u + values[i + 1] * (3 - 2 * t) * t * t
    return np.asarray(ends + wide * t * u * (slopes[i] * u - slopes[i + 1] * t), np.float32)


@lru_cache(maxsize=8)
def surface(person: Person) -> Surface:
    """The head of a person."""
    s = proportions(person)
    top, bottom = CROWN, s.chin
    # Rows lie closer towards both ends, where the head closes.
    y = np.linspace(top, bottom, ROWS, dtype=np.float32)
    half, front, pivot = _profile(person, s, y)
    x_VU = half[:, None] * _SIN
    y_V1 = y[:, None]
    relief = _relief(person, s, x_VU, y_V1) * _FRONT
    z_VU = pivot[:, None] + (front - pivot)[:, None] * np.sign(_COS) * np.abs(_COS) ** np.float32(0.86) + relief
    points = np.stack([x_VU, np.broadcast_to(y_V1, x_VU.shape), z_VU], -1)
    return Surface(s, HumanView(person.face.pose), points, relief, half.tolist(), z_VU.tolist(), top, bottom)


def _profile(person: Person, s: Proportions, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Half width, depth of the midline, and depth of the sides, by height."""
    square = 0.05 if person.male else 0.0
    half = _through(
        y,
        [
            (CROWN - 0.2, 0.99 * s.cheek), (_TEMPLE - 0.25, 0.985 * s.cheek), (_TEMPLE, 0.98 * s.cheek),
            (s.eye + 0.2, s.cheek), (s.nose, 0.93 * s.cheek + 0.02 * person.weight),
            (s.mouth, s.jaw), (0.5 * (s.mouth + s.chin), 0.8 * s.jaw + square),
            (s.chin - 0.07, (0.56 + square) * s.jaw + square), (s.chin, (0.42 + square) * s.jaw),
        ],
    )  # fmt: skip
    front = _through(
        y,
        [
            (CROWN, 0.7), (-0.6, 0.74), (s.brow - 0.02, 0.80), (s.eye - 0.02, 0.755), (s.nose, 0.80),
            (s.mouth, 0.80), (s.mouth + 0.16, 0.775), (s.chin - 0.12, 0.79), (s.chin, 0.70),
        ],
    )  # fmt: skip
    pivot = _through(y, [(CROWN, 0.0), (0.4, -0.05), (s.mouth, 0.0), (s.chin, 0.28)])
    up = np.clip((_TEMPLE - y) / (_TEMPLE - CROWN), 0, 1)
    dome = np.sqrt(np.clip(1 - up**2.3, 0, 1))
    low = np.clip((y - (s.chin - 0.2)) / 0.2, 0, 1)
    close = np.sqrt(np.clip(1 - low * low, 0, 1))
    half = half * dome * np.maximum(close, 0.02) ** 0.8 + 0.002
    front = pivot + (front - pivot) * (0.12 + 0.88 * dome) * (0.66 + 0.34 * close)
    return half.astype(np.float32), front.astype(np.float32), pivot


def _relief(person: Person, s: Proportions, x: Floats, y: Floats) -> Floats:
    """What stands out from the skull, and what lies deep."""
    beside, wear, child = np.abs(x), person.wear, person.childhood
    out = (
        -(0.085 if person.male else 0.068) * (1 - 0.4 * child) * bump(beside, y, s.gap - 0.02, s.eye - 0.01, 0.17, 0.1)
    )
    out += 0.055 * bump(beside, y, s.gap, s.eye + 0.005, 0.115, 0.085)
    out += (0.045 if person.male else 0.012) * (1 - child) * bump(beside, y, s.gap - 0.06, s.brow + 0.02, 0.2, 0.055)
    out += 0.05 * bump(beside, y, 0.62 * s.cheek, s.eye + 0.27, 0.16, 0.13)
    # The nose: a ridge that rises and widens from between the eyes to the tip, then falls to the lip.
    root, tip = s.eye - 0.06, s.nose - 0.085
    rise = np.clip((y - root) / (tip - root), 0, 1)
    fall = 1 - smooth(y, tip + 0.015, s.nose + 0.015)
    wide = 0.052 + 0.045 * rise * rise + 0.012 * person.nose
    ridge = np.exp(-0.5 * (x / wide) ** 2)
    out += (0.05 * smooth(y, root - 0.1, root + 0.1) + (s.bridge - 0.05) * rise**1.15) * fall * ridge
    out += 0.05 * bump(x, y, 0.0, tip, 0.065 + 0.015 * person.nose, 0.06)
    out += 0.105 * bump(beside, y, s.nose_half - 0.045, s.nose - 0.045, 0.042, 0.045)
    # Lips around their line, the groove below them, the chin.
    out += 0.03 * bump(x, y, 0.0, s.mouth + 0.02, 0.3, 0.14)
    out += 0.032 * bump(x, y, 0.0, s.mouth - 0.04, 0.16, 0.026)
    out += 0.045 * bump(x, y, 0.0, s.mouth + 0.5 * s.lip, 0.14, 0.034)
    out -= 0.02 * bump(x, y, 0.0, s.mouth - 0.13, 0.03, 0.05)
    out -= 0.03 * bump(x, y, 0.0, s.mouth + 0.15, 0.14, 0.04)
    out += (0.05 if person.male else 0.032) * bump(x, y, 0.0, s.chin - 0.12, 0.15, 0.085)
    # Folds from the nostrils to the corners of the mouth: smiles and years deepen them; old cheeks hang.
    smiling = 1.0 if person.face.expression.mouth in ("smile", "grin", ":d", "tongue out") else 0.3
    line = s.nose_half + 0.03 + (s.mouth_half + 0.02 - s.nose_half) * np.clip((y - s.nose + 0.08) / 0.34, 0, 1)
    reach = smooth(y, s.nose - 0.08, s.nose + 0.04) * (1 - smooth(y, s.mouth - 0.04, s.mouth + 0.1))
    fold = np.exp(-0.5 * ((beside - line) / 0.03) ** 2) * reach
    out -= (0.003 + 0.008 * smiling * (1 - 0.5 * child) + 0.03 * wear) * fold
    out += (0.02 * child + 0.018 * max(0.0, person.weight) + 0.012 * wear) * bump(
        beside, y, 0.62 * s.cheek, s.mouth - 0.05, 0.15, 0.14
    )
    out -= 0.035 * max(0.0, -person.weight) * (1 - child) * bump(beside, y, 0.68 * s.cheek, s.mouth - 0.1, 0.1, 0.13)
    out -= 0.016 * wear * bump(beside, y, s.gap - 0.02, s.eye + 0.145, 0.12, 0.025)
    return out.astype(np.float32)


def lattice(rows: int, columns: int) -> npt.NDArray[np.int64]:
    """Corner numbers (N, 3) of the triangles between rows x columns points."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    upper = np.stack([first, first + 1, first + columns], -1)
    lower = np.stack([first + 1, first + columns + 1, first + columns], -1)
    return np.stack([upper, lower], 1).reshape(-1, 3)
