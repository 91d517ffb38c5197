"""Draws eyes and brows."""

from __future__ import annotations

from anime_gen.painter.anatomy import Anatomy, Eye
from anime_gen.painter.curves import PRESSED, TAPERED, polygon, reverse, spline
from anime_gen.painter.palette import Colour, Palette, mix, shift
from anime_gen.painter.parameters import Face
from anime_gen.painter.scene import Scene, argb, linear

WHITE: Colour = (255, 255, 255)


def draw_eyes(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Both eyes, the far one first."""
    for eye in body.eyes:
        name = "left eye" if eye.side > 0 else "right eye"
        if eye.open:
            _ball(scene, face, eye, colours, name)
        _lids(scene, face, eye, colours, name)


def _ball(scene: Scene, face: Face, eye: Eye, colours: Palette, name: str) -> None:
    white = scene.closed(eye.upper, eye.lower)
    scale = face.pose.scale
    scene.fill(white, argb(mix(WHITE, (255, 250, 240), 0.5)))
    scene.clip(white)
    x, y = eye.iris
    rx, ry = eye.radius
    base = colours.eye.base
    dark = mix(shift(base, 0.02, -0.16), (24, 16, 40), 0.45)
    light = mix(shift(base, -0.03, 0.14), WHITE, 0.18)
    scene.oval((x, y), rx, ry, argb(mix(dark, (20, 14, 34), 0.5)))
    inner = linear((x, y - ry), (x, y + ry), [argb(dark), argb(base), argb(light)], [0.1, 0.52, 1.0])
    scene.oval((x, y), rx * 0.9, ry * 0.93, inner)
    if face.eyes.ring:
        crescent = spline([(x - rx * 0.62, y + ry * 0.38), (x, y + ry * 0.78), (x + rx * 0.62, y + ry * 0.38)])
        scene.fill(scene.outlines.bands([(crescent, ry * 0.14, TAPERED)]), argb(mix(light, WHITE, 0.45), 0.9))
    scene.oval((x, y - 0.02 * ry), rx * 0.42, ry * 0.46, argb(mix(dark, (12, 8, 24), 0.65)))
    # The lid's shadow on the ball.
    lowered = [value + (0.07 * scale if i % 2 else 0.0) for i, value in enumerate(eye.upper)]
    scene.fill(scene.closed(eye.upper, reverse(lowered)), argb((70, 50, 90), 0.38))
    scene.unclip()
    if scene.fine:
        for share in (1.0, 0.44):
            ring = spline(
                [(x + share * rx, y), (x, y + share * ry), (x - share * rx, y), (x, y - share * ry)],
                closed=True,
                tension=0.276,
            )
            scene.trace_only(name, ring, 0.004)
    _shine(scene, face, eye, (x, y), (rx, ry))


def _shine(scene: Scene, face: Face, eye: Eye, centre: tuple[float, float], radius: tuple[float, float]) -> None:
    x, y = centre
    rx, ry = radius
    paint = argb(WHITE, 0.97)
    lit = face.style.light
    kind = face.eyes.shine
    hx, hy = x + lit * rx * 0.38, y - ry * 0.42
    if kind == "star":
        spikes = []
        for i, (dx, dy) in enumerate(
            ((0, -1), (0.3, -0.3), (1, 0), (0.3, 0.3), (0, 1), (-0.3, 0.3), (-1, 0), (-0.3, -0.3))
        ):
            spikes.append((hx + dx * rx * (0.45 if i % 2 == 0 else 0.6), hy + dy * rx * (0.55 if i % 2 == 0 else 0.6)))
        scene.fill(polygon(spikes), paint)
    elif kind == "oval":
        scene.oval((hx, hy), rx * 0.24, ry * 0.34, paint)
    else:
        scene.oval((hx, hy), rx * 0.34, ry * 0.27, paint)
    if kind in ("twin", "star"):
        scene.oval((x - lit * rx * 0.42, y + ry * 0.42), rx * 0.2, ry * 0.15, paint)
    elif scene.fine:
        scene.oval((x - lit * rx * 0.4, y + ry * 0.45), rx * 0.13, ry * 0.1, paint)


def _lids(scene: Scene, face: Face, eye: Eye, colours: Palette, name: str) -> None:
    scale, ink = face.pose.scale, colours.ink
    weight = _lash_width(face)
    if not eye.open:
        scene.ink(name, ink, [(eye.upper, weight * 0.9)], PRESSED)
        if face.eyes.lashes:
            at = eye.at
            x, y = eye.upper[-2:]
            wing = at(1.25, 0.55 if face.eyes.lids[0] == "calm" else 0.5)
            scene.ink(name, ink, [(spline([(x, y), wing]), weight * 0.7)], (1.0, 1.0, 0.0))
        return
    at = eye.at
    scene.ink(name, ink, [(eye.upper, weight)], _LASH)
    lashes = [(spline([at(0.82, -0.42), at(1.05, 0.0), at(1.2, -0.05 - 0.2 * face.eyes.slant)]), weight * 0.9)]
    if face.eyes.lashes:
        lashes.append((spline([at(0.72, -0.55), at(0.98, -0.6), at(1.2, -0.72)]), weight * 0.55))
    if face.eyes.lashes > 1:
        lashes.append((spline([at(0.4, -0.85), at(0.6, -1.05), at(0.8, -1.2)]), weight * 0.45))
        lashes.append((spline([at(0.8, 0.62), at(0.98, 0.72), at(1.1, 0.86)]), weight * 0.35))
    scene.ink(name, ink, lashes, (1.0, 1.1, 0.0))
    under = spline([at(0.98, 0.3), at(0.66, 0.84), at(0.05, 1.0), at(-0.5, 0.9)])
    scene.ink(name, mix(ink, colours.skin.line, 0.4), [(under, weight * 0.3)], (1.2, 1.0, 0.2))
    if scene.fine or scale > 0.2:
        fold = spline([at(-0.6, -0.95), at(-0.1, -1.32), at(0.5, -1.28), at(0.92, -0.85)])
        scene.ink(name, colours.skin.line, [(fold, 0.018 * scale)])


def draw_brows(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Tapered brows in a darker shade of the hair."""
    tint = _brow_tint(colours)
    for eye, brow in zip(body.eyes, body.brows, strict=True):
        name = "left brow" if eye.side > 0 else "right brow"
        scene.ink(name, tint, [(brow, _brow_width(face))], _BROW)


def shows_through(face: Face) -> bool:
    """Whether brows and lashes are drawn through the hair, as cel painters do."""
    return face.style.kind in ("cel", "soft", "flat")


def draw_through(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Brows and lash lines once more over the hair, faint. No new strokes: they are drawn already."""
    bands = []
    for eye, brow in zip(body.eyes, body.brows, strict=True):
        bands.append((brow, 0.5 * _brow_width(face) * scene.weight, _BROW))
        bands.append((eye.upper, 0.5 * _lash_width(face) * scene.weight, _LASH))
    scene.fill(scene.outlines.bands(bands), argb(_brow_tint(colours), 0.6))


_BROW = (0.7, 1.5, 0.0)
# Thin at the inner corner, heaviest past the middle, carried into the wing.
_LASH = (0.25, 1.3, 1.0)


def _brow_tint(colours: Palette) -> Colour:
    return mix(colours.hair.line, colours.ink, 0.35)


def _brow_width(face: Face) -> float:
    return 0.07 * face.pose.scale * face.expression.brow_weight


def _lash_width(face: Face) -> float:
    return 0.078 * face.pose.scale * face.eyes.lash
