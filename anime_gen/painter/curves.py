"""Smooth curves as flat lists of cubic Bézier control points, and the tapered ribbons drawn along them.

A curve is [x0, y0, x1, y1, x2, y2, x3, y3, ...]: a start, then three control points a segment. Plain floats, because
for a handful of points Python is several times faster than NumPy.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import comb, sqrt
from struct import Struct

import skia

Point = tuple[float, float]
Curve = list[float]
# Relative half width along a curve: two to four Bézier weights from its start to its end.
Profile = tuple[float, ...]

TAPERED: Profile = (0.0, 2.0, 0.0)
FADING: Profile = (1.0, 1.0, 0.0)
PRESSED: Profile = (0.35, 1.6, 0.35)


def spline(points: Sequence[Point], closed: bool = False, tension: float = 1 / 6) -> Curve:
    """The Catmull-Rom curve through the points."""
    knots = [points[-1], *points, *points[:2]] if closed else [points[0], *points, points[-1]]
    (ax, ay), (bx, by), (cx, cy), *coming = knots
    curve = [bx, by]
    for dx, dy in coming:
        curve += (
            bx + (cx - ax) * tension, by + (cy - ay) * tension,
            cx - (dx - bx) * tension, cy - (dy - by) * tension,
            cx, cy,
        )  # fmt: skip
        ax, ay, bx, by, cx, cy = bx, by, cx, cy, dx, dy
    return curve


def ribbon(curve: Curve, half: float, profile: Profile) -> tuple[Curve, Curve]:
    """The two edges of a band around a curve, `half * profile` away from it, both running with the curve."""
    last = len(curve) // 2 - 1
    left: Curve = []
    right: Curve = []
    for i, (a, b, weights) in enumerate(_neighbours(last, profile)):
        dx, dy = curve[b] - curve[a], curve[b + 1] - curve[a + 1]
        scale = half * weights / (sqrt(dx * dx + dy * dy) or 1.0)
        x, y = curve[2 * i], curve[2 * i + 1]
        left += (x + dy * scale, y - dx * scale)
        right += (x - dy * scale, y + dx * scale)
    return left, right


@lru_cache(maxsize=4096)
def _neighbours(last: int, profile: Profile) -> tuple[tuple[int, int, float], ...]:
    """For each control point: where its neighbours' coordinates are, and the profile's height there."""
    heights = profile_heights(last, profile)
    return tuple((2 * max(i - 1, 0), 2 * min(i + 1, last), height) for i, height in enumerate(heights))


@lru_cache(maxsize=4096)
def profile_heights(last: int, profile: Profile) -> array[float]:
    """The profile at the control points 0 to `last` of a curve."""
    degree = len(profile) - 1
    heights = array("d")
    for i in range(last + 1):
        t = i / last
        heights.append(sum(w * comb(degree, k) * (1 - t) ** (degree - k) * t**k for k, w in enumerate(profile)))
    return heights


def reverse(curve: Curve) -> Curve:
    """The same curve, run from its end."""
    backward = curve[::-1]
    backward[::2], backward[1::2] = backward[1::2], backward[::2]
    return backward


@lru_cache(maxsize=4096)
def verbs_of(contour: tuple[int, ...], closed: bool) -> bytes:
    """Skia's verbs of curves that straight lines join; each is given by how many numbers it has."""
    move, line, cubic, close = (bytes([verb]) for verb in (0, 1, 4, 5))
    found = b"".join((line if place else move) + cubic * ((numbers - 2) // 6) for place, numbers in enumerate(contour))
    return found + close if closed else found


def serialised(verbs: bytes, points: bytes) -> bytes:
    """A path in the form that `skia.Path.readFromMemory` reads; points are pairs of 4-byte floats."""
    # Version 5 with winding fill, then how many points, weights of conics and verbs there are.
    return _HEAD.pack(5, len(points) // 8, 0, len(verbs)) + points + verbs + bytes(-len(verbs) % 4)


_HEAD = Struct("4I")


def path(contours: Sequence[tuple[Curve, ...]], closed: bool = False) -> skia.Path:
    """A path of contours, each of curves that straight lines join.

    Skia reads it whole: a call for each segment takes Python twice as long.
    """
    numbers = array("f")
    for contour in contours:
        for curve in contour:
            numbers.fromlist(curve)
    found = b"".join([verbs_of(tuple(map(len, contour)), closed) for contour in contours])
    whole = skia.Path()
    whole.readFromMemory(serialised(found, numbers.tobytes()))
    return whole


def closed_path(*curves: Curve) -> skia.Path:
    """One closed outline: the curves joined in order."""
    return path([curves], closed=True)


def lines(*curves: Curve) -> skia.Path:
    """Curves to be drawn with a pen."""
    return path([(curve,) for curve in curves])


def polygon(points: Sequence[Point]) -> skia.Path:
    """A closed outline of straight edges."""
    path = skia.Path()
    path.moveTo(*points[0])
    for point in points[1:]:
        path.lineTo(*point)
    path.close()
    return path


def straight(*points: Point) -> Curve:
    """Straight edges as a curve."""
    curve = [*points[0]]
    for (ax, ay), (bx, by) in pairwise(points):
        dx, dy = (bx - ax) / 3, (by - ay) / 3
        curve += (ax + dx, ay + dy, bx - dx, by - dy, bx, by)
    return curve


def at(curve: Curve, segment: int, t: float) -> Point:
    """The point at t in [0, 1] of one cubic of a curve."""
    x0, y0, x1, y1, x2, y2, x3, y3 = curve[6 * segment : 6 * segment + 8]
    u = 1 - t
    a, b, c, d = u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t
    return a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3
