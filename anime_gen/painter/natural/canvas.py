"""Soft paint: blurred fills, layers that are shaded as a whole, and a textured mesh. A canvas is one unit wide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import skia

from anime_gen.painter.curves import Point
from anime_gen.painter.natural.surface import COLUMNS, ROWS, Surface, lattice
from anime_gen.painter.palette import Colour
from anime_gen.painter.scene import argb

_SHARP = 0.0014  # less blur than this is lost in the pixels
ALL = skia.Rect(-0.2, -0.2, 1.2, 1.2)


def soft(colour: Colour, alpha: float, blur: float) -> skia.Paint:
    """Paint whose edges fade over about twice `blur`, a fraction of the picture."""
    paint = skia.Paint(Color=argb(colour, alpha), AntiAlias=True)
    if blur > _SHARP:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur, True))
    return paint


def stroke(colour: Colour, alpha: float, width: float, blur: float = 0.0) -> skia.Paint:
    """A round pen."""
    paint = soft(colour, alpha, blur)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(width)
    paint.setStrokeCap(skia.Paint.kRound_Cap)
    return paint


def on_top(shader: skia.Shader) -> skia.Paint:
    """Paint that stays within what its layer already shows."""
    return skia.Paint(Shader=shader, BlendMode=skia.BlendMode.kSrcATop)


def radial_shader(centre: Point, radius: float, colours: list[int], stops: list[float] | None = None) -> skia.Shader:
    """A round gradient of packed colours."""
    return skia.GradientShader.MakeRadial(skia.Point(*centre), radius, colours, stops)


def glow(
    canvas: skia.Canvas, centre: Point, radius: float, colours: list[int], stops: list[float] | None = None
) -> None:
    """A round gradient on what a layer already shows; its last colour must be transparent."""
    canvas.drawCircle(*centre, radius, on_top(radial_shader(centre, radius, colours, stops)))


def linear_shader(start: Point, end: Point, colours: list[int], stops: list[float] | None = None) -> skia.Shader:
    """A straight gradient of packed colours."""
    return skia.GradientShader.MakeLinear([skia.Point(*start), skia.Point(*end)], colours, stops)


def layered(canvas: skia.Canvas, draw: Callable[[], None], top: float = -0.2) -> None:
    """What `draw` draws below height `top`, as one layer: `on_top` paint inside it stays on what it shows."""
    canvas.saveLayer(skia.Rect(-0.2, top, 1.2, 1.2), skia.Paint())
    draw()
    canvas.restore()


# The mesh that is drawn takes some rows and columns of a surface, most where the nose is.
_ROW = sorted({*range(0, 29, 5), *range(29, ROWS, 3), ROWS - 1})
_COLUMN = sorted({*range(0, 22, 4), *range(22, 40, 2), *range(40, COLUMNS, 4), COLUMNS - 1})
_TRIANGLES = lattice(len(_ROW), len(_COLUMN))
_PLACES = [skia.Point(c + 0.5, r + 0.5) for r in _ROW for c in _COLUMN]


def draw_surface(canvas: skia.Canvas, head: Surface, colour_VU3: npt.NDArray[np.uint8]) -> None:
    """A head in its colours: triangles from far to near, so that the nose hides what is behind it."""
    points = head.points_VU3[np.ix_(_ROW, _COLUMN)].reshape(-1, 3)
    order = np.argsort(head.view.nearness(points)[_TRIANGLES].sum(1), kind="stable")
    corners = [skia.Point(x, y) for x, y in head.view.places(points).tolist()]
    pixels = np.full((ROWS, COLUMNS, 4), 255, np.uint8)
    pixels[..., :3] = colour_VU3
    image = skia.Image.fromarray(pixels, skia.kRGBA_8888_ColorType)
    shader = image.makeShader(skia.TileMode.kClamp, skia.TileMode.kClamp, skia.SamplingOptions(skia.FilterMode.kLinear))
    mesh = skia.Vertices(
        skia.Vertices.kTriangles_VertexMode, corners, _PLACES, None, _TRIANGLES[order].ravel().tolist()
    )
    canvas.drawVertices(mesh, skia.Paint(Shader=shader))


def outline(head: Surface) -> skia.Path:
    """The face's outline in the picture."""
    places = head.view.places(head.points_VU3[::3].reshape(-1, 3)).reshape(-1, COLUMNS, 2)
    rows = np.arange(len(places))
    left, right = places[rows, places[..., 0].argmin(1)], places[rows, places[..., 0].argmax(1)]
    path = skia.Path()
    for number, (x, y) in enumerate([*left.tolist(), *right[::-1].tolist()]):
        (path.lineTo if number else path.moveTo)(x, y)
    path.close()
    return path
