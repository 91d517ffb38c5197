"""Draws the hair: layers of locks, each with its own edge, shadow and shine."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import skia

from anime_gen.painter.anatomy import Anatomy
from anime_gen.painter.curves import FADING, PRESSED, TAPERED, Curve, path, reverse, spline
from anime_gen.painter.hair_shape import HairShape
from anime_gen.painter.locks import LOCK, Lock
from anime_gen.painter.palette import Palette, mix
from anime_gen.painter.parameters import Face
from anime_gen.painter.scene import Paint, Scene, argb, linear, radial

_WEDGE = (0.0, 0.0, 0.05, 0.12, 0.22, 0.36, 0.52, 0.66, 0.74, 0.74, 0.6, 0.4)  # along a lock, 1 = its middle
# How much of a lock's edge is drawn: all of it, or none at the root, where the locks of the bangs are one mass.
_WHOLE = {count: array("d", [1.0] * count) for count in range(4, 20, 3)}
_TIPS = {count: array("d", [min(1.0, 1.8 * i / count) ** 2 for i in range(count)]) for count in range(4, 20, 3)}
_WEDGES = {count: array("d", [_WEDGE[12 * i // count] for i in range(count)]) for count in range(8, 40, 6)}


class Brush:
    """How the locks of one layer are painted."""

    def __init__(self, face: Face, colours: Palette, dark: float) -> None:
        tones = colours.hair
        self.line = tones.line
        self.line_paint = argb(tones.line)
        self.light = face.style.light
        base = mix(tones.base, tones.shadow, dark)
        self.shade = argb(mix(tones.shadow, tones.line, 0.3 * dark), 0.9)
        self.fill = argb(base)
        if face.style.kind not in ("flat", "ink"):
            top, bottom = face.pose.y - 1.4 * face.pose.scale, face.pose.y + 1.9 * face.pose.scale
            end = mix(mix(base, colours.hair_tips, 0.35 + 0.65 * face.hair.tips), tones.shadow, dark)
            stops = [argb(mix(base, tones.shadow, 0.25)), argb(base), argb(end)]
            self.fill = linear((0.5, top), (0.5, bottom), stops, [0.0, 0.4, 1.0])


def draw_lock(scene: Scene, part: str, lock: Lock, brush: Brush, rise: dict[int, array[float]]) -> None:
    """One lock: its edge (a slightly wider band underneath), its colour, and the shadow on its far side."""
    centre, left, right = lock.curve, lock.left, lock.right
    dark, lit = (right, left) if brush.light > 0 else (left, right)
    # The edge grows with the lock's width: none at the tip, little at the root, so that roots melt into the crown.
    # A wedge of shadow: nothing at the root, most of the way to the middle near the tip.
    rim, body, shadow = scene.outlines.lock(
        lock, 0.0042 * scene.weight / lock.half, rise[len(dark) // 2], dark, _WEDGES[len(dark)]
    )
    scene.fill(rim, brush.line_paint)
    scene.fill(body, brush.fill)
    scene.fill(shadow, brush.shade)
    if scene.fine:
        scene.trace_only(part, left, 0.004)
        scene.trace_only(part, right, 0.004)
        thin = [0.35 * a + 0.65 * c for a, c in zip(lit, centre, strict=True)]
        scene.ink(part, brush.line, [(thin, 0.003)], (0.0, 0.8, 0.9), alpha=0.45)


def _draw_locks(
    scene: Scene, part: str, locks: Iterable[Lock], brush: Brush, rise: dict[int, array[float]] = _WHOLE
) -> None:
    for lock in locks:
        draw_lock(scene, part, lock, brush, rise)


def draw_back(scene: Scene, face: Face, shape: HairShape, colours: Palette) -> None:
    """What lies behind head and bust."""
    # In the shade of the head.
    back, front = Brush(face, colours, 0.85), Brush(face, colours, 0.1)
    line = colours.hair.line
    for (x, y), radius in shape.buns:
        scene.oval((x, y), radius + 0.004, radius + 0.004, argb(line))
        scene.oval((x, y), radius, radius, front.fill)
        scene.oval((x + 0.2 * radius * brush_side(face), y + 0.25 * radius), 0.7 * radius, 0.65 * radius, front.shade)
        swirls = [
            spline(
                [
                    (x - radius * 0.7, y - radius * 0.2),
                    (x, y - radius * 0.55),
                    (x + radius * 0.6, y),
                    (x, y + radius * 0.45),
                ]
            ),
            spline(
                [(x - radius * 0.4, y + radius * 0.2), (x, y - radius * 0.1), (x + radius * 0.25, y + radius * 0.1)]
            ),
        ]
        scene.ink("bun", line, [(curve, 0.006) for curve in swirls])
    mass = scene.closed(shape.back.outline)
    scene.fill(mass, back.fill)
    scene.ink("hair back", line, [(shape.back.outline, 0.0075)], PRESSED)
    scene.ink("hair back", line, [(curve, 0.006) for curve in shape.back.valleys], FADING, alpha=0.8)
    _draw_locks(scene, "hair tails", shape.tails, front)
    _draw_locks(scene, "hair tufts", shape.tufts, front)


def brush_side(face: Face) -> int:
    """The side that lies in shadow."""
    return -face.style.light


def draw_hanging(scene: Scene, face: Face, shape: HairShape, colours: Palette) -> None:
    """Tails and braids that fall in front of the bust."""
    if not shape.hanging and not shape.braids:
        return
    brush = Brush(face, colours, 0.1)
    _draw_locks(scene, "hair tails", shape.hanging, brush)
    for braid in shape.braids:
        _draw_locks(scene, "braid", braid, brush)


def over_face(shape: HairShape) -> skia.Path:
    """What of the hair lies over the face: for its shadow and for what it hides."""
    locks = [(lock.left, reverse(lock.right)) for lock in (*shape.bangs, *shape.sides)]
    return path([*locks, shape.cap])


def draw_front(scene: Scene, face: Face, body: Anatomy, shape: HairShape, colours: Palette) -> None:
    """Crown, side locks and bangs."""
    brush, line = Brush(face, colours, 0.0), colours.hair.line
    _draw_locks(scene, "hair sides", shape.sides, brush)
    outer, inner = shape.cap
    scene.fill(scene.closed(outer, inner), brush.fill)
    scene.ink("hair outline", line, [(outer, 0.0085)], (0.0, 1.6, 0.0))
    if face.hair.bangs in ("none", "wispy", "parted", "curtain"):
        scene.ink("hairline", line, [(inner, 0.005)])
    _crown(scene, face, body, colours)
    _strands(scene, face, shape.below, brush.line_paint, brush.fill)
    _draw_locks(scene, "hair front", shape.bangs, brush, _TIPS)
    if face.style.kind == "soft":
        _brushwork(scene, face, shape.bangs, colours)
    _shine(scene, face, body, colours)
    if shape.stray:
        hairs = scene.outlines.bands((curve, 0.022 * face.pose.scale, TAPERED) for curve in shape.stray)
        scene.fill(hairs, argb(mix(line, colours.hair.base, 0.6), 0.85))
    if face.style.rim:
        _rim(scene, face, shape, colours)
    _draw_locks(scene, "ahoge", shape.ahoge, brush)


def _strands(scene: Scene, face: Face, curves: list[Curve], line: int, paint: Paint) -> None:
    """Slender locks that lie beside each other: all edges at once, then all colour."""
    if curves:
        half = 0.085 * face.pose.scale
        scene.fill(scene.outlines.bands((curve, half + 0.004 * scene.weight, LOCK) for curve in curves), line)
        scene.fill(scene.outlines.bands((curve, half, LOCK) for curve in curves), paint)
        for curve in curves:
            scene.trace_only("hair front", curve, 0.004)


def _brushwork(scene: Scene, face: Face, locks: list[Lock], colours: Palette) -> None:
    """Strokes of a wet brush inside the locks, where they happen to fall: shadow first, then light."""
    grain, tones = face.hair.grain, colours.hair
    for lit, paint in ((False, argb(tones.shadow, 0.35)), (True, argb(tones.light, 0.2))):
        strokes = [
            (lock.curve, lock.half * (0.32 + 0.14 * grain[i]), TAPERED)
            for i, lock in enumerate(locks)
            if (grain[i + 20] > 0.1) == lit
        ]
        scene.fill(scene.outlines.bands(strokes), paint)


def _rim(scene: Scene, face: Face, shape: HairShape, colours: Palette) -> None:
    """Light from behind that catches the crown on its shaded side."""
    outer = shape.cap[0]
    # The cap's outline runs from the picture's left over the top to its right, in ten segments.
    edge = outer[: 6 * 4 + 2] if brush_side(face) < 0 else outer[6 * 6 :]
    inward, down = -0.045 * brush_side(face) * face.pose.scale, 0.03 * face.pose.scale
    inset = [value + (down if i % 2 else inward) for i, value in enumerate(edge)]
    band = scene.outlines.bands([(inset, 0.03 * face.pose.scale, TAPERED)])
    scene.fill(band, argb(mix(colours.hair.light, (255, 250, 240), 0.5), 0.75 * face.style.rim))


def _crown(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Strands that fan out from the parting."""
    view, volume, grain = body.view, face.hair.volume, face.hair.grain
    part = -face.hair.side * 0.5 if face.hair.bangs == "swept" else face.hair.part
    strands = []
    if scene.fine:
        # Stray hairs that leave the outline.
        for i in range(4):
            x = 0.95 * grain[i + 50]
            y = -1.38 - 0.7 * volume + 0.62 * x * x
            out = 0.1 + 0.06 * grain[i + 40]
            strands.append(
                (
                    spline(
                        [
                            view(0.8 * x, y + 0.12, 0.0),
                            view(x, y, 0.0),
                            view(x * (1 + out) + 0.05, y - out + 0.3 * x * x, 0.0),
                        ]
                    ),
                    0.004,
                )
            )
    for i in range(7):
        x = -0.9 + 0.3 * i + 0.06 * grain[i]
        if i % 2 == 0 or scene.fine:
            root = 0.6 * part + 0.15 * (x - part)
            top = view(root, -1.33 - volume * 0.7, 0.2)
            curve = spline([top, view(0.75 * x, -1.2 + 0.35 * x * x, 0.45), view(x, -0.75 + 0.4 * x * x, 0.6)])
            strands.append((curve, 0.0042))
    scene.ink("hair strands", colours.hair.line, strands, FADING if face.style.kind == "ink" else TAPERED, alpha=0.5)


def _shine(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """The band of light across the crown, its edges broken by the strands."""
    if face.style.kind == "flat":
        return
    view, grain = body.view, face.hair.grain
    strength = {"cel": 0.6, "soft": 0.35, "retro": 0.85, "ink": 0.8}[face.style.kind]
    if face.style.kind == "soft":
        x, y = view(0.25 * face.style.light, -0.98, 0.6)
        light, scale = colours.hair.light, face.pose.scale
        scene.oval(
            (x, y), 0.6 * scale, 0.26 * scale, radial((x, y), 0.55 * scale, [argb(light, 0.75), argb(light, 0.0)])
        )
    upper, lower = [], []
    count = 9 + int(3 * (grain[0] + 1))
    tilt = 0.12 * face.style.light
    level = -1.0 if face.hair.bangs != "none" else -1.12
    for i in range(count):
        x = -0.82 + 1.64 * (i + 0.35 * grain[i + 2] * (0 < i < count - 1)) / (count - 1)
        middle = level + 0.3 * x * x + 0.1 * tilt * x
        # Brightest where the light comes from, and broken where the hair turns away from it.
        fade = max(0.0, 1.0 - (x / 0.86 - 2.0 * tilt) ** 2) * min(1.0, 0.75 + 0.9 * grain[i + 12])
        high = (0.015 + 0.08 * (i % 2)) * fade * (1 + 0.7 * grain[i + 20])
        deep = (0.015 + 0.15 * ((i + 1) % 2)) * fade * (1 + 0.8 * grain[i + 34])
        upper.append(view(0.98 * x, middle - high, 0.6))
        lower.append(view(x, middle + deep, 0.66))
    band_path = scene.closed(spline(upper, tension=0.1), spline(lower[::-1], tension=0.1))
    scene.fill(band_path, argb(colours.hair.light, strength))
