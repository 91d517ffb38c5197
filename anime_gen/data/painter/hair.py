"""Draws the hair: layers of locks, each with its own edge, shadow and shine."""

from __future__ import annotations

import skia

from anime_gen.data.painter.anatomy import Anatomy
from anime_gen.data.painter.curves import FADING, TAPERED, Curve, band, closed_path, ribbon, spline, trace
from anime_gen.data.painter.hair_shape import HairShape, Lock
from anime_gen.data.painter.palette import Colour, Palette, mix
from anime_gen.data.painter.parameters import Face
from anime_gen.data.painter.scene import Scene, argb, linear, solid


def hair_paint(face: Face, colours: Palette, dark: float) -> skia.Paint:
    """The hair's fill: darker at the crown, tips of another hue where the face has them."""
    top, bottom = face.pose.y - 1.3 * face.pose.scale, face.pose.y + 1.9 * face.pose.scale
    base, shade = colours.hair.base, colours.hair.shadow
    start = mix(base, shade, dark)
    end = mix(mix(base, colours.hair_tips, 0.4 + 0.6 * face.hair.tips), shade, dark)
    if face.style.kind in ("flat", "ink"):
        return solid(start)
    return linear((0.5, top), (0.5, bottom), [argb(mix(start, shade, 0.12)), argb(start), argb(end)], [0.0, 0.35, 1.0])


def draw_lock(scene: Scene, part: str, lock: Lock, fill: skia.Paint, shade: skia.Paint, line: Colour, light: int) -> None:
    """One lock: its edge (a slightly wider band underneath), its colour, and the shadow on its far side."""
    width = 0.0032 * scene.weight
    start, middle, end = lock.profile
    rim = skia.Path()
    band(rim, lock.curve, lock.half + width, (start, middle, end + 0.12 * (end == 0)))
    scene.fill(rim, solid(line))
    body = skia.Path()
    left, right = ribbon(lock.curve, lock.half, lock.profile)
    trace(body, left)
    for curve in (right,):
        trace(body, _reversed(curve), start=False)
    body.close()
    scene.fill(body, fill)
    for edge in (left, right):
        scene.trace_only(part, edge, 0.004)
    dark = right if light > 0 else left
    inner = [0.52 * a + 0.48 * b for a, b in zip(dark, lock.curve, strict=True)]
    shadow = skia.Path()
    trace(shadow, dark)
    trace(shadow, _reversed(inner), start=False)
    shadow.close()
    scene.fill(shadow, shade)
    if scene.fine:
        lines = [([0.45 * a + 0.55 * b for a, b in zip(edge, lock.curve, strict=True)], 0.003) for edge in (left, right)]
        scene.ink(part, line, lines, (0.0, 1.2, 0.0), alpha=0.55)


def _reversed(curve: Curve) -> Curve:
    backward: Curve = []
    for i in range(len(curve) - 2, -1, -2):
        backward += (curve[i], curve[i + 1])
    return backward


def draw_back(scene: Scene, face: Face, shape: HairShape, colours: Palette) -> None:
    """What lies behind head and bust."""
    fill, shade = hair_paint(face, colours, 0.55), solid(mix(colours.hair.shadow, colours.hair.line, 0.25), 0.7)
    for x, y in [bun[0] for bun in shape.buns]:
        radius = shape.buns[0][1]
        scene.oval((x, y), radius + 0.004, radius + 0.004, solid(colours.hair.line))
        scene.oval((x, y), radius, radius, hair_paint(face, colours, 0.15))
        swirl = [spline([(x - radius * 0.6, y), (x, y - radius * 0.5), (x + radius * 0.6, y + radius * 0.1), (x, y + radius * 0.5)])]
        scene.ink("hair back", colours.hair.line, [(curve, 0.005) for curve in swirl])
    for lock in shape.back:
        draw_lock(scene, "hair back", lock, fill, shade, colours.hair.line, face.style.light)
    fill, shade = hair_paint(face, colours, 0.1), solid(colours.hair.shadow)
    for lock in shape.tails:
        draw_lock(scene, "hair tails", lock, fill, shade, colours.hair.line, face.style.light)


def draw_hanging(scene: Scene, face: Face, shape: HairShape, colours: Palette) -> None:
    """Tails and braids that fall in front of the bust."""
    fill, shade = hair_paint(face, colours, 0.1), solid(colours.hair.shadow)
    for lock in shape.hanging:
        draw_lock(scene, "hair tails", lock, fill, shade, colours.hair.line, face.style.light)
    for braid in shape.braids:
        for number, (start, end, half) in enumerate(braid):
            bulge = half * (0.9 if number % 2 else -0.9)
            middle = (0.5 * (start[0] + end[0]) + bulge, 0.5 * (start[1] + end[1]))
            lobe = Lock(spline([start, middle, end]), half, (0.5, 1.5, 0.2))
            draw_lock(scene, "braid", lobe, fill, shade, colours.hair.line, face.style.light)


def bangs_path(shape: HairShape) -> skia.Path:
    """What of the hair lies over the face: for its shadow and for what it hides."""
    path = skia.Path()
    for lock in (*shape.bangs, *shape.sides):
        band(path, lock.curve, lock.half, lock.profile)
    return path


def draw_front(scene: Scene, face: Face, body: Anatomy, shape: HairShape, colours: Palette) -> None:
    """Crown, side locks and bangs."""
    fill, shade = hair_paint(face, colours, 0.0), solid(colours.hair.shadow, 0.85)
    line, light = colours.hair.line, face.style.light
    for lock in shape.sides:
        draw_lock(scene, "hair sides", lock, fill, shade, line, light)
    outer, inner = shape.cap
    cap = closed_path(outer, inner)
    scene.fill(cap, fill)
    scene.ink("hair outline", line, [(outer, 0.007)], (0.5, 1.3, 0.5))
    if not shape.bangs:
        scene.ink("hairline", line, [(inner, 0.005)])
    for lock in shape.bangs:
        draw_lock(scene, "hair front", lock, fill, shade, line, light)
    _crown(scene, face, body, shape, colours, cap)
    for lock in shape.ahoge:
        draw_lock(scene, "ahoge", lock, fill, shade, line, light)


def _crown(scene: Scene, face: Face, body: Anatomy, shape: HairShape, colours: Palette, cap: skia.Path) -> None:
    """Strands that fan out from the parting, and the shine across them."""
    view, part, volume = body.view, face.hair.part, face.hair.volume
    strands = []
    shine = skia.Path()
    grain = face.hair.grain
    for i in range(9):
        x = -0.88 + 0.22 * i + 0.03 * grain[i]
        high = -1.32 + 0.5 * x * x
        root, low = part * 0.6 + 0.25 * (x - part), -0.72 + 0.35 * x * x
        if i % 2 == 0 or scene.fine:
            curve = spline([view(root, -1.36 - volume * 0.7, 0.25), view(x * 0.85, high + 0.2, 0.5), view(x, low, 0.72)])
            strands.append((curve, 0.004))
        y = -0.98 + 0.42 * x * x + 0.05 * grain[i + 9]
        streak = spline([view(x * 0.93, y - 0.16, 0.62), view(x * 1.0, y + 0.14 + 0.08 * grain[i + 18], 0.7)])
        band(shine, streak, 0.075 * view.scale, (0.0, 2.0, 0.1))
    if face.style.kind != "flat":
        strength = {"cel": 0.75, "soft": 0.6, "retro": 0.9, "ink": 0.7}[face.style.kind]
        scene.fill(shine, solid(colours.hair.light, strength))
    scene.ink("hair strands", colours.hair.line, strands, FADING if face.style.kind == "ink" else TAPERED, alpha=0.6)
