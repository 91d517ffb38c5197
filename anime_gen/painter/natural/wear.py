"""Draws what a person wears: the painter's own clothes, hats and ornaments as soft materials, and real glasses."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sin

import skia

from anime_gen.painter import accessories, bust, headwear
from anime_gen.painter.curves import Curve, closed_path, lines, spline, straight
from anime_gen.painter.head import ear_outline
from anime_gen.painter.natural.anatomy import Human
from anime_gen.painter.natural.canvas import ALL, glow, layered, linear_shader, on_top, soft, stroke
from anime_gen.painter.natural.person import Person
from anime_gen.painter.natural.tones import Natural
from anime_gen.painter.palette import Colour, mix, times
from anime_gen.painter.scene import Scene, argb

_LINE = 0.4  # weight of the painter's lines, which are seams and soft edges here


def _replayed(canvas: skia.Canvas, draw: Callable[[Scene], None]) -> None:
    scene = Scene(fine=False, weight=_LINE)
    draw(scene)
    scene.replay(canvas)


def _lit(canvas: skia.Canvas, person: Person, body: Human, strength: float) -> None:
    side, scale, pose = person.face.style.light, body.head.view.scale, person.face.pose
    stops = [argb((255, 248, 236), 0.06 * strength), argb((20, 14, 16), 0.02), argb((14, 10, 14), 0.36 * strength)]
    start, end = (
        (pose.x + 1.6 * side * scale, pose.y - 1.2 * scale),
        (pose.x - 1.7 * side * scale, pose.y + 1.4 * scale),
    )
    canvas.drawRect(ALL, on_top(linear_shader(start, end, stops, [0.0, 0.4, 1.0])))


def draw_body(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Neck, shoulders and clothes with folds, and the head's shadow on them."""
    scale, view, side = body.head.view.scale, body.body.body, person.face.style.light
    chin = body.head.sizes.chin

    def draw() -> None:
        _replayed(canvas, lambda scene: bust.draw_bust(scene, body.shaped, body.body, colours.drawn))
        folds: list[Curve] = []
        ridges: list[Curve] = []
        for i in range(9 if person.face.clothes.outfit not in bust.BARE else 0):
            a, b, c = person.grain[i + 4], person.grain[i + 40], person.grain[i + 90]
            x, y = 1.3 * a, chin + 0.75 + 0.2 * b
            curve = spline([view(x, y, 0.0), view(x + 0.12 * c, y + 0.25, 0.0), view(x + 0.25 * a, y + 0.6, 0.0)])
            (folds if i % 2 else ridges).append(curve)
        for curves, colour, alpha in ((folds, (20, 16, 20), 0.2), (ridges, (255, 250, 244), 0.12)):
            paint = stroke(colour, alpha, 0.07 * scale, 0.04 * scale)
            paint.setBlendMode(skia.BlendMode.kSrcATop)
            canvas.drawPath(lines(*curves), paint)
        # The neck is round: both of its sides turn away from the light, and the chin is above it.
        for s in (-1, 1):
            x, y = view(0.52 * s, chin + 0.1, 0.0)
            shade = [
                argb(times(colours.drawn.skin.base, (116, 78, 70)), 0.42 if s != side else 0.12),
                argb(times(colours.drawn.skin.base, (116, 78, 70)), 0.0),
            ]
            glow(canvas, (x, y), 0.42 * scale, shade)
        x, y = view(-0.12 * side, chin + 0.0, 0.3)
        dark = times(colours.drawn.skin.base, (104, 66, 58))
        under = [argb(dark, 0.7), argb(dark, 0.3), argb(dark, 0.0)]
        glow(canvas, (x, y), 0.62 * scale, under, [0.0, 0.5, 1.0])
        _lit(canvas, person, body, 0.6)

    layered(canvas, draw, view(0.0, 0.3, 0.0)[1])

    if accessories.choker_drawn(person.face) or accessories.necklace_drawn(person.face):
        _replayed(canvas, lambda scene: accessories.draw_neck_jewelry(scene, body.shaped, body.body, colours.drawn))


def draw_ears(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Human ears, and what hangs from them."""
    scale = body.head.view.scale

    def draw() -> None:
        for side in (-1, 1):
            points = ear_outline(body.shaped, body.body, side)
            lit = side == person.face.style.light
            edge = closed_path(spline(points))
            canvas.drawPath(
                edge,
                soft(times(colours.drawn.skin.base, (244, 206, 196) if lit else (178, 136, 126)), 1.0, 0.006 * scale),
            )
            cx, cy = sum(p[0] for p in points) / 6, sum(p[1] for p in points) / 6
            inner = spline([(cx + 0.55 * (x - cx), cy + 0.6 * (y - cy)) for x, y in points[:5]])
            canvas.drawPath(lines(inner), stroke(times(colours.skin, (128, 84, 76)), 0.6, 0.035 * scale, 0.014 * scale))

    def hang(scene: Scene) -> None:
        for side in (-1, 1):
            accessories.draw_earring(scene, body.shaped, body.body, colours.drawn, side)

    layered(canvas, draw)
    if person.face.extras.earrings:
        _replayed(canvas, hang)


def draw_headband(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Animal ears are worn: plush on a band."""
    if person.face.extras.animal_ears == "none":
        return
    view, scale, v = body.body.view, body.head.view.scale, 1 + 0.85 * body.shaped.hair.volume

    def draw() -> None:
        _replayed(canvas, lambda scene: headwear.draw_animal_ears(scene, body.shaped, body.body, colours.drawn))
        _lit(canvas, person, body, 1.0)

    layered(canvas, draw)
    arc = spline(
        [
            view(1.02 * x * v, y * v, z)
            for x, y, z in (
                (-1.0, -0.35, 0.0),
                (-0.76, -0.98, 0.1),
                (0.0, -1.3, 0.15),
                (0.76, -0.98, 0.1),
                (1.0, -0.35, 0.0),
            )
        ]
    )
    canvas.drawPath(lines(arc), stroke((24, 20, 22), 0.9, 0.05 * scale, 0.004 * scale))


def draw_ornaments(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Ties, hairband, bow, flower, clips, and hats over them."""
    scale = body.head.view.scale

    def small(scene: Scene) -> None:
        accessories.draw_ties(scene, body.shaped, body.hair, colours.drawn)
        accessories.draw_ornaments(scene, body.shaped, body.body, colours.drawn)

    def draw_small() -> None:
        _replayed(canvas, small)
        _lit(canvas, person, body, 0.9)

    def draw_hat() -> None:
        _replayed(canvas, lambda scene: headwear.draw_hat(scene, body.shaped, body.body, colours.drawn))
        x, y = body.body.view(0.45 * person.face.style.light, -1.45, 0.4)
        shine = [argb((255, 250, 240), 0.16), argb((255, 250, 240), 0.0)]
        glow(canvas, (x, y), 0.7 * scale, shine)
        _lit(canvas, person, body, 1.1)

    extras = person.face.extras
    if body.hair.ties or extras.clip or extras.flower or extras.bow or extras.ribbon or extras.hairband:
        layered(canvas, draw_small)
    if extras.hat != "none":
        layered(canvas, draw_hat)


def draw_glasses(canvas: skia.Canvas, person: Person, body: Human, colours: Natural) -> None:
    """Frames before the eyes, their shadow on the cheeks and the light in their lenses."""
    extras, head, s = person.face.extras, body.head, body.head.sizes
    if extras.glasses == "none":
        return
    scale, side = head.view.scale, person.face.style.light
    frame: Colour = mix((26, 22, 24), colours.drawn.ornament.base, 0.12 if extras.dark else 0.4)
    z = head.depth(0.0, s.eye) + 0.12
    rx, ry, y0 = 0.86 * s.gap - 0.035, 0.195, s.eye + 0.045
    wires: list[Curve] = []
    edges: list[Curve] = []

    def place(x: float, y: float) -> tuple[float, float]:
        return head.view(x, y, z - 0.22 * x * x)

    for d in (-1, 1):
        x0 = d * (s.gap + 0.015)
        if extras.glasses == "round":
            ring = [place(x0 + 0.92 * rx * cos(a), y0 + 1.05 * ry * sin(a)) for a in (k * pi / 4 for k in range(8))]
            edge = spline(ring, closed=True)
        else:
            corners = (
                (-0.9, -0.85),
                (0.0, -0.98),
                (1.0, -0.9),
                (1.03, 0.0),
                (0.75, 0.92),
                (0.0, 1.0),
                (-0.7, 0.92),
                (-0.98, 0.0),
            )
            edge = spline([place(x0 + d * u * rx, y0 + v * ry) for u, v in corners], closed=True, tension=0.15)
        edges.append(edge)
        wires.append(
            spline(
                [
                    place(x0 + d * u * rx, y0 + v * ry)
                    for u, v in ((-0.98, 0.0), (-0.7, 0.92), (0.0, 1.0), (0.75, 0.92), (1.03, 0.0))
                ]
            )
            if extras.glasses == "half"
            else edge,
        )
        wires.append(straight(place(x0 + d * rx, y0 - 0.5 * ry), head.view(d * 1.02 * s.cheek, y0 - 0.06, 0.1)))
    inner = s.gap - rx
    wires.append(spline([place(-inner, y0 - 0.3 * ry), place(0.0, y0 - 0.5 * ry), place(inner, y0 - 0.3 * ry)]))
    rims, lenses = lines(*wires), lines(*edges)
    shadow = skia.Path(rims)
    shadow.offset(-0.03 * side * scale, 0.05 * scale)
    canvas.drawPath(shadow, stroke(times(colours.skin, (110, 78, 70)), 0.35, 0.04 * scale, 0.02 * scale))
    top, low = place(0.0, y0 - ry), place(0.0, y0 + ry)
    glare = linear_shader(top, low, [argb((240, 246, 255), 0.22), argb((240, 246, 255), 0.03)])
    canvas.drawPath(lenses, skia.Paint(Shader=glare, AntiAlias=True))
    canvas.drawPath(rims, stroke(frame, 0.96, (0.034 if extras.glasses == "square" else 0.024) * scale, 0.002 * scale))
    light = skia.Path(rims)
    light.offset(0.0, -0.006 * scale)
    canvas.drawPath(light, stroke((255, 255, 255), 0.22, 0.008 * scale, 0.003 * scale))
