"""Draws hats and animal ears."""

from __future__ import annotations

from anime_gen.painter.anatomy import Anatomy
from anime_gen.painter.curves import Point, spline
from anime_gen.painter.palette import Palette, mix, tones
from anime_gen.painter.parameters import AnimalEars, Face, Hat
from anime_gen.painter.scene import Scene, argb


def draw_animal_ears(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """On top of the crown, in the hair's colour."""
    kind = face.extras.animal_ears
    for s in (-1, 1) if kind != "none" else ():
        part = "left animal ear" if s > 0 else "right animal ear"
        points = animal_ear_spots(face, body, s)
        tension = 0.16 if kind in ("rabbit", "bear") else 0.06
        scene.outlined(part, spline(points, tension=tension), colours.hair)
        cx, cy = sum(p[0] for p in points) / 5, sum(p[1] for p in points) / 5
        inner = [(cx + 0.62 * (x - cx), cy + 0.62 * (y - cy) + 0.02 * face.pose.scale) for x, y in points]
        pink = mix((250, 190, 190), colours.hair.light, 0.25)
        scene.fill(scene.closed(spline(inner, tension=tension)), argb(pink))


# Low enough on the head that crops which show the hair show them, too.
_EARS: dict[AnimalEars, tuple[tuple[float, float], ...]] = {
    "none": (),
    "rabbit": ((0.3, -1.12), (0.32, -1.62), (0.58, -2.12), (0.8, -1.64), (0.72, -1.0)),
    "bear": ((0.54, -1.06), (0.6, -1.4), (0.92, -1.52), (1.15, -1.28), (1.05, -0.8)),
    "cat": ((0.36, -1.1), (0.6, -1.42), (1.0, -1.72), (1.1, -1.22), (1.05, -0.72)),
    "fox": ((0.36, -1.1), (0.58, -1.5), (1.02, -1.84), (1.12, -1.26), (1.05, -0.72)),
}


def animal_ear_spots(face: Face, body: Anatomy, side: int) -> list[Point]:
    """An animal ear's outline, from root over tip to root."""
    top = 0.8 * face.hair.volume
    return [body.view(side * x, y - top, 0.0) for x, y in _EARS[face.extras.animal_ears]]


def hat_spots(face: Face, body: Anatomy) -> list[Point]:
    """Places all over a hat, those of its lower edge not among them."""
    v = 1 + 0.85 * face.hair.volume
    return [body.view(x * v, y * v, 0.2) for x, y in _HAT[face.extras.hat]]


_HAT: dict[Hat, tuple[tuple[float, float], ...]] = {
    "none": (),
    "beret": ((-0.9, -1.0), (0.0, -1.05), (0.9, -1.0), (-0.9, -1.3), (0.0, -1.35), (0.9, -1.3), (0.0, -1.6)),
    "witch": ((-1.3, -0.9), (0.0, -1.05), (1.3, -0.9), (-0.6, -1.4), (0.5, -1.4), (0.0, -1.9), (0.4, -2.3)),
    "cap": ((-0.9, -0.7), (0.0, -0.8), (0.9, -0.7), (-0.7, -1.05), (0.0, -1.1), (0.7, -1.05), (0.0, -1.45)),
    "straw": ((-1.3, -0.85), (0.0, -1.0), (1.3, -0.85), (-0.7, -1.2), (0.0, -1.25), (0.7, -1.2), (0.0, -1.6)),
}


def draw_hat(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Over the crown, with a shadow on the hair below."""
    kind, view, v = face.extras.hat, body.view, 1 + 0.85 * face.hair.volume
    tone = colours.ornament
    if kind == "none":
        return
    edge = -0.62 if kind == "cap" else -0.84
    shade = [
        (-0.96, edge - 0.05),
        (-0.5, edge - 0.2),
        (0.0, edge - 0.22),
        (0.5, edge - 0.2),
        (0.96, edge - 0.05),
        (0.9, edge + 0.14),
        (0.0, edge + 0.06),
        (-0.9, edge + 0.14),
    ]
    scene.fill(
        scene.closed(spline([view(x * v, y * v, 0.3 if kind != "cap" else 0.7) for x, y in shade], closed=True)),
        argb(colours.hair.line, 0.4),
    )
    if kind == "beret":
        s = face.hair.side
        points = [
            (-0.98, -0.84),
            (-1.16, -1.2),
            (-0.5, -1.66),
            (0.4, -1.7),
            (1.26, -1.32),
            (1.04, -0.82),
            (0.5, -1.0),
            (-0.4, -1.02),
        ]
        scene.outlined("hat", spline([view(s * x * v, y * v, 0.2) for x, y in points], closed=True), tone, 0.009)
    elif kind == "witch":
        cone = [(-0.95, -0.95), (-0.7, -1.5), (-0.25, -2.1), (0.5, -2.6), (0.55, -1.9), (0.8, -1.4), (0.95, -0.95)]
        scene.outlined("hat", spline([view(x * v, y * v, 0.1) for x, y in cone]), tone, 0.009)
        brim = [
            (-1.7, -0.78),
            (-0.9, -1.08),
            (0.0, -1.16),
            (0.9, -1.08),
            (1.7, -0.78),
            (0.9, -0.82),
            (0.0, -0.88),
            (-0.9, -0.82),
        ]
        scene.outlined("hat", spline([view(x * v, y * v, 0.3) for x, y in brim], closed=True), tone, 0.009)
    elif kind == "cap":
        dome = [
            (-1.04, -0.55),
            (-0.97, -1.1),
            (-0.52, -1.5),
            (0.0, -1.58),
            (0.52, -1.5),
            (0.97, -1.1),
            (1.04, -0.55),
            (0.0, -0.82),
        ]
        scene.outlined("hat", spline([view(x * v, y * v, 0.2) for x, y in dome], closed=True), tone, 0.009)
        peak = [(-0.85, -0.76), (0.0, -0.98), (0.85, -0.76), (0.95, -0.54), (0.0, -0.64), (-0.95, -0.54)]
        seams = [
            spline([view(s * 0.5 * v, -0.9 * v, 0.7), view(s * 0.4 * v, -1.3 * v, 0.5), view(0, -1.56 * v, 0.2)])
            for s in (-1, 1)
        ]
        scene.ink("hat", tone.line, [(curve, 0.005) for curve in seams])
        scene.outlined("hat", spline([view(x * v, y * v, 0.75) for x, y in peak], closed=True), colours.cloth, 0.009)
    elif kind == "straw":
        straw = tones((240, 214, 148), face.style.kind)
        dome = [(-0.9, -0.9), (-0.8, -1.4), (-0.3, -1.72), (0.3, -1.72), (0.8, -1.4), (0.9, -0.9)]
        scene.outlined("hat", spline([view(x * v, y * v, 0.1) for x, y in dome]), straw, 0.009)
        brim = [
            (-1.65, -0.72),
            (-0.8, -1.12),
            (0.0, -1.2),
            (0.8, -1.12),
            (1.65, -0.72),
            (0.8, -0.8),
            (0.0, -0.86),
            (-0.8, -0.8),
        ]
        scene.outlined("hat", spline([view(x * v, y * v, 0.3) for x, y in brim], closed=True), straw, 0.009)
        ring = spline([view(-0.9 * v, -1.08 * v, 0.3), view(0, -1.24 * v, 0.4), view(0.9 * v, -1.08 * v, 0.3)])
        scene.ink("hat", tone.base, [(ring, 0.045)], (0.8, 1.0, 0.8))
