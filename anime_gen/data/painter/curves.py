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
    count = len(points)
    if closed:
        before, after = points[-1], points[0]
        knots = [before, *points, after, points[1]]
    else:
        knots = [points[0], *points, points[-1]]
    curve = [points[0][0], points[0][1]]
    for i in range(1, len(knots) - 2 if closed else count):
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = knots[i - 1], knots[i], knots[i + 1], knots[i + 2]
        curve += (
            bx + (cx - ax) * tension, by + (cy - ay) * tension,
            cx - (dx - bx) * tension, cy - (dy - by) * tension,
            cx, cy,
        )  # fmt: skip
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


def trace(path: skia.Path, curve: Curve, start: bool = True) -> None:
    """Adds a curve to a path; with `start` as a new contour, else joined to the last point by a line."""
    if start:
        path.moveTo(curve[0], curve[1])
    else:
        path.lineTo(curve[0], curve[1])
    cubic = path.cubicTo
    for i in range(2, len(curve), 6):
        cubic(*curve[i : i + 6])


def trace_back(path: skia.Path, curve: Curve) -> None:
    """Continues a path by a line to the curve's end and along the curve to its start."""
    path.lineTo(curve[-2], curve[-1])
    cubic = path.cubicTo
    for i in range(len(curve) - 2, 0, -6):
        cubic(curve[i - 2], curve[i - 1], curve[i - 4], curve[i - 3], curve[i - 6], curve[i - 5])


def closed_path(*curves: Curve) -> skia.Path:
    """One closed outline: the curves joined in order."""
    path = skia.Path()
    for number, curve in enumerate(curves):
        trace(path, curve, start=number == 0)
    path.close()
    return path


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
