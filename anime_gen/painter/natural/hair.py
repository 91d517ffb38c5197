"""Draws the hair as single strands between the edges of the painter's locks, lit as a whole."""

from __future__ import annotations

from collections.abc import Iterable

import skia

from anime_gen.painter.curves import Curve, closed_path, lines, path, reverse, spline
from anime_gen.painter.curves import at as on_curve
from anime_gen.painter.locks import Lock
from anime_gen.painter.natural.anatomy import Human
from anime_gen.painter.natural.canvas import ALL, glow, layered, linear_shader, on_top, soft, stroke
from anime_gen.painter.natural.person import Person
from anime_gen.painter.natural.tones import Natural
from anime_gen.painter.palette import Colour, mix, shift, times
from anime_gen.painter.scene import argb

_GREY: Colour = (184, 182, 180)


class Strands:
    """Strands collected by tone, so that a whole layer of them is three strokes of the pen."""

    def __init__(self, person: Person, ground: skia.Path | None = None) -> None:
        """`ground`: what lies below the strands, where that is not what is filled."""
        self._grain = person.grain
        self._count = 0
        self._ground = ground
        self._filled: list[tuple[Curve, ...]] = []
        self._tones: tuple[list[Curve], ...] = ([], [], [])

    def fill(self, *edge: Curve) -> None:
        """The ground below the strands: its edge is some curves joined in order."""
        self._filled.append(edge)

    def between(self, left: Curve, right: Curve, count: int) -> None:
        """Strands that run with two edges."""
        for i in range(count):
            self._count += 1
            jitter = self._grain[self._count % len(self._grain)]
            t = (i + 0.5 + 0.4 * jitter) / count
            tone = self._tones[(self._count + (jitter > 0.3)) % 3]
            tone.append([a + (b - a) * t for a, b in zip(left, right, strict=True)])

    def lock(self, lock: Lock, width: float) -> None:
        """Ground and strands of a lock; `width` is that of a strand."""
        self.fill(lock.left, reverse(lock.right))
        self.between(lock.left, lock.right, max(3, min(7, int(1.4 * lock.half / width))))

    def locks(self, locks: Iterable[Lock], width: float) -> None:
        """Several locks."""
        for lock in locks:
            self.lock(lock, width)

    def paint(self, canvas: skia.Canvas, colour: Colour, width: float) -> None:
        """Everything, ground first."""
        ground = self._ground or path(self._filled, closed=True)
        canvas.drawPath(ground, soft(times(colour, (206, 200, 198)), 1.0, 0.3 * width))
        shades = (
            times(colour, (112, 104, 102)),
            shift(colour, 0.0, 0.03, 1.08),
            shift(mix(colour, (255, 244, 226), 0.22), 0.0, 0.03, 1.1),
        )
        for tone, shade, alpha in zip(self._tones, shades, (0.5, 0.65, 0.5), strict=True):
            canvas.drawPath(lines(*tone), stroke(shade, alpha, width))


def _shaded(canvas: skia.Canvas, person: Person, body: Human, colour: Colour, strength: float) -> None:
    """Dark away from the light and below."""
    side, scale, pose = person.face.style.light, body.head.view.scale, person.face.pose
    across = 1.25 * scale
    stops = [argb((10, 6, 8), 0.0), argb((10, 6, 8), 0.12 * strength), argb((10, 6, 8), 0.62 * strength)]
    start, end = (pose.x + side * across, pose.y), (pose.x - side * across, pose.y + 0.5 * scale)
    canvas.drawRect(ALL, on_top(linear_shader(start, end, stops, [0.0, 0.5, 1.0])))


def draw_back(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """What lies behind head and body: the mass, high tails, buns, what sticks out."""
    shape, scale = body.hair, body.head.view.scale
    width = 0.026 * scale

    def draw() -> None:
        strands = Strands(person)
        strands.locks(shape.tails, width)
        strands.locks(shape.tufts, width)
        mass = lines(shape.back.outline)
        canvas.drawPath(mass, soft(times(colours.hair, (150, 144, 142)), 1.0, 0.3 * width))
        canvas.save()
        canvas.clipPath(mass, doAntiAlias=True)
        bounds = mass.computeTightBounds()
        inner = Strands(person)
        top, low = bounds.top(), bounds.bottom()
        sway = {"straight": 0.0, "wavy": 0.05, "curled": 0.08, "spiky": 0.02}[person.face.hair.texture] * scale
        tall, middle = low - top, person.face.pose.x
        edges = [
            spline([(0.5 * (x + middle), top), (x, top + 0.33 * tall), (x + sway, top + 0.6 * tall),
                    (x - sway, top + 0.8 * tall), (x + sway, low)])
            for x in (bounds.left(), bounds.right())
        ]  # fmt: skip
        inner.between(edges[0], edges[1], 40)
        inner.paint(canvas, times(colours.hair, (176, 170, 168)), width)
        canvas.restore()
        strands.paint(canvas, colours.hair, width)
        for (x, y), radius in shape.buns:
            _bun(canvas, person, x, y, radius, colours, width)
        _shaded(canvas, person, body, colours.hair, 1.0)

    layered(canvas, draw)


def _bun(
    canvas: skia.Canvas, person: Person, x: float, y: float, radius: float, colours: Natural, width: float
) -> None:
    coil = Strands(person, skia.Path().addCircle(x, y, radius))
    for k in range(3):
        r = radius * (1.0 - 0.3 * k)
        outer = spline([(x - r, y), (x, y - r), (x + r, y), (x, y + r)], closed=True)
        inner = spline([(x - 0.6 * r, y), (x, y - 0.6 * r), (x + 0.6 * r, y), (x, y + 0.6 * r)], closed=True)
        coil.between(outer, inner, 6)
    coil.paint(canvas, colours.hair, width)


def draw_hanging(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Tails and braids in front of the body."""
    shape, width = body.hair, 0.026 * body.head.view.scale
    if not shape.hanging and not shape.braids:
        return

    def draw() -> None:
        strands = Strands(person)
        strands.locks(shape.hanging, width)
        strands.paint(canvas, colours.hair, width)
        for braid in shape.braids:
            for lobe in braid:
                single = Strands(person)
                single.lock(lobe, width)
                edge = closed_path(lobe.left, reverse(lobe.right))
                canvas.drawPath(edge, stroke(times(colours.hair, (80, 74, 72)), 0.7, 1.6 * width, 0.5 * width))
                single.paint(canvas, colours.hair, width)
        _shaded(canvas, person, body, colours.hair, 0.8)

    layered(canvas, draw)


def draw_shadow(canvas: skia.Canvas, person: Person, body: Human) -> None:
    """What the hair keeps from the face's light; the canvas is clipped to the face."""
    scale = body.head.view.scale
    shadow = skia.Path(body.over_face)
    shadow.offset(-0.05 * person.face.style.light * scale, 0.05 * scale)
    paint = soft((150, 112, 104), 1.0, 0.04 * scale)
    paint.setBlendMode(skia.BlendMode.kMultiply)
    paint.setAlphaf(0.45)
    canvas.drawPath(shadow, paint)


def draw_front(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Crown, side locks and bangs, with the sheen that follows the round of the head."""
    shape, scale, view = body.hair, body.head.view.scale, body.body.view
    width = 0.024 * scale

    def draw() -> None:
        sides = Strands(person)
        sides.locks(shape.sides, width)
        sides.paint(canvas, times(colours.hair, (222, 218, 216)), width)
        crown = Strands(person)
        outline, hairline = shape.cap
        crown.fill(outline, hairline)
        crown.between(_over(outline), _over(reverse(hairline)), 26)
        crown.paint(canvas, colours.hair, width)
        bangs = Strands(person)
        for lock in shape.bangs:
            bangs.lock(lock, width)
        if shape.bangs:
            edges = [edge for lock in shape.bangs for edge in (lock.left, lock.right)]
            canvas.drawPath(lines(*edges), stroke(times(colours.hair, (110, 104, 102)), 0.5, 1.4 * width, 0.7 * width))
        bangs.paint(canvas, colours.hair, width)
        stray = Strands(person)
        stray.locks(shape.ahoge, width)
        stray.paint(canvas, colours.hair, width)
        _sheen(canvas, person, body, colours)
        if person.wear > 0.45:
            for side in (-1, 1):
                x, y = view(0.98 * side, -0.05, 0.3)
                grey = [argb(_GREY, 0.75 * min(1.0, 2 * (person.wear - 0.4))), argb(_GREY, 0.0)]
                glow(canvas, (x, y), 0.55 * scale, grey)
        _shaded(canvas, person, body, colours.hair, 0.85)

    layered(canvas, draw)


_KNOTS = 5  # of a strand over the crown


def _over(curve: Curve) -> Curve:
    """A long curve with few knots, for many strands."""
    segments = len(curve) // 6
    knots = []
    for i in range(_KNOTS):
        place = i * segments / (_KNOTS - 1)
        segment = min(segments - 1, int(place))
        knots.append(on_curve(curve, segment, place - segment))
    return spline(knots)


def _sheen(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Light along the crown, across the strands."""
    scale, view, side = body.head.view.scale, body.body.view, person.face.style.light
    gloss = shift(mix(colours.hair, (255, 250, 240), 0.5), 0.0, 0.06, 1.1)
    arc = spline([view(x, -1.0 + 0.34 * x * x - 0.06 * side * x, 0.62) for x in (-0.8, -0.4, 0.0, 0.4, 0.8)])
    paint = stroke(gloss, 0.5, 0.09 * scale, 0.05 * scale)
    paint.setBlendMode(skia.BlendMode.kSrcATop)
    canvas.drawPath(lines(arc), paint)
    x, y = view(0.42 * side, -1.02, 0.6)
    shine = [argb(gloss, 0.24), argb(gloss, 0.0)]
    glow(canvas, (x, y), 0.62 * scale, shine)
