"""The cut: which locks a head of hair has and how they flow, in picture coordinates."""

from __future__ import annotations

from typing import NamedTuple

from anime_gen.data.painter.anatomy import Anatomy, face_depth
from anime_gen.data.painter.curves import Curve, Point, Profile, spline
from anime_gen.data.painter.parameters import Face

LOCK: Profile = (0.7, 1.25, 0.0)
BLUNT: Profile = (0.8, 1.1, 0.9)


class Lock(NamedTuple):
    """One strand: a pointed band along a curve from root to tip."""

    curve: Curve
    half: float  # half width, fraction of the picture
    profile: Profile = LOCK


class HairShape(NamedTuple):
    """A whole head of hair, by layer from back to front."""

    back: list[Lock]
    tails: list[Lock]  # behind the bust
    hanging: list[Lock]  # tails that fall in front of the bust
    braids: list[list[tuple[Point, Point, float]]]  # in front of the bust: lobes (start, end, half width)
    buns: list[tuple[Point, float]]
    cap: tuple[Curve, Curve]  # outline over the crown, hairline back
    bangs: list[Lock]
    sides: list[Lock]
    ahoge: list[Lock]
    ties: list[tuple[Point, int]]  # where tails are tied, and the side they hang on
    crown: Point


class _Grain:
    """The face's own jitter, taken in order and again from the start when used up."""

    def __init__(self, numbers: tuple[float, ...]) -> None:
        self._numbers, self._next = numbers, 0

    def __call__(self, spread: float = 1.0) -> float:
        self._next += 1
        return self._numbers[self._next % len(self._numbers)] * spread


def hair_shape(face: Face, body: Anatomy) -> HairShape:
    """Lays out the locks of a face's hair."""
    hair, view = face.hair, body.view
    grain = _Grain(hair.grain)
    tails, hanging, ties = _tails(face, body, grain)
    return HairShape(
        back=_back(face, body, grain),
        tails=tails,
        hanging=hanging,
        braids=_braids(face, body, ties),
        buns=[(view(side * 0.82, -1.22, -0.1), 0.36 * view.scale) for side in (-1, 1)] if hair.tails == "buns" else [],
        cap=_cap(face, body, grain),
        bangs=_bangs(face, body, grain),
        sides=_sides(face, body, grain),
        ahoge=_ahoge(face, body, grain),
        ties=ties,
        crown=view(hair.part * 0.6, -1.2 - hair.volume, 0.2),
    )


def _lock(body: Anatomy, points: list[tuple[float, float, float]], half: float, profile: Profile = LOCK) -> Lock:
    return Lock(spline([body.view(*point) for point in points]), half * body.view.scale, profile)


def _cap(face: Face, body: Anatomy, grain: _Grain) -> tuple[Curve, Curve]:
    view, volume = body.view, face.hair.volume
    rough = {"straight": 0.0, "wavy": 0.02, "curled": 0.03, "spiky": 0.055}[face.hair.texture]
    ring = (
        (-1.0, 0.42), (-1.04, 0.0), (-1.0, -0.5), (-0.82, -0.95), (-0.48, -1.26), (0.0, -1.37),
        (0.48, -1.26), (0.82, -0.95), (1.0, -0.5), (1.04, 0.0), (1.0, 0.42),
    )  # fmt: skip
    outer = [view(x * (1 + 0.9 * volume + grain(rough)), y * (1 + 0.8 * volume + grain(rough)) , -0.05) for x, y in ring]
    part = face.hair.part
    line = (
        (0.95, 0.4, 0.15), (0.93, -0.1, 0.3), (0.84, -0.5, 0.5), (0.45, -0.8, 0.72), (part, -0.9, 0.78),
        (-0.45, -0.8, 0.72), (-0.84, -0.5, 0.5), (-0.93, -0.1, 0.3), (-0.95, 0.4, 0.15),
    )  # fmt: skip
    return spline(outer), spline([view(*point) for point in line])


def _back(face: Face, body: Anatomy, grain: _Grain) -> list[Lock]:
    hair = face.hair
    if hair.tails in ("twin", "pony", "buns", "low twin", "twin braids") and hair.length != "long":
        count, end = 5, 0.75
    elif hair.tails not in ("none", "braid", "side pony"):
        count, end = 5, 0.8
    else:
        count, end = 9, {"short": 0.85, "medium": 1.45, "long": 2.75}[hair.length]
    spread = {"straight": 1.04, "wavy": 1.16, "curled": 1.22, "spiky": 1.2}[hair.texture] + 0.6 * hair.volume
    wave = {"straight": 0.02, "wavy": 0.14, "curled": 0.2, "spiky": 0.06}[hair.texture]
    locks = []
    for i in range(count):
        # From the outside in, so that the inner locks overlap the outer ones.
        rank = i // 2
        side = -1 if i % 2 else 1
        place = 1.0 - 2.0 * rank / count
        x = side * place
        tip = end * (1 - 0.1 * place * (end < 1)) + grain(0.12)
        bend = wave * (1 if i % 4 < 2 else -1)
        locks.append(
            _lock(
                body,
                [
                    (x * 0.9, -0.6, -0.3),
                    (x * (1.0 + hair.volume), 0.1, -0.3),
                    (x * spread + side * bend, 0.1 + 0.5 * tip, -0.3),
                    (x * spread - side * bend * 0.6, 0.72 * tip + 0.05, -0.3),
                    (x * (spread - 0.12 * (end < 2)) + side * bend + grain(0.08), tip, -0.3),
                ],
                0.36 + 0.03 * (end > 1),
                (0.7, 1.25, 0.0) if hair.texture == "spiky" or end > 1.2 else (0.9, 1.2, 0.25),
            )
        )
    return locks


def _bangs(face: Face, body: Anatomy, grain: _Grain) -> list[Lock]:
    hair = face.hair
    low = -0.1 + 0.16 * hair.fringe
    part, side, count = hair.part, hair.side, hair.locks
    tips: list[tuple[float, float, float]] = []  # x and y of the tip, half width
    if hair.bangs == "blunt":
        count = 7 + count // 2
        tips = [(-0.86 + 1.72 * i / (count - 1), low + 0.02 + grain(0.025), 1.25 / count) for i in range(count)]
    elif hair.bangs == "swept":
        part = -side * 0.45
        for i in range(count):
            t = i / (count - 1)
            tips.append((part + side * (0.15 + 1.22 * t) + grain(0.05), low - 0.3 + 0.42 * t + grain(0.07), 0.17))
        tips += [(part - side * (0.2 + 0.18 * i), low - 0.1 + 0.3 * i, 0.14) for i in range(2)]
    elif hair.bangs in ("parted", "curtain"):
        drop = 0.35 if hair.bangs == "curtain" else 0.0
        for i in range(count):
            way = 1 if i % 2 else -1
            t = (i // 2 + 1) / (count // 2 + 1)
            tips.append((part * (1 - t) + way * (0.2 + 0.72 * t) + grain(0.04), low - 0.38 + 0.75 * t + drop * t, 0.17))
    elif hair.bangs == "m":
        tips = [(part * 0.5 + grain(0.06), low + 0.3 + grain(0.06), 0.17)]
        for i in range(count - 1):
            way = 1 if i % 2 else -1
            t = (i // 2 + 1) / (count // 2 + 1)
            tips.append((way * (0.22 + 0.7 * t) + grain(0.04), low - 0.02 + 0.3 * t + grain(0.08), 0.18))
    elif hair.bangs == "choppy":
        for i in range(count + 1):
            x = -0.85 + 1.7 * i / count
            tips.append((x + side * 0.08 + grain(0.08), low + 0.1 * (i % 2) + grain(0.1), 0.2))
    elif hair.bangs == "wispy":
        tips = [(-0.6 + 1.2 * i / 4 + grain(0.08), low - 0.05 + grain(0.12), 0.08) for i in range(5)]
    locks = []
    profile = BLUNT if hair.bangs == "blunt" else LOCK
    for x, y, half in sorted(tips, key=lambda tip: -abs(tip[0] - part)):
        root = part + (x - part) * 0.45
        bow = 0.1 * (1 if x > part else -1) * (hair.bangs not in ("blunt", "choppy"))
        locks.append(
            _lock(
                body,
                [
                    (root, -1.18 - 0.4 * hair.volume, 0.55),
                    (part + (x - part) * 0.85 + bow, -0.82, 0.86),
                    (x + bow, 0.5 * (y - 0.75), face_depth(x, 0) + 0.13),
                    (x, y, face_depth(x, y) + 0.1),
                ],
                half,
                profile,
            )
        )
    return locks


def _sides(face: Face, body: Anatomy, grain: _Grain) -> list[Lock]:
    hair = face.hair
    if hair.sides == "none":
        return []
    end = {"short": 0.62, "framing": 1.35, "hime": 0.86}[hair.sides] + grain(0.12)
    if hair.sides == "framing" and hair.length == "long":
        end = 2.1 + grain(0.3)
    wave = {"straight": 0.0, "wavy": 0.07, "curled": 0.1, "spiky": -0.05}[hair.texture]
    locks = []
    for side in (-1, 1):
        for rank in range(2):
            x = 0.98 - 0.1 * rank
            tip = end * (1 - 0.22 * rank) + grain(0.06)
            locks.append(
                _lock(
                    body,
                    [
                        (side * 0.72, -0.95, 0.35),
                        (side * (x + 0.03), -0.3, 0.3),
                        (side * (x + 0.02 + wave), 0.35 * tip, 0.25),
                        (side * (x - 0.02 - wave), 0.68 * tip, 0.25),
                        (side * (x - 0.06 + wave + grain(0.05)), tip, 0.25),
                    ],
                    0.15,
                    (0.7, 1.1, 0.8) if hair.sides == "hime" else (0.6, 1.3, 0.0),
                )
            )
    return locks


def _tails(face: Face, body: Anatomy, grain: _Grain) -> tuple[list[Lock], list[Lock], list[tuple[Point, int]]]:
    hair, view = face.hair, body.view
    wave = {"straight": 0.06, "wavy": 0.18, "curled": 0.26, "spiky": 0.08}[hair.texture]
    tails: list[Lock] = []
    hanging: list[Lock] = []
    ties: list[tuple[Point, int]] = []
    end = 1.7 if hair.length == "medium" else 2.5

    def tail(side: int, x: float, y: float, out: float, reach: float, into: list[Lock]) -> None:
        for rank in range(4):
            fan = 0.16 * (rank - 1.5)
            into.append(
                _lock(
                    body,
                    [
                        (x, y, -0.2),
                        (x + side * (0.35 * out + fan), y + 0.1 + 0.12 * abs(fan), -0.2),
                        (x + side * (0.62 * out + fan + wave), y + 0.5 * (reach - y), -0.2),
                        (x + side * (0.5 * out + 1.2 * fan - wave * 0.5), y + 0.78 * (reach - y), -0.2),
                        (x + side * (0.5 * out + 1.6 * fan + wave + grain(0.1)), reach - 0.25 * abs(fan) + grain(0.2), -0.2),
                    ],
                    0.26,
                    (0.25, 1.5, 0.0),
                )
            )
        ties.append((view(x, y, 0.0), side))

    if hair.tails == "twin":
        for side in (-1, 1):
            tail(side, side * (0.98 + 0.5 * hair.volume), -0.78, 1.0, end, tails)
    elif hair.tails == "low twin":
        for side in (-1, 1):
            tail(side, side * 0.95, 0.95, 0.25, end, hanging)
    elif hair.tails == "pony":
        tail(hair.side, hair.side * 0.45, -1.3 - hair.volume, 1.7, end - 0.6, tails)
    elif hair.tails == "side pony":
        tail(hair.side, hair.side * 0.98, 0.6, 0.2, end, hanging)
    elif hair.tails == "braid":
        ties.append((view(hair.side * 0.85, 2.1, 0.0), hair.side))
    elif hair.tails == "twin braids":
        ties += [(view(side * 1.05, 2.05, 0.0), side) for side in (-1, 1)]
    return tails, hanging, ties


def _braids(face: Face, body: Anatomy, ties: list[tuple[Point, int]]) -> list[list[tuple[Point, Point, float]]]:
    if face.hair.tails not in ("braid", "twin braids"):
        return []
    view = body.view
    braids = []
    for _, side in ties:
        x = 0.85 if face.hair.tails == "braid" else 1.05
        lobes = []
        for i in range(8):
            y = 0.85 + 0.16 * i
            lean = 0.13 * (1 if i % 2 else -1)
            lobes.append((view(side * x + lean, y, 0.0), view(side * x - lean * 0.5, y + 0.27, 0.0), 0.15 * view.scale))
        braids.append(lobes)
    return braids


def _ahoge(face: Face, body: Anatomy, grain: _Grain) -> list[Lock]:
    if not face.hair.ahoge:
        return []
    x, top, side = face.hair.part * 0.5, -1.34 * (1 + 0.8 * face.hair.volume), face.hair.side
    return [
        _lock(
            body,
            [(x, top + 0.12, 0.1), (x + side * 0.02, top - 0.2, 0.1), (x + side * 0.22, top - 0.32, 0.1), (x + side * 0.42, top - 0.2 + grain(0.06), 0.1)],
            0.055,
            (0.8, 1.2, 0.0),
        )
    ]
