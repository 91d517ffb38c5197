"""Draws eyes, brows, nostrils, mouth and the lines of age onto the head."""

from __future__ import annotations

import skia

from anime_gen.painter.curves import at, closed_path, lines, spline
from anime_gen.painter.natural.anatomy import Human, HumanEye
from anime_gen.painter.natural.canvas import linear_shader, radial_shader, soft, stroke
from anime_gen.painter.natural.person import Person
from anime_gen.painter.natural.tones import Natural
from anime_gen.painter.palette import Colour, mix, times
from anime_gen.painter.scene import argb

_BLACK: Colour = (20, 14, 12)


def draw_eyes(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Both eyes with lids, lashes and what they throw shadows on."""
    for eye in body.eyes:
        _eye(canvas, person, body, eye, colours)


def _eye(canvas: skia.Canvas, person: Person, body: Human, eye: HumanEye, colours: Natural) -> None:
    scale, wear = body.head.view.scale, person.wear
    dark = times(colours.skin, (120, 84, 76))
    lash = mix(_BLACK, colours.brow, 0.25)
    weight = (0.020 if person.male else 0.030) * scale
    crease = spline([eye.at(-0.85, -0.75), eye.at(-0.1, -1.75), eye.at(0.6, -1.5), eye.at(1.15, -0.3)])
    canvas.drawPath(lines(crease), stroke(dark, 0.42, 0.022 * scale, 0.008 * scale))
    if not person.male and person.childhood < 0.3:
        shadow = closed_path(
            eye.upper, spline([eye.at(1.02, 0.0), eye.at(0.6, -1.5), eye.at(-0.1, -1.7), eye.at(-0.9, -0.6)])
        )
        canvas.drawPath(shadow, soft(times(colours.skin, (150, 110, 104)), 0.35, 0.012 * scale))
    if eye.open:
        path = closed_path(eye.upper, eye.lower)
        canvas.save()
        canvas.clipPath(path, doAntiAlias=True)
        bright = mix((226, 220, 214), times(colours.skin, (255, 250, 246)), 0.22)
        canvas.drawPath(path, soft(bright, 1.0, 0.0))
        for u in (-1.0, 1.0):
            canvas.drawCircle(*eye.at(u, 0.1), 0.05 * scale, soft(mix(dark, (170, 90, 84), 0.3), 0.5, 0.02 * scale))
        _iris(canvas, person, eye, colours)
        canvas.drawPath(lines(eye.upper), stroke((36, 24, 22), 0.55, 0.05 * scale, 0.014 * scale))
        canvas.restore()
        canvas.drawPath(lines(eye.lower), stroke(mix(dark, lash, 0.3), 0.5, 0.010 * scale, 0.003 * scale))
    canvas.drawPath(lines(eye.upper), stroke(lash, 0.9, weight, 0.002 * scale))
    if not person.male:
        start = eye.at(0.7, -0.42) if eye.open else (eye.upper[-2], eye.upper[-1])
        wing = spline([start, eye.at(1.02, -0.1), eye.at(1.2, -0.45)])
        canvas.drawPath(lines(wing), stroke(lash, 0.75, 0.7 * weight, 0.002 * scale))
    bag = spline([eye.at(-0.8, 1.2), eye.at(0.0, 1.9 + 0.6 * wear), eye.at(0.85, 1.3)])
    canvas.drawPath(lines(bag), stroke(dark, 0.16 + 0.34 * wear, 0.018 * scale, 0.008 * scale))
    if wear > 0.25:
        feet = [spline([eye.at(1.25, v), eye.at(1.7, 1.9 * v + 0.2)]) for v in (-0.5, 0.2, 0.9)]
        canvas.drawPath(lines(*feet), stroke(dark, 0.45 * wear, 0.012 * scale, 0.004 * scale))


def _iris(canvas: skia.Canvas, person: Person, eye: HumanEye, colours: Natural) -> None:
    x, y = eye.iris
    r, light = eye.radius, person.face.style.light
    rim, bright = times(colours.iris, (110, 104, 104)), mix(colours.iris, (255, 250, 235), 0.18)
    stops = [
        argb(_BLACK),
        argb(_BLACK),
        argb(times(colours.iris, (190, 186, 186))),
        argb(bright),
        argb(rim),
        argb(rim, 0.0),
    ]
    shader = radial_shader((x, y), r, stops, [0.0, 0.36, 0.44, 0.72, 0.93, 1.0])
    canvas.drawCircle(x, y, r, skia.Paint(Shader=shader, AntiAlias=True))
    shade = linear_shader((x, y - r), (x, y + r), [argb((0, 0, 0), 0.55), argb((0, 0, 0), 0.0)])
    canvas.drawCircle(x, y, r, skia.Paint(Shader=shade, AntiAlias=True))
    canvas.drawCircle(x + 0.36 * light * r, y - 0.34 * r, 0.24 * r, soft((255, 255, 255), 0.92, 0.05 * r))


def draw_brows(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Brows of single hairs over a soft ground."""
    scale = body.head.view.scale
    thick = (0.068 if person.male else 0.05) * (0.85 + 0.15 * person.face.expression.brow_weight) * scale
    for number, curve in enumerate(body.brows):
        canvas.drawPath(lines(curve), stroke(colours.brow, 0.55, 0.8 * thick, 0.3 * thick))
        hairs = skia.Path()
        side = 1 if number else -1
        for i in range(18):
            t = i / 17
            x, y = at(curve, min(1, int(2 * t)), 2 * t - min(1, int(2 * t)))
            jitter = person.grain[76 + 18 * number + i]
            taper = 1.0 - 0.55 * t
            lean = 0.25 + 0.75 * t
            hairs.moveTo(x - side * 0.2 * thick, y + (0.55 + 0.2 * jitter) * thick * taper)
            hairs.lineTo(x + side * (0.35 + lean) * thick, y - (0.6 - 0.5 * t + 0.2 * jitter) * thick * taper)
        canvas.drawPath(hairs, stroke(times(colours.brow, (200, 196, 194)), 0.6, 0.16 * thick))


def draw_nose(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Nostrils and the creases of the wings; the rest of the nose is relief."""
    head, s = body.head, body.head.sizes
    scale = head.view.scale
    dark = mix(times(colours.skin, (96, 56, 50)), _BLACK, 0.35)
    for side in (-1, 1):
        x, y = head.at(side * 0.5 * s.nose_half, s.nose - 0.012, 0.02)
        canvas.save()
        canvas.translate(x, y)
        canvas.rotate(-14.0 * side)
        rx, ry = 0.26 * s.nose_half * scale, 0.11 * s.nose_half * scale
        canvas.drawOval(skia.Rect(-rx, -ry, rx, ry), soft(dark, 0.8, 0.006 * scale))
        canvas.restore()
        wing = spline(
            [head.at(side * x, s.nose + y) for x, y in
             ((s.nose_half - 0.02, -0.115), (s.nose_half + 0.012, -0.06), (s.nose_half - 0.01, -0.005))]
        )  # fmt: skip
        canvas.drawPath(lines(wing), stroke(dark, 0.28, 0.016 * scale, 0.008 * scale))


def draw_mouth(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Lips, and teeth and tongue where they part."""
    mouth, scale, kind = body.mouth, body.head.view.scale, person.face.expression.mouth
    m, (top, bottom), corner = mouth.at, mouth.gap, mouth.corner
    inner_top = spline(
        [
            m(-1, corner),
            m(-0.5, 0.35 * corner + 0.9 * top),
            m(0, top + 0.006),
            m(0.5, 0.35 * corner + 0.9 * top),
            m(1, corner),
        ]
    )
    inner_low = spline(
        [
            m(1, corner),
            m(0.55, 0.3 * corner + 0.86 * bottom),
            m(0, bottom),
            m(-0.55, 0.3 * corner + 0.86 * bottom),
            m(-1, corner),
        ]
    )
    over = spline(
        [m(1, corner), m(0.5, 0.4 * corner + top - 0.72 * mouth.upper), m(0.15, top - mouth.upper),
         m(0, top - 0.82 * mouth.upper), m(-0.15, top - mouth.upper),
         m(-0.5, 0.4 * corner + top - 0.72 * mouth.upper), m(-1, corner)]
    )  # fmt: skip
    under = spline(
        [m(-1, corner), m(-0.55, 0.25 * corner + bottom + 0.78 * mouth.lower), m(0, bottom + mouth.lower),
         m(0.55, 0.25 * corner + bottom + 0.78 * mouth.lower), m(1, corner)]
    )  # fmt: skip
    tint = tuple(min(255.0, 255 * lip / skin) for lip, skin in zip(colours.lips, colours.skin, strict=True))
    for path, shade in ((closed_path(inner_top, over), 0.84), (closed_path(inner_low, under), 1.0)):
        paint = soft((tint[0] * shade, tint[1] * shade, tint[2] * shade), 1.0, 0.007 * scale)
        paint.setBlendMode(skia.BlendMode.kMultiply)
        canvas.drawPath(path, paint)
    x, y = m(0.12 * person.face.style.light, bottom + 0.45 * mouth.lower)
    shine = skia.Rect(x - 0.075 * scale, y - 0.014 * scale, x + 0.075 * scale, y + 0.014 * scale)
    canvas.drawOval(shine, soft((255, 240, 236), 0.20 if person.male else 0.34, 0.014 * scale))
    dark = mix(times(colours.lips, (96, 60, 60)), _BLACK, 0.25)
    if bottom > top:
        hole = closed_path(inner_top, inner_low)
        canvas.save()
        canvas.clipPath(hole, doAntiAlias=True)
        canvas.drawPath(hole, soft((46, 16, 18), 1.0, 0.0))
        if kind != "open":
            reach = bottom if kind == "grin" else top + 0.6 * (bottom - top)
            teeth = closed_path(
                inner_top,
                spline([m(0.86, 0.5 * corner + 0.4 * reach), m(0, reach), m(-0.86, 0.5 * corner + 0.4 * reach)]),
            )
            canvas.drawPath(teeth, soft((226, 218, 206), 1.0, 0.004 * scale))
            gaps = [spline([m(u, top - 0.02), m(u * 0.98, reach)]) for u in (-0.45, -0.22, 0.0, 0.22, 0.45)]
            canvas.drawPath(lines(*gaps), stroke((150, 128, 116), 0.35, 0.006 * scale))
        if kind in (":d", "open"):
            x, y = m(0, bottom + 0.02)
            canvas.drawOval(
                skia.Rect(x - 0.12 * scale, y - 0.07 * scale, x + 0.12 * scale, y + 0.05 * scale),
                soft((168, 84, 84), 0.9, 0.012 * scale),
            )
        canvas.drawPath(lines(inner_top), stroke((30, 10, 10), 0.6, 0.03 * scale, 0.012 * scale))
        for u in (-1.0, 1.0):
            canvas.drawCircle(*m(u, corner), 0.06 * scale, soft((30, 10, 10), 0.7, 0.025 * scale))
        canvas.restore()
        if kind == "tongue out":
            tip = spline([m(-0.36, 0.04), m(-0.34, 0.15), m(0, 0.2), m(0.34, 0.15), m(0.36, 0.04)])
            canvas.drawPath(closed_path(tip), soft((196, 104, 104), 0.97, 0.006 * scale))
            canvas.drawPath(
                lines(spline([m(0, 0.06), m(0, 0.15)])), stroke((140, 60, 64), 0.5, 0.012 * scale, 0.006 * scale)
            )
    else:
        canvas.drawPath(lines(inner_top), stroke(dark, 0.85, 0.015 * scale, 0.004 * scale))
    for u in (-1.0, 1.0):
        canvas.drawCircle(*m(1.02 * u, corner), 0.018 * scale, soft(dark, 0.5, 0.012 * scale))


def draw_lines(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Wrinkles of the forehead and beside the mouth, freckles, tears."""
    head, s, wear = body.head, body.head.sizes, person.wear
    scale = head.view.scale
    dark = times(colours.skin, (140, 100, 90))
    if wear > 0.2:
        wrinkles = []
        for i, y in enumerate((-0.46, -0.56, -0.66)):
            wave = 0.02 * person.grain[112 + i]
            wrinkles.append(
                spline([head.at(x, y + wave + 0.03 * abs(x) + 0.012 * (i % 2) * x) for x in (-0.42, -0.15, 0.15, 0.42)])
            )
        wrinkles += [spline([head.at(d * 0.05, s.brow + 0.03), head.at(d * 0.045, s.brow - 0.09)]) for d in (-1, 1)]
        canvas.drawPath(lines(*wrinkles), stroke(dark, 0.34 * wear, 0.02 * scale, 0.010 * scale))
    folds = []
    for d in (-1, 1):
        folds.append(
            spline(
                [head.at(d * (s.nose_half + 0.03), s.nose - 0.06), head.at(d * (s.nose_half + 0.1), s.nose + 0.08),
                 head.at(d * (s.mouth_half + 0.04), s.mouth - 0.02)]
            )
        )  # fmt: skip
    smiling = person.face.expression.mouth in ("smile", "grin", ":d", "tongue out")
    strength = 0.12 * smiling * (1 - person.childhood) + 0.42 * wear
    canvas.drawPath(lines(*folds), stroke(dark, min(0.6, strength + 0.04), 0.018 * scale, 0.009 * scale))
    if person.freckles:
        spots = skia.Path()
        for i in range(int(16 + 28 * person.freckles)):
            a, b, c = person.grain[i], person.grain[(i + 47) % 160], person.grain[(i + 93) % 160]
            x, y = head.at(0.5 * a, s.eye + 0.3 + 0.14 * b - 0.12 * abs(a))
            spots.addCircle(x, y, (0.011 + 0.004 * c) * scale)
        canvas.drawPath(spots, soft(times(colours.skin, (182, 134, 104)), 0.3 + 0.35 * person.freckles, 0.002 * scale))
    if person.face.expression.tears:
        for eye in body.eyes:
            x, y = eye.at(0.4, 1.1)
            trail = spline([(x, y), (x + 0.01 * scale, y + 0.12 * scale), (x, y + 0.3 * scale)])
            canvas.drawPath(lines(trail), stroke((255, 255, 255), 0.4, 0.022 * scale, 0.006 * scale))
            canvas.drawCircle(x, y + 0.31 * scale, 0.024 * scale, soft((255, 255, 255), 0.75, 0.005 * scale))
