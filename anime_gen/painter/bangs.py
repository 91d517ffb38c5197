"""The bangs: which locks fall over the forehead, and which thin strands leave them."""

from __future__ import annotations

from typing import NamedTuple

from anime_gen.painter.anatomy import Anatomy, face_depth
from anime_gen.painter.curves import Curve, spline
from anime_gen.painter.locks import BLUNT, LOCK, Grain, Lock, lock
from anime_gen.painter.parameters import Face

Tip = tuple[float, float, float]  # x and y of the tip, half width at the root


class Fringe(NamedTuple):
    """What falls over the forehead, each layer before the last."""

    below: list[Curve]  # slender strands that come out below the locks
    locks: list[Lock]  # the outermost first
    stray: list[Curve]  # single hairs over brows and eyes


def bangs(face: Face, body: Anatomy, grain: Grain) -> Fringe:
    """The bangs of a face."""
    hair, view = face.hair, body.view
    part = -hair.side * 0.5 if hair.bangs == "swept" else hair.part
    whole = hair.bangs == "blunt"
    bowed = hair.bangs not in ("blunt", "choppy", "wispy")
    found = Fringe([], [], [])
    for i, (x, y, half) in enumerate(sorted(_tips(face, part, grain), key=lambda tip: -abs(tip[0] - part))):
        way = 1 if x > part else -1
        bow = (0.1 if bowed else 0.02) * way
        # The tip hooks back a little, each lock its own way.
        hook = (-0.035 * way if bowed else 0.03 * hair.side) + grain(0.05) * (not whole)
        found.locks.append(lock(body, _flow(face, part, x, y, bow, hook), half, BLUNT if whole else LOCK))
        if whole:
            continue
        if i % 3 == 2 and hair.stray > 0.3:
            flow = _flow(face, part, x - 0.12 * way, y + 0.1 + grain(0.08), 0.05 * way, -0.08 * way)
            found.stray.append(spline([view(*point) for point in flow[1:]]))
        elif i % 3 < 1 + 2 * hair.stray:
            flow = _flow(face, part, x + 0.1 * way, y + 0.02 + grain(0.1), 0.1 * way, grain(0.07))
            found.below.append(spline([view(*point) for point in flow]))
    return found


def _flow(face: Face, part: float, x: float, y: float, bow: float, hook: float) -> list[tuple[float, float, float]]:
    """From the crown over the round of the head down to a tip at x, y."""
    over = max(-0.86, min(0.86, part + (x - part) * 0.9 + 0.6 * bow))
    middle = max(-0.98, min(0.98, x + 0.4 * bow - 0.5 * hook))
    return [
        (part + (x - part) * 0.35, -1.14 - 0.4 * face.hair.volume, 0.45),
        (over, -0.8 + 0.25 * over * over, 0.84 - 0.4 * over * over),
        (middle, 0.5 * y - 0.26, face_depth(middle, 0) + 0.12),
        (x + hook, y, face_depth(x, y) + 0.1),
    ]


def _fall(x: float) -> float:
    """How much further down than over the eyes hair hangs at x: between them, and beside the cheeks."""
    out = abs(x)
    return max(0.0, 0.2 - 1.6 * x * x) + max(0.0, 0.7 * (out - 0.66))


def _tips(face: Face, part: float, grain: Grain) -> list[Tip]:
    hair, eyes = face.hair, face.eyes
    low = eyes.level - eyes.height + 0.14 + 0.12 * hair.fringe
    side, count, kind = hair.side, hair.locks, hair.bangs
    if kind == "blunt":
        count = 5 + count // 2
        low -= 0.14
        return [
            (-0.84 + 1.68 * (i + grain(0.2)) / (count - 1), low + grain(0.045), (1.4 + grain(0.3)) / count)
            for i in range(count)
        ]
    if kind == "swept":
        tips = []
        for i in range(count):
            t = i / (count - 1)
            x = part + side * (0.2 + 1.2 * t) + grain(0.05)
            tips.append((x, low - 0.14 + 0.26 * t * t + 0.7 * _fall(x) + grain(0.1), 0.21 + grain(0.06)))
        return tips + [(part - side * (0.18 + 0.2 * i), low - 0.12 + 0.28 * i + grain(0.05), 0.2) for i in range(2)]
    if kind in ("parted", "curtain"):
        drop = 0.38 if kind == "curtain" else 0.0
        tips = []
        for i in range(count):
            way = 1 if i % 2 else -1
            t = (i // 2 + 1) / (count // 2 + 1)
            x = part * (1 - t) + way * (0.3 + 0.66 * t) + grain(0.04)
            tips.append((x, low - 0.28 + 0.62 * t * t + drop * t + grain(0.06), 0.21 + grain(0.06)))
        return tips
    if kind == "m":
        # The nose stays free.
        tips = [(part * 0.4 + grain(0.06), min(low + 0.26 + grain(0.1), eyes.level + 0.24), 0.2)]
        for i in range(count - 1):
            way = 1 if i % 2 else -1
            t = (i // 2 + 1) / (count // 2 + 1)
            x = way * (0.2 + 0.74 * t) + grain(0.04)
            tips.append((x, low - 0.06 + 0.3 * t * t + grain(0.1), 0.21 + grain(0.06)))
        return tips
    if kind == "choppy":
        tips = []
        for i in range(count):
            x = -0.84 + 1.68 * i / (count - 1) + side * 0.06 + grain(0.1)
            tips.append((x, low - 0.1 + 0.12 * (i % 2) + _fall(x) + grain(0.12), 0.19 + grain(0.06)))
        return tips
    if kind == "wispy":
        return [(-0.66 + 1.32 * i / 5 + grain(0.06), low - 0.02 + grain(0.12), 0.1 + grain(0.03)) for i in range(6)]
    return []
