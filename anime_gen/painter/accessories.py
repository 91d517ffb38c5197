"""Draws what is worn on head, face and neck."""

from __future__ import annotations

from math import cos, pi, sin

from anime_gen.painter.anatomy import Anatomy, face_depth
from anime_gen.painter.bust import neck
from anime_gen.painter.curves import Point, spline, straight
from anime_gen.painter.hair_shape import HairShape
from anime_gen.painter.palette import Colour, Palette, Tones, mix, tones
from anime_gen.painter.parameters import Face
from anime_gen.painter.scene import Scene, argb


def _bow(scene: Scene, part: str, centre: Point, size: float, turn: float, colours: Tones, tails: bool) -> None:
    c, s = cos(turn), sin(turn)

    def at(x: float, y: float) -> Point:
        return centre[0] + size * (x * c - y * s), centre[1] + size * (x * s + y * c)

    for side in (-1, 1):
        if tails:
            scene.outlined(
                part,
                spline(
                    [
                        at(side * 0.05, 0.1),
                        at(side * 0.45, 0.9),
                        at(side * 0.62, 1.35),
                        at(side * 0.2, 1.2),
                        at(side * 0.05, 0.1),
                    ],
                    tension=0.1,
                ),
                colours,
            )
        scene.outlined(
            part,
            spline(
                [
                    at(0, 0),
                    at(side * 0.55, -0.55),
                    at(side * 1.05, -0.4),
                    at(side * 1.05, 0.4),
                    at(side * 0.55, 0.42),
                    at(0, 0),
                ],
                tension=0.14,
            ),
            colours,
        )
        scene.ink(part, colours.line, [(spline([at(side * 0.15, 0), at(side * 0.6, -0.1)]), 0.006)])
    scene.outlined(
        part,
        spline([at(-0.2, -0.2), at(0.2, -0.2), at(0.2, 0.22), at(-0.2, 0.22)], closed=True, tension=0.1),
        colours,
    )


def draw_ties(scene: Scene, face: Face, shape: HairShape, colours: Palette) -> None:
    """What holds the tails: a ribbon, or a plain band."""
    for (x, y), side in shape.ties:
        if ribbon_drawn(face):
            _bow(scene, "hair ribbon", (x, y), 0.26 * face.pose.scale, 0.3 * side, colours.ornament, tails=True)
        else:
            scene.oval((x, y), 0.1 * face.pose.scale, 0.08 * face.pose.scale, argb(colours.ornament.line))


def ornament_spot(face: Face, body: Anatomy, slot: int) -> Point:
    """A place on the front of the hair: 0 above the temple, 1 lower on the same side, 2 on the other side, 3 on top."""
    s = face.hair.side
    x, y = ((0.72 * s, -0.7), (0.92 * s, -0.26), (-0.78 * s, -0.62), (0.66 * s, -1.06))[slot]
    if face.extras.hat != "none":
        x, y = 1.08 * x, y + 0.42  # below the brim
    return body.view(x, y, 0.45)


def hairband_spots(face: Face, body: Anatomy) -> list[Point]:
    """Where a hairband runs, from ear to ear."""
    v = 1 + 0.85 * face.hair.volume
    arc = ((-1.0 * v, -0.5, 0.1), (-0.75 * v, -1.0, 0.3), (0, -1.22 * v, 0.4), (0.75 * v, -1.0, 0.3), (v, -0.5, 0.1))
    return [body.view(*spot) for spot in arc]


def draw_ornaments(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Hairband, bow, flower and clips on the crown."""
    extras, scale = face.extras, face.pose.scale
    hatless = extras.hat == "none"
    if extras.hairband and hatless:
        arc = spline(hairband_spots(face, body))
        scene.ink("hairband", colours.ornament.line, [(arc, 0.056)], (0.7, 1.1, 0.7))
        scene.ink("hairband", colours.ornament.base, [(arc, 0.044)], (0.7, 1.1, 0.7))
    if extras.bow and hatless:
        _bow(
            scene,
            "hair bow",
            ornament_spot(face, body, 3),
            0.42 * scale,
            0.35 * face.hair.side,
            colours.ornament,
            tails=False,
        )
    if ribbon_drawn(face) and not_tied(face):
        _bow(
            scene,
            "hair ribbon",
            ornament_spot(face, body, 2),
            0.28 * scale,
            -0.4 * face.hair.side,
            colours.ornament,
            tails=True,
        )
    if extras.flower:
        x, y = ornament_spot(face, body, 0)
        petal = tones(mix(colours.ornament.base, (255, 255, 255), 0.55), face.style.kind)
        for i in range(5):
            a = 2 * pi * i / 5 + 0.3
            px, py = x + 0.17 * scale * cos(a), y + 0.17 * scale * sin(a)
            edge = spline(
                [
                    (x, y),
                    (px - 0.1 * scale * sin(a), py + 0.1 * scale * cos(a)),
                    (x + 0.32 * scale * cos(a), y + 0.32 * scale * sin(a)),
                    (px + 0.1 * scale * sin(a), py - 0.1 * scale * cos(a)),
                ],
                closed=True,
            )
            scene.outlined("hair flower", edge, petal, 0.005)
        scene.oval((x, y), 0.075 * scale, 0.075 * scale, argb((250, 206, 80)))
    if extras.clip:
        x, y = ornament_spot(face, body, 1 if extras.flower else 0)
        gold: Colour = (250, 214, 84)
        tone = tones(gold if extras.dark else mix(colours.ornament.base, (255, 255, 255), 0.2), face.style.kind)
        for d in (0.0, 0.12):
            edge = straight(
                (x - 0.2 * scale, y + (d - 0.08) * scale),
                (x + 0.2 * scale, y + (d - 0.03) * scale),
                (x + 0.2 * scale, y + (d + 0.03) * scale),
                (x - 0.2 * scale, y + (d - 0.02) * scale),
            )
            scene.outlined("hair clip", edge, tone, 0.006)


def ribbon_drawn(face: Face) -> bool:
    """A hat would cover the tie of a high tail."""
    return face.extras.ribbon and not (face.extras.hat != "none" and face.hair.tails == "pony")


def not_tied(face: Face) -> bool:
    """No tail to tie a ribbon around."""
    return face.hair.tails in ("none", "buns")


def draw_glasses(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Frames in front of the eyes."""
    kind = face.extras.glasses
    if kind == "none":
        return
    frame = (
        mix(colours.ornament.base, (30, 26, 34), 0.75)
        if face.extras.dark
        else mix(colours.ornament.base, (120, 30, 40), 0.4)
    )
    lines = []
    ends = []
    for eye in body.eyes:
        at = eye.at
        if kind == "round":
            points = [at(1.12 * cos(a), 0.05 + 1.2 * sin(a)) for a in (0.0, 0.79, 1.57, 2.36, 3.14, 3.93, 4.71, 5.5)]
            edge = spline([*points, points[0]])
        elif kind == "square":
            edge = spline(
                [
                    at(-1.1, -0.75),
                    at(0, -0.9),
                    at(1.2, -0.8),
                    at(1.15, 0.9),
                    at(0.1, 1.2),
                    at(-1.0, 0.95),
                    at(-1.1, -0.75),
                ],
                tension=0.1,
            )
        else:
            edge = spline([at(-1.12, 0.0), at(-0.95, 0.95), at(0.1, 1.22), at(1.1, 0.9), at(1.2, -0.1)], tension=0.14)
        if kind != "half":
            scene.fill(scene.closed(edge), argb((220, 238, 255), 0.16))
        lines.append((edge, 0.05 * face.pose.scale))
        ends.append((at(-1.1, 0.0), at(1.18, -0.1)))
    lines.append(
        (
            spline([ends[0][0], body.view(0, face.eyes.level - 0.06, face_depth(0, 0) + 0.05), ends[1][0]]),
            0.045 * face.pose.scale,
        )
    )
    for (_, outer), s in zip(ends, (-1, 1), strict=True):
        lines.append(
            (spline([outer, body.view(s * face.head.cheek, face.eyes.level - 0.05, 0.1)]), 0.04 * face.pose.scale)
        )
    scene.ink("glasses", frame, lines, (1.0, 1.0, 1.0))


def draw_neck_jewelry(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Choker and necklace."""
    view, low = body.body, face.head.chin + 0.28
    if choker_drawn(face):
        curve = spline(choker_spots(face, body))
        scene.ink(
            "choker", mix(colours.ornament.base, (26, 22, 30), 0.8), [(curve, 0.1 * face.pose.scale)], (1.0, 1.0, 1.0)
        )
        x, y = view(0, low + 0.07, 0.0)
        scene.oval((x, y), 0.05 * face.pose.scale, 0.06 * face.pose.scale, argb((244, 210, 90)))
    if necklace_drawn(face):
        curve = spline(necklace_spots(face, body))
        scene.ink("necklace", (176, 132, 40), [(curve, 0.035 * face.pose.scale)], (1.0, 1.0, 1.0))
        x, y = view(0, low + 0.5, 0.0)
        scene.oval((x, y), 0.085 * face.pose.scale, 0.1 * face.pose.scale, argb((120, 90, 40)))
        scene.oval(
            (x, y),
            0.07 * face.pose.scale,
            0.085 * face.pose.scale,
            argb(mix(colours.ornament.base, (255, 255, 255), 0.2)),
        )


def choker_spots(face: Face, body: Anatomy) -> list[Point]:
    """Where a choker runs."""
    thick, low = neck(face), face.head.chin + 0.28
    return [body.body(x, low + below, 0.0) for x, below in ((-thick, -0.12), (0.0, -0.02), (thick, -0.12))]


def necklace_spots(face: Face, body: Anatomy) -> list[Point]:
    """Where a necklace runs; its stone hangs below the middle."""
    wide, low = neck(face) + 0.1, face.head.chin + 0.28
    chain = ((-wide, 0.12), (-0.2, 0.36), (0.0, 0.43), (0.2, 0.36), (wide, 0.12))
    return [body.body(x, low + below, 0.0) for x, below in chain]


def choker_drawn(face: Face) -> bool:
    """A collar would hide it."""
    return face.extras.choker and face.clothes.outfit in ("camisole", "dress", "tee", "sailor")


def necklace_drawn(face: Face) -> bool:
    """Needs an open neckline."""
    return face.extras.necklace and face.clothes.outfit in ("camisole", "dress", "tee", "turtleneck")


def draw_earring(scene: Scene, face: Face, body: Anatomy, colours: Palette, side: int) -> None:
    """Hangs from one lobe."""
    x, y = earring_spot(face, body, side)
    scale = face.pose.scale
    scene.oval((x, y), 0.045 * scale, 0.045 * scale, argb((206, 160, 60)))
    edge = spline(
        [(x, y), (x + 0.07 * scale, y + 0.16 * scale), (x, y + 0.26 * scale), (x - 0.07 * scale, y + 0.16 * scale)],
        closed=True,
        tension=0.1,
    )
    scene.outlined(
        "left earring" if side > 0 else "right earring",
        edge,
        tones(mix(colours.ornament.base, (255, 240, 200), 0.3), face.style.kind),
        0.006,
    )


def earring_spot(face: Face, body: Anatomy, side: int) -> Point:
    """The lobe."""
    return body.view(side * face.head.cheek * 1.02, 0.48, -0.1)


def earring_inside(face: Face, body: Anatomy, side: int) -> list[Point]:
    """Points spread over an earring: if half of them are covered, so is half of it."""
    (x, y), scale = earring_spot(face, body, side), face.pose.scale
    inside = (
        (0.0, -0.03), (-0.04, 0.0), (0.04, 0.0), (0.0, 0.04), (-0.03, 0.1), (0.03, 0.1),
        (-0.065, 0.16), (0.0, 0.16), (0.065, 0.16), (-0.03, 0.21), (0.03, 0.21), (0.0, 0.26),
    )  # fmt: skip
    return [(x + right * scale, y + down * scale) for right, down in inside]
