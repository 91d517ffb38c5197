"""Draws what is behind the character, and the mood light over it."""

from __future__ import annotations

import skia

from anime_gen.data.painter.curves import polygon, spline, closed_path
from anime_gen.data.painter.palette import hue, mix
from anime_gen.data.painter.parameters import Face
from anime_gen.data.painter.scene import Scene, argb, linear, solid

_ALL = skia.Path.Rect(skia.Rect(-0.1, -0.1, 1.1, 1.1))


def draw_background(scene: Scene, face: Face) -> None:
    """Fills the whole picture."""
    style, grain = face.style, face.style.grain
    soft = 0.75 if style.kind in ("flat", "soft") else 0.5
    base = hue(style.hue, 0.3 + 0.55 * style.tone, 0.45 * soft + 0.1)
    other = hue(style.hue + 0.12 * grain[0], 0.25 + 0.6 * (1 - style.tone), 0.4)
    kind = style.background
    if kind == "sky":
        scene.fill(_ALL, linear((0.5, 0), (0.5, 1), [argb((90, 160, 232)), argb((206, 232, 250))]))
        for i in range(5):
            x, y = 0.5 + 0.55 * grain[i], 0.35 + 0.35 * grain[i + 6]
            for j in range(4):
                scene.oval((x + 0.07 * j - 0.1, y + 0.02 * grain[i + j + 10]), 0.07 + 0.02 * grain[j], 0.035, solid((255, 255, 255), 0.75))
    elif kind in ("window", "room"):
        wall = hue(0.08 + 0.1 * grain[1], 0.35 + 0.4 * style.tone, 0.25)
        scene.fill(_ALL, linear((0, 0), (1, 1), [argb(wall), argb(mix(wall, (60, 50, 60), 0.3))]))
        x = 0.5 + 0.4 * grain[2]
        if kind == "window":
            for dx in (-0.42, -0.02, 0.38):
                pane = skia.Path.Rect(skia.Rect(x + dx, -0.1, x + dx + 0.36, 0.62))
                scene.fill(pane, linear((0, 0), (0.2, 0.7), [argb((236, 246, 255)), argb((160, 204, 236))]))
        else:
            for i in range(6):
                left = -0.05 + 0.19 * i
                book = skia.Path.Rect(skia.Rect(left, 0.05 + 0.05 * grain[i], left + 0.15, 0.6))
                scene.fill(book, solid(hue(style.hue + 0.2 * grain[i + 8], 0.4 + 0.15 * grain[i], 0.3)))
            scene.fill(skia.Path.Rect(skia.Rect(-0.1, 0.6, 1.1, 0.65)), solid(mix(wall, (50, 30, 30), 0.5)))
    else:
        end = base if kind == "plain" else other
        scene.fill(_ALL, linear((0.5 + 0.5 * grain[3], 0), (0.5 - 0.5 * grain[3], 1), [argb(base), argb(end)]))
    if kind == "bokeh":
        for i in range(9):
            size = 0.06 + 0.05 * (grain[i] + 1)
            scene.oval((0.5 + 0.55 * grain[i + 9], 0.5 + 0.55 * grain[i + 18]), size, size, solid((255, 255, 246), 0.22))
    elif kind == "stripes":
        for i in range(7):
            x = -0.4 + 0.26 * i
            scene.fill(polygon([(x, -0.1), (x + 0.12, -0.1), (x + 0.4, 1.1), (x + 0.28, 1.1)]), solid(mix(base, (255, 255, 255), 0.5), 0.7))
    elif kind == "dots":
        for i in range(6):
            for j in range(6):
                scene.oval((0.2 * i + 0.1 * (j % 2), 0.2 * j), 0.03, 0.03, solid(mix(base, (255, 255, 255), 0.6), 0.8))
    elif kind == "foliage":
        for i in range(12):
            x, y = 0.5 + 0.6 * grain[i], 0.45 + 0.6 * grain[i + 12]
            green = hue(0.24 + 0.08 * grain[i + 24], 0.35 + 0.2 * grain[i + 3], 0.4)
            r = 0.12 + 0.05 * grain[i + 5]
            leaf = spline([(x - r, y), (x, y - r * 0.7), (x + r, y - r * 0.1), (x + 0.2 * r, y + r * 0.8)], closed=True)
            scene.fill(closed_path(leaf), solid(green, 0.75))
    elif kind == "petals":
        for i in range(12):
            x, y = 0.5 + 0.55 * grain[i], 0.5 + 0.55 * grain[i + 12]
            turn = grain[i + 20]
            scene.fill(polygon([(x, y), (x + 0.03, y + 0.02 * turn), (x + 0.045 * turn, y + 0.04)]), solid((255, 206, 222), 0.9))
