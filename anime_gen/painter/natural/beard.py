"""Draws beards and moustaches, hair by hair over a soft ground."""

from __future__ import annotations

import skia

from anime_gen.painter.curves import closed_path, spline
from anime_gen.painter.natural.anatomy import Human
from anime_gen.painter.natural.canvas import soft, stroke
from anime_gen.painter.natural.person import Person
from anime_gen.painter.natural.tones import Natural
from anime_gen.painter.palette import mix, times


def draw_beard(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """What the person wears; stubble is a tint of the skin (skin.py)."""
    if person.beard in ("full", "goatee"):
        _chin(canvas, person, body, colours)
    if person.beard in ("moustache", "full", "goatee"):
        _moustache(canvas, person, body, colours)


def _moustache(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    head, s, scale = body.head, body.head.sizes, body.head.view.scale
    wide, corner = 1.02 * s.mouth_half, body.mouth.corner
    top = body.mouth.gap[0] - 0.8 * body.mouth.upper
    over = [
        (-wide, s.mouth + 0.03 + corner),
        (-0.6 * wide, s.nose + 0.055),
        (0.0, s.nose + 0.035),
        (0.6 * wide, s.nose + 0.055),
        (wide, s.mouth + 0.03 + corner),
    ]
    under = [
        (0.55 * wide, s.mouth + 0.75 * top + 0.4 * corner),
        (0.0, s.mouth + top),
        (-0.55 * wide, s.mouth + 0.75 * top + 0.4 * corner),
    ]
    shape = closed_path(spline([head.at(x, y, 0.02) for x, y in [*over, *under, over[0]]]))
    canvas.drawPath(shape, soft(colours.beard, 0.82, 0.014 * scale))
    hairs = skia.Path()
    for i in range(44):
        t = 2 * i / 43 - 1
        jitter = person.grain[i + 60]
        y = s.nose + 0.05 + 0.07 * abs(t)
        hairs.moveTo(*head.at(t * wide * 0.85, y, 0.02))
        hairs.lineTo(*head.at(t * wide * 1.0 + 0.03 * t, y + 0.075 + 0.03 * jitter, 0.02))
    canvas.drawPath(hairs, stroke(times(colours.beard, (170, 166, 164)), 0.5, 0.012 * scale))


def _chin(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    head, s, scale, grain = body.head, body.head.sizes, body.head.view.scale, person.grain
    full = person.beard == "full"
    wide = 0.96 * s.cheek if full else 0.95 * s.mouth_half
    low = s.chin + (0.1 if full else 0.06)
    lip = s.mouth + body.mouth.gap[1] + body.mouth.lower + 0.035
    if full:
        ring = [
            head.at(-wide, s.eye + 0.28), head.at(-0.95 * wide, s.mouth), head.at(-0.7 * s.jaw, s.chin - 0.02),
            head.view(0.0, low, 0.66),
            head.at(0.7 * s.jaw, s.chin - 0.02), head.at(0.95 * wide, s.mouth), head.at(wide, s.eye + 0.28),
            head.at(0.86 * wide, s.nose + 0.06), head.at(0.66 * wide, s.mouth - 0.02),
        ]  # fmt: skip
        hole = [
            head.at(0.36, s.mouth + 0.02),
            head.at(0.2, lip + 0.02),
            head.at(0.0, lip),
            head.at(-0.2, lip + 0.02),
            head.at(-0.36, s.mouth + 0.02),
        ]
        ring += [*hole, head.at(-0.66 * wide, s.mouth - 0.02), head.at(-0.86 * wide, s.nose + 0.06)]
    else:
        ring = [
            head.at(-wide, s.mouth + 0.04), head.at(-0.9 * wide, s.chin - 0.12),
            head.view(-0.5 * wide, low - 0.03, 0.7), head.view(0.0, low, 0.7), head.view(0.5 * wide, low - 0.03, 0.7),
            head.at(0.9 * wide, s.chin - 0.12), head.at(wide, s.mouth + 0.04),
            head.at(0.7 * wide, lip + 0.01), head.at(0.0, lip), head.at(-0.7 * wide, lip + 0.01),
        ]  # fmt: skip
    shape = closed_path(spline(ring, closed=True, tension=0.14))
    canvas.drawPath(shape, soft(mix(colours.beard, colours.skin, 0.08), 0.86, 0.03 * scale))
    dark, bright = skia.Path(), skia.Path()
    canvas.save()
    canvas.clipPath(shape, doAntiAlias=True)
    for i in range(110):
        a, b, c = grain[i % 160], grain[(i * 7 + 31) % 160], grain[(i * 11 + 77) % 160]
        x, y = head.at(a * wide, s.nose + 0.1 + (b + 1) * 0.5 * (low - s.nose - 0.1))
        path = dark if c < 0.2 else bright
        path.moveTo(x, y)
        path.lineTo(x + 0.03 * (a + 0.5 * c) * scale, y + (0.1 + 0.03 * b) * scale)
    canvas.drawPath(dark, stroke(times(colours.beard, (140, 134, 132)), 0.55, 0.013 * scale))
    canvas.drawPath(bright, stroke(mix(colours.beard, (255, 240, 226), 0.22), 0.4, 0.011 * scale))
    canvas.restore()
