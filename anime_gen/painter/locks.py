"""What hair is made of: single locks, and masses whose lower edge breaks into pointed clumps."""

from __future__ import annotations

from typing import NamedTuple

from anime_gen.painter.anatomy import Anatomy
from anime_gen.painter.curves import Curve, Profile, ribbon, spline

# Wide until below its middle, so that locks make one mass, then a point.
LOCK: Profile = (0.4, 1.4, 1.05, 0.22, 0.0)
# All of one length, with small notches in between.
BLUNT: Profile = (0.4, 1.3, 1.2, 0.5, 0.1)


class Lock(NamedTuple):
    """One strand: a band along a curve from root to tip."""

    curve: Curve
    left: Curve  # both edges run from root to tip
    right: Curve
    half: float  # half width, fraction of the picture


class Clumps(NamedTuple):
    """A mass of hair."""

    outline: Curve  # closed: one side down, the ragged lower edge, the other side up
    valleys: list[Curve]  # lines that run up from between the clumps


class Grain:
    """The face's own jitter, taken in order and again from the start when used up."""

    def __init__(self, numbers: tuple[float, ...]) -> None:
        self._numbers, self._next = numbers, 0

    def __call__(self, spread: float = 1.0) -> float:
        self._next += 1
        return self._numbers[self._next % len(self._numbers)] * spread


def lock(body: Anatomy, points: list[tuple[float, float, float]], half: float, profile: Profile = LOCK) -> Lock:
    """A lock through points of head space; `half` in head units."""
    curve = spline([body.view(*point) for point in points])
    left, right = ribbon(curve, half * body.view.scale, profile)
    return Lock(curve, left, right, half * body.view.scale)


def clumps(
    body: Anatomy,
    right: list[tuple[float, float]],
    left: list[tuple[float, float]],
    count: int,
    deep: float,
    turn: float,
    grain: Grain,
) -> Clumps:
    """A mass between two edges (top to bottom, in head space) that ends in `count` points.

    Args:
        deep: how far up the gaps between the points reach.
        turn: > 0 turns the points outwards, < 0 inwards.
    """
    depth = -0.3
    (x0, y0), (x1, y1) = right[-1], left[-1]
    outline = spline([body.view(x, y, depth) for x, y in right])
    valleys: list[Curve] = []
    shares = [1 + grain(0.6) for _ in range(count)]
    total, gone = sum(shares), 0.0
    here = (x0, y0)
    for i, share in enumerate(shares):
        gone += share
        t = gone / total
        middle = t - 0.5 * share / total
        out = 2 * middle - 1
        tip_x = x0 + (x1 - x0) * middle + out * turn
        tip_y = y0 + (y1 - y0) * middle + deep * (0.45 + grain(0.3)) + 0.05 * (1 - out * out)
        end = (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t - deep * (0.6 + grain(0.4))) if i < count - 1 else (x1, y1)
        for start, stop, pull in ((here, (tip_x, tip_y), 0.75), ((tip_x, tip_y), end, 0.25)):
            # The sides of a point leave the gap downwards and meet at a sharp tip.
            a = (
                start[0] + (stop[0] - start[0]) * (0.1 if pull > 0.5 else 0.3),
                start[1] + (stop[1] - start[1]) * 0.4,
            )
            b = (
                start[0] + (stop[0] - start[0]) * (0.7 if pull > 0.5 else 0.9),
                start[1] + (stop[1] - start[1]) * 0.7,
            )
            for point in (a, b, stop):
                outline += body.view(*point, depth)
        if i < count - 1:
            x, y = end
            valleys.append(
                spline(
                    [
                        body.view(x, y, depth),
                        body.view(x * 1.02, y - 0.3, depth),
                        body.view(x * 0.95, y - 0.75 - 0.2 * deep, depth),
                    ]
                )
            )
        here = end
    up = spline([body.view(x, y, depth) for x, y in reversed(left)])
    return Clumps(outline + up[2:], valleys)
