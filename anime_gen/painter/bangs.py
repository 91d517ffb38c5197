"""The bangs: which locks fall over the forehead."""

from __future__ import annotations

from anime_gen.painter.anatomy import Anatomy, face_depth
from anime_gen.painter.locks import BLUNT, LOCK, Grain, Lock, lock
from anime_gen.painter.parameters import Face

Tip = tuple[float, float, float]  # x and y of the tip, half width at the root


def bangs(face: Face, body: Anatomy, grain: Grain) -> list[Lock]:
    """The locks of the bangs, outermost first."""
    hair = face.hair
    part = -hair.side * 0.5 if hair.bangs == "swept" else hair.part
    tips = _tips(face, part, grain)
    profile = BLUNT if hair.bangs == "blunt" else LOCK
    bowed = hair.bangs not in ("blunt", "choppy", "wispy")
    locks = []
    for x, y, half in sorted(tips, key=lambda tip: -abs(tip[0] - part)):
        root = part + (x - part) * 0.35
        way = 1 if x > part else -1
        bow = (0.1 if bowed else 0.02) * way
        over = max(-0.86, min(0.86, part + (x - part) * 0.9 + 0.6 * bow))
        # The tip hooks back a little, each lock its own way.
        hook = (-0.035 * way if bowed else 0.03 * hair.side) + grain(0.04) * (hair.bangs != "blunt")
        middle = max(-0.98, min(0.98, x + 0.4 * bow - 0.5 * hook))
        points = [
            (root, -1.2 - 0.4 * hair.volume, 0.45),
            (over, -0.8 + 0.25 * over * over, 0.84 - 0.4 * over * over),
            (middle, 0.5 * y - 0.26, face_depth(middle, 0) + 0.12),
            (x + hook, y, face_depth(x, y) + 0.1),
        ]
        locks.append(lock(body, points, half, profile))
    return locks


def _tips(face: Face, part: float, grain: Grain) -> list[Tip]:
    hair = face.hair
    low = face.eyes.level - face.eyes.height - 0.02 + 0.12 * hair.fringe
    side, count, kind = hair.side, hair.locks, hair.bangs
    if kind == "blunt":
        count = 6 + count // 2
        return [(-0.86 + 1.72 * i / (count - 1), low - 0.02 + grain(0.02), 1.3 / count) for i in range(count)]
    if kind == "swept":
        tips = []
        for i in range(count):
            t = i / (count - 1)
            tips.append((part + side * (0.2 + 1.2 * t) + grain(0.05), low - 0.16 + 0.3 * t * t + grain(0.08), 0.24))
        return tips + [(part - side * (0.18 + 0.2 * i), low - 0.12 + 0.28 * i + grain(0.05), 0.2) for i in range(2)]
    if kind in ("parted", "curtain"):
        drop = 0.38 if kind == "curtain" else 0.0
        tips = []
        for i in range(count):
            way = 1 if i % 2 else -1
            t = (i // 2 + 1) / (count // 2 + 1)
            tips.append(
                (part * (1 - t) + way * (0.3 + 0.66 * t) + grain(0.04), low - 0.28 + 0.62 * t * t + drop * t, 0.24)
            )
        return tips
    if kind == "m":
        tips = [(part * 0.4 + grain(0.06), low + 0.28 + grain(0.08), 0.2)]
        for i in range(count - 1):
            way = 1 if i % 2 else -1
            t = (i // 2 + 1) / (count // 2 + 1)
            tips.append((way * (0.2 + 0.74 * t) + grain(0.04), low - 0.06 + 0.34 * t * t + grain(0.07), 0.24))
        return tips
    if kind == "choppy":
        return [
            (-0.84 + 1.68 * i / count + side * 0.08 + grain(0.07), low + 0.02 + 0.1 * (i % 2) + grain(0.09), 0.24)
            for i in range(count + 1)
        ]
    if kind == "wispy":
        return [(-0.66 + 1.32 * i / 5 + grain(0.06), low - 0.04 + grain(0.1), 0.1) for i in range(6)]
    return []
