"""Draws what lies behind a person: the painter's background out of focus, in the colours of a room or a street."""

from __future__ import annotations

from dataclasses import replace

import skia

from anime_gen.data.painter.background import draw_background
from anime_gen.data.painter.natural.anatomy import Human
from anime_gen.data.painter.natural.canvas import ALL, layered, linear_shader, radial_shader
from anime_gen.data.painter.natural.person import Person
from anime_gen.data.painter.scene import Scene, argb


def draw_setting(canvas: skia.Canvas, size: int, person: Person, body: Human) -> None:
    """Fills the whole picture."""
    face = person.face
    scene = Scene(fine=False, weight=1.0)
    draw_background(scene, replace(face, style=replace(face.style, kind="soft")))
    layered(canvas, size, lambda: scene.replay(canvas), 0.022)
    # A room is never as bright and as coloured as paint.
    canvas.drawRect(ALL, skia.Paint(Color=argb((112, 106, 102), 0.30)))
    side = face.style.light
    fall = [argb((255, 250, 240), 0.12), argb((30, 26, 30), 0.0), argb((16, 14, 18), 0.42)]
    canvas.drawRect(ALL, skia.Paint(Shader=linear_shader((0.5 + 0.5 * side, 0.0), (0.5 - 0.5 * side, 1.0), fall)))
    shade = [argb((20, 16, 18), 0.30), argb((20, 16, 18), 0.0)]
    x, y = face.pose.x - 0.12 * side, face.pose.y + 0.1
    canvas.drawRect(ALL, skia.Paint(Shader=radial_shader((x, y), 0.6, shade)))
