"""Draws eyes and brows."""

from __future__ import annotations

from anime_gen.painter.anatomy import Anatomy, Eye
from anime_gen.painter.curves import PRESSED, TAPERED, Curve, Point, Profile, polygon, reverse, spline
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
    scene.fill(white, argb((250, 249, 250)))
    scene.clip(white)
    x, y = eye.iris
    rx, ry = eye.radius
    base = colours.eye.base
    dark = mix(shift(base, 0.02, -0.14), (24, 16, 40), 0.4)
    light = mix(shift(base, -0.03, 0.14), WHITE, 0.18)
    # The limbal ring, then the colour: dark below the lid, bright where light comes out again at the bottom.
    scene.oval((x, y), rx, ry, argb(mix(dark, (20, 14, 34), 0.45)))
    inner = linear((x, y - ry), (x, y + ry), [argb(dark), argb(base), argb(base), argb(light)], [0.08, 0.42, 0.66, 1.0])
    scene.oval((x, y), rx * 0.91, ry * 0.94, inner)
    pupil = face.eyes.pupil
    scene.oval((x, y - 0.06 * ry), rx * pupil, ry * pupil, argb(mix(dark, (12, 8, 24), 0.6)))
    if face.eyes.ring:
        crescent = spline([(x - rx * 0.66, y + ry * 0.32), (x, y + ry * 0.8), (x + rx * 0.66, y + ry * 0.32)])
        glow = argb(mix(light, WHITE, 0.35), 0.85)
        scene.fill(scene.outlines.bands([(crescent, ry * 0.15, TAPERED)]), glow)
    # The lid's shadow on the ball.
    lowered = [value + (0.085 * scale if i % 2 else 0.0) for i, value in enumerate(eye.upper)]
    scene.fill(scene.closed(eye.upper, reverse(lowered)), argb((60, 44, 84), 0.42))
    scene.unclip()
    if scene.fine:
        for share in (1.0, 0.44):
            ring = spline(
                [(x + share * rx, y), (x, y + share * ry), (x - share * rx, y), (x, y - share * ry)],
                closed=True,
                tension=0.276,
            )
            scene.trace_only(name, ring, 0.004)
    _shine(scene, face, (x, y), (rx, ry))


def _shine(scene: Scene, face: Face, centre: Point, radius: Point) -> None:
    (x, y), (rx, ry) = centre, radius
    paint = argb(WHITE, 0.97)
    lit = face.style.light
    kind = face.eyes.shine
    hx, hy = x + lit * rx * 0.36, y - ry * 0.44
    if kind == "star":
        spikes = []
        for i, (dx, dy) in enumerate(
            ((0, -1), (0.3, -0.3), (1, 0), (0.3, 0.3), (0, 1), (-0.3, 0.3), (-1, 0), (-0.3, -0.3))
        ):
            spikes.append((hx + dx * rx * (0.45 if i % 2 == 0 else 0.6), hy + dy * rx * (0.55 if i % 2 == 0 else 0.6)))
        scene.fill(polygon(spikes), paint)
    elif kind == "window":
        corners = ((-0.24, -0.16), (0.22, -0.26), (0.26, 0.16), (-0.2, 0.24))
        scene.fill(polygon([(hx + a * rx, hy + b * ry) for a, b in corners]), paint)
    elif kind == "oval":
        scene.oval((hx, hy), rx * 0.22, ry * 0.3, paint)
    else:
        scene.oval((hx, hy), rx * 0.31, ry * 0.23, paint)
    if kind in ("twin", "star", "sparkle"):
        scene.oval((x - lit * rx * 0.42, y + ry * 0.44), rx * 0.18, ry * 0.13, paint)
    elif scene.fine:
        scene.oval((x - lit * rx * 0.4, y + ry * 0.45), rx * 0.13, ry * 0.1, paint)
    if kind == "sparkle":
        scene.oval((x + lit * rx * 0.5, y + ry * 0.12), rx * 0.12, ry * 0.08, paint)


def _lids(scene: Scene, face: Face, eye: Eye, colours: Palette, name: str) -> None:
    scale, ink, at = face.pose.scale, colours.ink, eye.at
    weight = _lash_width(face)
    if not eye.open:
        scene.ink(name, ink, [(eye.upper, weight * 0.8)], PRESSED)
        if face.eyes.lashes:
            x, y = eye.upper[-2:]
            wing = at(1.2, 0.55 if face.eyes.lids[0] == "calm" else 0.5)
            scene.ink(name, ink, [(spline([(x, y), wing]), weight * 0.6)], (1.0, 1.0, 0.0))
        return
    under = spline([at(0.9, 0.62), at(0.6, 0.9), at(0.05, 1.0), at(-0.4, 0.94)])
    scene.ink(name, mix(ink, colours.skin.line, 0.45), [(under, weight * 0.26)], (1.2, 1.0, 0.0))
    lash = _lash(eye)
    if scene.fine:
        # The ends of the lashes take on the colour of the hair, or of the skin around them.
        tint = mix(mix(ink, colours.hair.line, 0.5), colours.skin.line, 0.35)
        start, end = at(-1.0, 0.0), at(1.15, 0.0)
        paint = linear(start, end, [argb(tint), argb(ink), argb(ink), argb(tint)], [0.0, 0.35, 0.75, 1.0])
        scene.fill(scene.outlines.bands([(lash, 0.5 * weight * scene.weight, _LASH)]), paint)
        scene.trace_only(name, lash, weight)
    else:
        scene.ink(name, ink, [(lash, weight)], _LASH)
    end = lash[-2], lash[-1]
    if face.eyes.lashes:
        points = [(spline([at(0.72, -0.55), at(0.98, -0.5), at(1.16, -0.56)]), weight * 0.5)]
        if face.eyes.lashes > 1:
            points.append((spline([end, at(1.02, 0.2), at(0.94, 0.5)]), weight * 0.55))
            points.append((spline([at(0.45, -0.84), at(0.64, -0.98), at(0.78, -1.08)]), weight * 0.4))
        scene.ink(name, ink, points, (1.0, 1.1, 0.0))
    if scene.fine:
        fold = spline([at(-0.55, -1.05), at(-0.1, -1.3), at(0.45, -1.27), at(0.88, -0.9)])
        scene.ink(name, colours.skin.line, [(fold, 0.016 * scale)], alpha=0.8)


def _lash(eye: Eye) -> Curve:
    """The upper lid's line, carried on into a wing."""
    x, y = eye.upper[-2:]
    wx, wy = eye.at(1.14, -0.1)
    wy = 0.45 * wy + 0.55 * y
    return [*eye.upper, x + 0.3 * (wx - x), y + 0.3 * (wy - y), x + 0.7 * (wx - x), y + 0.7 * (wy - y), wx, wy]


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
    bands: list[tuple[Curve, float, Profile]] = []
    for eye, brow in zip(body.eyes, body.brows, strict=True):
        bands.append((brow, 0.5 * _brow_width(face) * scene.weight, _BROW))
        bands.append((eye.upper, 0.4 * _lash_width(face) * scene.weight, _LASH))
    scene.fill(scene.outlines.bands(bands), argb(_brow_tint(colours), 0.55))


_BROW = (0.7, 1.5, 0.0)
# Thin at the inner corner, heaviest past the middle, gone at the end of the wing.
_LASH = (0.2, 1.2, 1.7, 0.0)


def _brow_tint(colours: Palette) -> Colour:
    return mix(colours.hair.line, colours.ink, 0.35)


def _brow_width(face: Face) -> float:
    return 0.07 * face.pose.scale * face.expression.brow_weight


def _lash_width(face: Face) -> float:
    lowered = "half" in face.eyes.lids
    return (0.065 if lowered else 0.094) * face.pose.scale * face.eyes.lash
