"""Where the features of a human face are in the picture, once for drawing and labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import skia

from anime_gen.painter import anatomy as drawn_anatomy
from anime_gen.painter.anatomy import MOUTH_SHAPE, Anatomy
from anime_gen.painter.curves import Curve, Point, spline
from anime_gen.painter.hair import over_face
from anime_gen.painter.hair_shape import HairShape, hair_shape
from anime_gen.painter.natural.person import Person
from anime_gen.painter.natural.surface import Surface, surface
from anime_gen.painter.natural.view import HumanView
from anime_gen.painter.parameters import Face

_HAIR_WIDE = 0.86  # the painter's crown is made for a head 0.935 wide
_BODY_WIDE = 1.12  # human necks and shoulders are wider than drawn ones


class HumanEye(NamedTuple):
    """One eye. `at(u, v)` maps u in -1 (inner) .. 1 (outer), v in -1 (upper lid's height) .. 1 to the picture."""

    side: int
    at: Callable[[float, float], Point]
    upper: Curve  # inner to outer corner
    lower: Curve  # outer to inner corner
    iris: Point
    radius: float  # of the iris, fraction of the picture
    top: Point
    bottom: Point
    open: bool


class Mouth(NamedTuple):
    """The lips. `at(u, v)` maps u in -1..1 (picture's right), v in head units below the line between the lips."""

    at: Callable[[float, float], Point]
    corner: float  # v of the corners
    gap: tuple[float, float]  # v of the opening's upper and lower edge in the middle; equal where closed
    upper: float  # height of the upper lip
    lower: float
    points: tuple[Point, Point, Point, Point]  # left and right corner, upper and lower edge of the lips


class Human(NamedTuple):
    """The named places of a person's face."""

    head: Surface
    eyes: tuple[HumanEye, HumanEye]  # right, left
    brows: tuple[Curve, Curve]  # right, left; inner to outer, two segments
    mouth: Mouth
    nose: Point  # the tip
    sides: tuple[Point, Point]  # of the face, right and left of the character
    chin: Point
    shaped: Face  # the face with human proportions, for what the painter's own parts draw
    body: Anatomy  # likewise
    hair: HairShape
    over_face: skia.Path  # what of the hair lies over the face; not to be changed


@lru_cache(maxsize=8)
def human(person: Person) -> Human:
    """Places everything; computed once a person."""
    head = surface(person)
    s = head.sizes
    shaped = _shaped(person, head)
    body = drawn_anatomy.anatomy(shaped)._replace(
        view=HumanView(person.face.pose, wide=_HAIR_WIDE, drop=0.06),
        body=HumanView(person.face.pose, 0.35, wide=_BODY_WIDE),
    )
    shape = hair_shape(shaped, body)
    return Human(
        head,
        (_eye(person, head, -1), _eye(person, head, 1)),
        (_brow(person, head, -1), _brow(person, head, 1)),
        _mouth(person, head),
        head.at(0.0, s.nose - 0.085),
        (head.edge(s.nose - 0.04, -1), head.edge(s.nose - 0.04, 1)),
        head.at(0.0, s.chin - 0.015),
        shaped,
        body,
        shape,
        over_face(shape),
    )


def _shaped(person: Person, head: Surface) -> Face:
    face, s = person.face, head.sizes
    return replace(
        face,
        head=replace(face.head, chin=s.chin, jaw=0.9 * s.jaw, cheek=s.cheek / _HAIR_WIDE, ear="round"),
        # So high that fringes stay off the eyes, which are smaller than painted ones.
        eyes=replace(face.eyes, level=s.eye, height=0.41, width=0.2, spacing=s.gap),
        hair=replace(face.hair, volume=0.55 * face.hair.volume),
        style=replace(face.style, kind="soft", line=0.5),
    )


def _eye(person: Person, head: Surface, side: int) -> HumanEye:
    eyes, s = person.face.eyes, head.sizes
    lids = eyes.lids[0 if side < 0 else 1]

    def at(u: float, v: float) -> Point:
        y = s.eye + v * s.lid - u * (0.45 * eyes.slant + 0.006 - 0.012 * person.wear)
        return head.at(side * (s.gap + u * s.eye_half), y)

    if lids in ("happy", "calm"):
        bend = -0.55 if lids == "happy" else 0.5
        base = 0.3 if lids == "happy" else 0.35
        points = [(-1.0, base), (-0.5, base + 0.75 * bend), (0.05, base + bend), (0.6, base + 0.7 * bend), (1.0, base)]
        upper = spline([at(u, v) for u, v in points])
        middle = at(0.05, base + bend)
        return HumanEye(side, at, upper, upper, middle, 0.0, middle, middle, False)
    lift = 1.0 if lids == "open" else 0.5
    low = 0.62 - 0.12 * (person.face.expression.mouth in ("grin", ":d"))
    upper = spline(
        [
            at(-1, 0.22),
            at(-0.7, -0.42 * lift),
            at(-0.1, -lift),
            at(0.45, -0.9 * lift),
            at(0.85, -0.32 * lift),
            at(1.02, 0.02),
        ]
    )
    lower = spline([at(1.02, 0.02), at(0.6, 0.8 * low), at(0.0, low), at(-0.6, 0.85 * low), at(-1, 0.22)])
    gx, gy = eyes.gaze
    toward = max(-0.22, min(0.22, -0.35 * person.face.pose.yaw))
    u, v = side * (0.34 * gx + toward), -0.12 + 0.3 * gy
    radius = 0.43 * s.eye_half * head.view.scale
    return HumanEye(side, at, upper, lower, at(u, v), radius, at(0.05, -lift), at(0.0, low), True)


def _brow(person: Person, head: Surface, side: int) -> Curve:
    s, mood = head.sizes, person.face.expression
    points = []
    for u, arch in ((-1.0, 0.015), (0.15, -0.045 if not person.male else -0.02), (1.35, 0.03)):
        y = s.brow + arch + 0.45 * mood.brow_tilt * u
        points.append(head.at(side * (s.gap + u * s.eye_half), y))
    return spline(points)


def _mouth(person: Person, head: Surface) -> Mouth:
    kind, s = person.face.expression.mouth, head.sizes
    half, corner, _, _ = MOUTH_SHAPE[kind]
    wide = s.mouth_half * (0.62 + 0.4 * half)
    opening = {"grin": (-0.02, 0.075), ":d": (-0.025, 0.16), "open": (-0.035, 0.15), "tongue out": (-0.015, 0.1)}
    gap = opening.get(kind, (0.0, 0.0))
    stretched = (
        0.8
        if kind in ("smile", "grin", ":d", "tongue out", "frown", "cat")
        else 1.1
        if kind in ("pout", "small")
        else 1.0
    )
    upper, lower = 0.72 * s.lip * stretched, s.lip * stretched

    def at(u: float, v: float) -> Point:
        return head.at(u * wide, s.mouth + v)

    points = (at(1, 0.9 * corner), at(-1, 0.9 * corner), at(0, gap[0] - 0.85 * upper), at(0, gap[1] + lower))
    return Mouth(at, 0.9 * corner, gap, upper, lower, points)
