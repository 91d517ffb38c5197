"""Draws what is behind the character: out of focus, in colours that leave the face the lead."""

from __future__ import annotations

import skia

from anime_gen.painter.curves import TAPERED, polygon, straight
from anime_gen.painter.palette import Colour, hue, mix
from anime_gen.painter.parameters import Face
from anime_gen.painter.scene import Scene, argb, linear, radial

_ALL = skia.Path.Rect(skia.Rect(-0.1, -0.1, 1.1, 1.1))
WHITE: Colour = (255, 255, 255)


def draw_background(scene: Scene, face: Face) -> None:
    """Fills the whole picture."""
    style = face.style
    muted = {"flat": 0.75, "soft": 0.9, "ink": 0.5, "retro": 0.7, "cel": 1.0}[style.kind]
    lightness = 0.14 + 0.72 * style.tone
    base = hue(style.hue, lightness, (0.24 + 0.14 * style.grain[1]) * muted)
    other = hue(style.hue + 0.1 * style.grain[0], min(0.97, lightness + 0.12), (0.28 + 0.16 * style.grain[1]) * muted)
    _DRAW[style.background](scene, base, other, style.grain)
    if style.kind == "ink":
        scene.fill(_ALL, argb((246, 240, 228), 0.5))
        _hatching(scene, base, style.grain)


def draw_light(scene: Scene, face: Face) -> None:
    """What the style lays over the finished picture: warm light from one side, or the dark corners of old film."""
    side = 0.5 + 0.55 * face.style.light
    if face.style.kind == "soft":
        glow = radial(
            (side, 0.0), 1.15, [argb((255, 244, 222), 0.3), argb((255, 214, 214), 0.06), argb((255, 200, 220), 0.0)]
        )
        scene.glaze(_ALL, glow)
    elif face.style.kind == "retro":
        shade = radial(
            (0.5, 0.48),
            0.78,
            [argb((90, 50, 30), 0.0), argb((90, 50, 30), 0.0), argb((70, 36, 24), 0.38)],
            [0.0, 0.6, 1.0],
        )
        scene.glaze(_ALL, shade)


def _glow(scene: Scene, x: float, y: float, radius: float, colour: Colour, alpha: float) -> None:
    """A spot with no edge."""
    scene.oval((x, y), radius, radius, radial((x, y), radius, [argb(colour, alpha), argb(colour, 0.0)], [0.35, 1.0]))


def _rectangle(scene: Scene, left: float, top: float, right: float, bottom: float, paint: skia.Paint) -> None:
    scene.fill(skia.Path.Rect(skia.Rect(left, top, right, bottom)), paint)


def _hatching(scene: Scene, base: Colour, grain: tuple[float, ...]) -> None:
    places = [-0.3 + 0.1 * i for i in range(16)]
    lines = [straight((x, 1.05), (x + 0.35 + 0.02 * grain[i], -0.05)) for i, x in enumerate(places)]
    path = scene.outlines.bands((line, 0.003, TAPERED) for line in lines)
    scene.fill(path, argb(mix(base, (40, 34, 40), 0.7), 0.5))


def _plain(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    scene.fill(_ALL, argb(other))


def _gradient(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    turn = 0.5 * grain[3]
    scene.fill(_ALL, linear((0.5 + turn, 0), (0.5 - turn, 1), [argb(base), argb(mix(other, WHITE, 0.35))]))


def _bokeh(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    _gradient(scene, mix(base, (30, 26, 50), 0.35), base, grain)
    for i in range(9):
        radius = 0.05 + 0.045 * (grain[i] + 1)
        x, y = 0.5 + 0.55 * grain[i + 9], 0.45 + 0.55 * grain[i + 18]
        scene.oval((x, y), radius, radius, argb(mix(other, (255, 250, 225), 0.6), 0.16 + 0.12 * grain[i + 2] ** 2))


def _sky(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    top: Colour = (104, 158, 214) if grain[4] > -0.5 else (222, 148, 128)
    low: Colour = (208, 232, 248) if grain[4] > -0.5 else (250, 222, 178)
    scene.fill(_ALL, linear((0.5, 0), (0.5, 0.95), [argb(top), argb(low)]))
    for i in range(4):
        x, y = 0.5 + 0.6 * grain[i], 0.36 + 0.4 * grain[i + 6]
        cloud = skia.Path()
        for j in range(5):
            radius = 0.05 + 0.03 * grain[i + j + 10] + (0.04 if 0 < j < 4 else 0.0)
            cloud.addOval(
                skia.Rect(
                    x + 0.06 * j - 0.12 - 1.3 * radius, y - 1.5 * radius, x + 0.06 * j - 0.12 + 1.3 * radius, y + 0.03
                )
            )
        scene.fill(cloud, argb(WHITE, 0.8))


def _window(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    wall = mix(base, (190, 170, 150), 0.55)
    scene.fill(_ALL, linear((0, 0), (1, 1), [argb(wall), argb(mix(wall, (70, 56, 70), 0.35))]))
    x = 0.5 + 0.3 * grain[2]
    for dx in (-0.62, -0.2, 0.22, 0.64):
        pane = linear((x + dx, 0), (x + dx + 0.15, 0.7), [argb((240, 248, 255)), argb((164, 204, 234))])
        _rectangle(scene, x + dx, -0.1, x + dx + 0.38, 0.3, pane)
        _rectangle(scene, x + dx, 0.33, x + dx + 0.38, 0.72, pane)
    _glow(scene, x, 0.2, 0.6, WHITE, 0.3)


def _room(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    wall = mix(other, (214, 190, 160), 0.4)
    scene.fill(_ALL, linear((0.5, 0), (0.5, 1), [argb(wall), argb(mix(wall, (60, 46, 60), 0.4))]))
    for i in range(5):
        left = -0.1 + 0.26 * i + 0.04 * grain[i]
        top = 0.1 + 0.15 * grain[i + 5]
        tint = mix(wall, hue(0.06 + 0.1 * grain[i + 8], 0.42 + 0.18 * grain[i + 12], 0.35), 0.6)
        paint = linear(
            (left, 0),
            (left + 0.2, 0),
            [argb(tint, 0.0), argb(tint, 0.8), argb(tint, 0.8), argb(tint, 0.0)],
            [0.0, 0.2, 0.8, 1.0],
        )
        _rectangle(scene, left, top, left + 0.2, 0.75, paint)
    _glow(scene, 0.5 + 0.4 * grain[1], 0.1, 0.45, (255, 244, 214), 0.5)


def _stripes(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    scene.fill(_ALL, argb(other))
    path = skia.Path()
    for i in range(8):
        x = -0.4 + 0.2 * i
        path.addPath(polygon([(x, -0.1), (x + 0.1, -0.1), (x + 0.1 + 0.3 * grain[0], 1.1), (x + 0.3 * grain[0], 1.1)]))
    scene.fill(path, argb(mix(other, WHITE, 0.45), 0.8))


def _dots(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    _gradient(scene, other, base, grain)
    path = skia.Path()
    for i in range(7):
        for j in range(7):
            path.addCircle(0.17 * i + 0.085 * (j % 2), 0.17 * j, 0.012 + 0.004 * j)
    scene.fill(path, argb(mix(other, WHITE, 0.6), 0.7))


def _foliage(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    scene.fill(_ALL, linear((0.5, 0), (0.5, 1), [argb((196, 224, 176)), argb((72, 112, 76))]))
    for i in range(10):
        x, y = 0.5 + 0.6 * grain[i], 0.45 + 0.6 * grain[i + 12]
        green = hue(0.26 + 0.06 * grain[i + 24], 0.4 + 0.24 * grain[i + 3], 0.4)
        _glow(scene, x, y, 0.2 + 0.07 * grain[i + 5], green, 0.75)
    for i in range(5):
        _glow(scene, 0.5 + 0.55 * grain[i + 30], 0.3 + 0.4 * grain[i + 35], 0.06, (250, 255, 220), 0.5)


def _petals(scene: Scene, base: Colour, other: Colour, grain: tuple[float, ...]) -> None:
    _gradient(scene, (170, 186, 206), (226, 198, 206), grain)
    for i in range(4):
        _glow(scene, 0.5 + 0.6 * grain[i], 0.2 + 0.35 * grain[i + 4], 0.3, (250, 196, 214), 0.8)
    path = skia.Path()
    for i in range(14):
        x, y, turn = 0.5 + 0.55 * grain[i], 0.5 + 0.55 * grain[i + 12], grain[i + 20]
        path.addPath(
            polygon([(x, y), (x + 0.03, y + 0.012), (x + 0.02 + 0.02 * turn, y + 0.036), (x - 0.006, y + 0.02)])
        )
    scene.fill(path, argb((255, 226, 236), 0.95))


_DRAW = {
    "plain": _plain,
    "gradient": _gradient,
    "bokeh": _bokeh,
    "sky": _sky,
    "window": _window,
    "room": _room,
    "stripes": _stripes,
    "dots": _dots,
    "foliage": _foliage,
    "petals": _petals,
}
