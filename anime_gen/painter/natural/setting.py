"""Draws what lies behind a person: the painter's background out of focus, in the colours of a room or a street."""

from __future__ import annotations

from dataclasses import replace

import skia

from anime_gen.painter.background import draw_background
from anime_gen.painter.natural.canvas import linear_shader, radial_shader
from anime_gen.painter.natural.person import Person
from anime_gen.painter.scene import Scene, argb

_COARSE = 26  # pixels a side of what is out of focus


def draw_setting(canvas: skia.Canvas, person: Person) -> None:
    """Fills the whole picture."""
    face = person.face
    scene = Scene(fine=False, weight=1.0)
    draw_background(scene, replace(face, style=replace(face.style, kind="soft")))
    side = face.style.light
    fall = [argb((255, 250, 240), 0.12), argb((30, 26, 30), 0.0), argb((16, 14, 18), 0.30)]
    shade = [argb((20, 16, 18), 0.22), argb((20, 16, 18), 0.0)]
    behind = (face.pose.x - 0.12 * side, face.pose.y + 0.1)
    # Out of focus: drawn coarsely and enlarged.
    small = skia.Surface(_COARSE, _COARSE)
    with small as coarse:
        coarse.scale(_COARSE, _COARSE)
        scene.replay(coarse)
        # A room is never as bright and as coloured as paint.
        coarse.drawColor(argb((124, 118, 114), 0.22))
        coarse.drawPaint(skia.Paint(Shader=linear_shader((0.5 + 0.5 * side, 0.0), (0.5 - 0.5 * side, 1.0), fall)))
        coarse.drawPaint(skia.Paint(Shader=radial_shader(behind, 0.6, shade)))
    sampling = skia.SamplingOptions(skia.CubicResampler.Mitchell())
    canvas.drawImageRect(small.makeImageSnapshot(), skia.Rect(-0.01, -0.01, 1.01, 1.01), sampling)
