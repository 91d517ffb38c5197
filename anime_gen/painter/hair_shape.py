"""The cut: which locks a head of hair has and how they flow, in picture coordinates."""

from __future__ import annotations

from math import sin
from typing import NamedTuple

from anime_gen.painter.anatomy import Anatomy
from anime_gen.painter.bangs import bangs
from anime_gen.painter.curves import Curve, Point, spline
from anime_gen.painter.locks import Clumps, Grain, Lock, clumps, lock
from anime_gen.painter.parameters import Face


class HairShape(NamedTuple):
    """A whole head of hair, by layer from back to front."""

    back: Clumps  # behind the bust
    tails: list[Lock]  # behind the bust
    hanging: list[Lock]  # tails that fall in front of the bust
    braids: list[list[Lock]]  # in front of the bust
    buns: list[tuple[Point, float]]
    tufts: list[Lock]  # behind the cap: what sticks out of the outline
    cap: tuple[Curve, Curve]  # outline over the crown, hairline back
    below: list[Curve]  # slender strands that come out below the bangs
    bangs: list[Lock]
    stray: list[Curve]  # single hairs before the face
    sides: list[Lock]
    ahoge: list[Lock]
    ties: list[tuple[Point, int]]  # where tails are tied, and the side they hang on


def hair_shape(face: Face, body: Anatomy) -> HairShape:
    """Lays out the locks of a face's hair."""
    hair, view = face.hair, body.view
    grain = Grain(hair.grain)
    tails, hanging, ties = _tails(face, body, grain)
    fringe = bangs(face, body, grain)
    return HairShape(
        back=_back(face, body, grain),
        tails=tails,
        hanging=hanging,
        braids=_braids(face, body, ties),
        buns=[(view(side * 0.85, -1.2, -0.1), 0.38 * view.scale) for side in (-1, 1)] if hair.tails == "buns" else [],
        tufts=_tufts(face, body, grain),
        cap=_cap(face, body, grain),
        below=fringe.below,
        bangs=fringe.locks,
        stray=fringe.stray,
        sides=_sides(face, body, grain),
        ahoge=_ahoge(face, body, grain),
        ties=ties,
    )


def _cap(face: Face, body: Anatomy, grain: Grain) -> tuple[Curve, Curve]:
    view, volume = body.view, face.hair.volume
    rough = {"straight": 0.006, "wavy": 0.02, "curled": 0.025, "spiky": 0.03}[face.hair.texture]
    ring = (
        (-0.98, 0.3), (-1.03, -0.05), (-0.99, -0.5), (-0.82, -0.95), (-0.47, -1.26), (0.0, -1.36),
        (0.47, -1.26), (0.82, -0.95), (0.99, -0.5), (1.03, -0.05), (0.98, 0.3),
    )  # fmt: skip
    outer = [
        view(x * (1 + 0.8 * volume + grain(rough)), y * (1 + 0.75 * volume + grain(rough)), -0.05) for x, y in ring
    ]
    part = face.hair.part
    line = (
        (0.94, 0.3, 0.2), (0.93, -0.1, 0.32), (0.8, -0.46, 0.55), (0.5, -0.82, 0.7), (part, -0.88, 0.78),
        (-0.5, -0.82, 0.7), (-0.8, -0.46, 0.55), (-0.93, -0.1, 0.32), (-0.94, 0.3, 0.2),
    )  # fmt: skip
    return spline(outer), spline([view(*point) for point in line])


def _back(face: Face, body: Anatomy, grain: Grain) -> Clumps:
    hair = face.hair
    tied = hair.tails not in ("none", "braid", "buns")
    long = 0.9 + 0.12 * hair.fringe
    end = {"short": long, "medium": 1.5 + grain(0.28), "long": 2.9}[hair.length]
    if tied and hair.length != "long":
        end = 0.85
    elif hair.tails in ("twin", "pony", "low twin", "twin braids"):
        end = 0.9
    v = hair.volume
    wave = {"straight": 0.012, "wavy": 0.1, "curled": 0.14, "spiky": 0.04}[hair.texture] * (1 if end > 1.2 else 0.4)
    flare = {"straight": 0.06, "wavy": 0.2, "curled": 0.26, "spiky": 0.24}[hair.texture]
    deep = {"straight": 0.22, "wavy": 0.3, "curled": 0.34, "spiky": 0.46}[hair.texture]
    if tied:
        flare = -0.12
    if end < 1.2 and hair.texture == "straight":
        flare = -0.06  # a bob turns in
    widest = 1.03 + 0.9 * v
    edges: list[list[tuple[float, float]]] = []
    steps = 3 if end < 1.2 else 6
    for side in (-1, 1):
        edge = [(side * 0.9, -0.75), (side * (widest - 0.03), -0.3)]
        for i in range(1, steps + 1):
            t = i / steps
            swing = wave * sin(2.6 * i + (1.3 if side > 0 else 0.0)) + grain(0.015)
            edge.append(
                (
                    side * (widest + (0.1 + flare) * t * (1.2 - 0.5 * t * (end < 1.2)) + swing),
                    -0.2 + (end + 0.2 - 0.5 * deep) * t,
                )
            )
        edges.append(edge)
    count = 8 if end < 2 else 6
    turn = {"straight": -0.02, "wavy": 0.1, "curled": -0.16, "spiky": 0.16}[hair.texture]
    return clumps(body, edges[0], edges[1], count, deep, turn, grain)


def _tufts(face: Face, body: Anatomy, grain: Grain) -> list[Lock]:
    hair = face.hair
    if hair.texture == "straight":
        return []
    v = 1 + 0.8 * hair.volume
    places: list[tuple[float, float, float, float]] = []  # x, y on the outline, direction out and down
    if hair.texture == "spiky":
        # Out and down: spikes that stood up at the crown would pass for animal ears.
        places = [
            (0.98, 0.32, 0.2, 0.56),
            (1.02, -0.02, 0.3, 0.46),
            (1.0, -0.42, 0.26, 0.34),
        ]
    else:
        places = [(1.02, 0.1, 0.16, 0.42)]
    locks = []
    for side in (-1, 1):
        for x, y, out, down in places:
            size = 1 + grain(0.4)
            tip = (side * (x * v + out * size), y * v + down * size, -0.1)
            root = (side * x * 0.6, 0.72 * y - 0.1, 0.0)
            bulge = 0.1 * (down > 0)
            middle = (0.45 * root[0] + 0.55 * tip[0] + side * bulge, 0.45 * root[1] + 0.55 * tip[1] - bulge, -0.05)
            locks.append(lock(body, [root, middle, tip], 0.17, (1.2, 1.2, 0.5, 0.0)))
    return locks


def _sides(face: Face, body: Anatomy, grain: Grain) -> list[Lock]:
    hair = face.hair
    if hair.sides == "none":
        return []
    end = {"short": 0.62, "framing": 1.3, "hime": 0.84}[hair.sides] + grain(0.15)
    if hair.sides == "framing" and hair.length == "long":
        end = 2.2 + grain(0.4)
    hime = hair.sides == "hime"
    if hair.tails in ("braid", "twin braids", "low twin", "side pony"):
        end = min(end, 0.7)  # what is tied must not hide behind what is loose
    wave = {"straight": 0.01, "wavy": 0.07, "curled": 0.1, "spiky": -0.05}[hair.texture]
    locks = []
    for side in (-1, 1):
        depth = body.edge_depth(side)
        for rank in range(1 if hime else 2):
            x = 0.95 - 0.15 * rank
            tip = end * (1 - 0.3 * rank) + grain(0.05)
            sway = wave + grain(0.03)
            far = 0.5 * max(0.0, depth - 0.2)  # keeps the far lock off the far eye
            points = [
                (side * 0.7, -0.95, 0.35),
                (side * (x + far + 0.03), -0.25, depth),
                (side * (x + far + sway), 0.45 * tip - 0.05, depth),
                (side * (x + far - 0.05 + 0.6 * sway), tip, depth),
            ]
            if tip > 1.1:
                points.insert(3, (side * (x + far - 0.02 - sway), 0.75 * tip, depth))
            locks.append(
                lock(
                    body,
                    points,
                    0.21 if hime else 0.18 - 0.03 * rank,
                    (0.3, 1.1, 0.95) if hime else (0.3, 1.2, 0.6, 0.0),
                )
            )
    return locks


def _tails(face: Face, body: Anatomy, grain: Grain) -> tuple[list[Lock], list[Lock], list[tuple[Point, int]]]:
    hair, view = face.hair, body.view
    wave = {"straight": 0.03, "wavy": 0.15, "curled": 0.22, "spiky": 0.05}[hair.texture]
    tails: list[Lock] = []
    hanging: list[Lock] = []
    ties: list[tuple[Point, int]] = []
    end = 1.5 if hair.length == "medium" else 2.7

    def tail(side: int, x: float, y: float, out: float, reach: float, into: list[Lock]) -> None:
        for rank in (0, 3, 1, 2):
            fan = 0.17 * (rank - 1.5)
            reach_here = reach - 0.5 * abs(fan) + grain(0.16)
            points = [
                (x - side * 0.06, y + 0.02 * rank, -0.2),
                (x + side * (0.42 * out + 0.5 * fan), y - 0.05 + 0.1 * fan, -0.2),
                (x + side * (0.72 * out + fan + wave), y + 0.35 * (reach - y), -0.2),
                (x + side * (0.68 * out + 1.2 * fan - wave), y + 0.7 * (reach - y), -0.2),
                (x + side * (0.6 * out + 1.7 * fan + wave + grain(0.08)), reach_here, -0.2),
            ]
            into.append(lock(body, points, 0.21, (0.35, 1.6, 0.0)))
        ties.append((view(x, y, 0.0), side))

    if hair.tails == "twin":
        for side in (-1, 1):
            tail(side, side * (0.96 + 0.6 * hair.volume), -0.8, 0.85, end, tails)
    elif hair.tails == "low twin":
        for side in (-1, 1):
            tail(side, side * 0.92, 0.85, 0.3, end + 0.3, hanging)
    elif hair.tails == "pony":
        tail(hair.side, hair.side * 0.4, -1.3 - hair.volume, 1.6, end - 0.5, tails)
    elif hair.tails == "side pony":
        tail(hair.side, hair.side * 0.96, 0.55, 0.25, end + 0.2, hanging)
    elif hair.tails == "braid":
        ties.append((view(hair.side * 0.86, 1.8, 0.1), hair.side))
    elif hair.tails == "twin braids":
        ties += [(view(side * 1.02, 1.8, 0.1), side) for side in (-1, 1)]
    return tails, hanging, ties


def _braids(face: Face, body: Anatomy, ties: list[tuple[Point, int]]) -> list[list[Lock]]:
    if face.hair.tails not in ("braid", "twin braids"):
        return []
    braids = []
    for _, side in ties:
        x = 0.86 if face.hair.tails == "braid" else 1.02
        lobes = []
        for i in range(7):
            y = 0.72 + 0.155 * i
            lean = 0.12 * (1 if i % 2 else -1)
            points = [
                (side * x + 1.2 * lean, y - 0.04, 0.1),
                (side * x + 0.8 * lean, y + 0.15, 0.1),
                (side * x - 0.6 * lean, y + 0.27, 0.1),
            ]
            lobes.append(lock(body, points, 0.135, (0.45, 1.6, 0.15)))
        # The loose end below the tie.
        for spread in (-0.08, 0.07):
            lobes.append(
                lock(
                    body,
                    [(side * x, 1.74, 0.1), (side * x + spread, 2.0, 0.1), (side * x + 1.6 * spread, 2.35, 0.1)],
                    0.1,
                    (0.6, 1.5, 0.0),
                )
            )
        braids.append(lobes)
    return braids


def _ahoge(face: Face, body: Anatomy, grain: Grain) -> list[Lock]:
    if not face.hair.ahoge:
        return []
    x, top, side = face.hair.part * 0.5, -1.34 * (1 + 0.75 * face.hair.volume), face.hair.side
    tall, curl = 0.26 + grain(0.1), 0.4 + grain(0.12)
    points = [
        (x, top + 0.14, 0.1),
        (x + side * 0.04, top - 0.8 * tall, 0.1),
        (x + side * 0.6 * curl, top - tall, 0.1),
        (x + side * curl, top - 0.5 * tall, 0.1),
    ]
    return [lock(body, points, 0.06, (0.9, 1.3, 0.0))]
