"""Draws hats and animal ears."""

from __future__ import annotations

from anime_gen.painter.anatomy import Anatomy
from anime_gen.painter.curves import spline
from anime_gen.painter.palette import Palette, mix, tones
from anime_gen.painter.parameters import Face
from anime_gen.painter.scene import Scene, argb


def draw_animal_ears(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """On top of the crown, in the hair's colour."""
    kind, view, top = face.extras.animal_ears, body.view, 0.8 * face.hair.volume
    if kind == "none":
        return
    for s in (-1, 1):
        part = "left animal ear" if s > 0 else "right animal ear"
        if kind == "rabbit":
            outer = [(0.25, -1.25), (0.22, -1.8), (0.42, -2.35), (0.66, -1.85), (0.62, -1.15)]
        elif kind == "bear":
            outer = [(0.5, -1.2), (0.55, -1.55), (0.85, -1.68), (1.1, -1.45), (1.0, -0.95)]
        else:
            tall = 0.12 if kind == "fox" else 0.0
            outer = [(0.3, -1.22), (0.5, -1.6 - tall), (0.86, -1.95 - tall), (1.02, -1.45), (1.0, -0.9)]
        points = [view(s * x, y - top, 0.0) for x, y in outer]
        tension = 0.16 if kind in ("rabbit", "bear") else 0.06
        scene.outlined(part, spline(points, tension=tension), colours.hair)
        cx, cy = sum(p[0] for p in points) / 5, sum(p[1] for p in points) / 5
        inner = [(cx + 0.62 * (x - cx), cy + 0.62 * (y - cy) + 0.02 * face.pose.scale) for x, y in points]
        pink = mix((250, 190, 190), colours.hair.light, 0.25)
        scene.fill(scene.closed(spline(inner, tension=tension)), argb(pink))


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
