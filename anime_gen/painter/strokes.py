"""The line art as strokes in drawing order, and a sketch drawn with them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import skia

from anime_gen.painter.drawing import compose
from anime_gen.painter.eyes import shows_through
from anime_gen.painter.parameters import Face

_STEPS = 8  # points a cubic
_RESOLUTION = 256  # at which hidden lines are found


class Stroke(NamedTuple):
    """One pen stroke."""

    part: str  # "face outline", "left eye", "hair front" ...
    points_N2: npt.NDArray[np.float32]  # x, y in [0, 1]
    width: float  # fraction of the picture


_T = np.linspace(0, 1, _STEPS + 1)[1:, None]
_WEIGHTS = np.concatenate([(1 - _T) ** 3, 3 * _T * (1 - _T) ** 2, 3 * _T**2 * (1 - _T), _T**3], 1)


def strokes(face: Face) -> tuple[Stroke, ...]:
    """Every line of the drawing in the order it is drawn, without what later paint hides or the frame cuts off."""
    scene = compose(face, fine=True)
    top = scene.topmost(_RESOLUTION)
    found = []
    for part, curve, width, step in scene.lines:
        control = np.array(curve).reshape(-1, 2)
        pieces = [control[:1], *(_WEIGHTS @ control[i : i + 4] for i in range(0, len(control) - 1, 3))]
        points = np.concatenate(pieces).astype(np.float32)
        seen = ((points >= 0) & (points <= 1)).all(1)
        column, row = np.clip((points * _RESOLUTION).astype(int), 0, _RESOLUTION - 1).T
        # Brows show through the hair.
        if not (part.endswith("brow") and shows_through(face)):
            seen &= top[row, column] < step
        for run in np.split(np.arange(len(points)), np.flatnonzero(np.diff(seen)) + 1):
            if seen[run[0]] and len(run) >= 2:
                found.append(Stroke(part, points[run], width))
    return tuple(found)


def sketch(face: Face, size: int) -> npt.NDArray[np.uint8]:
    """The strokes on paper: (size, size), 255 is paper."""
    pixels = np.full((size, size, 4), 255, np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    for _, points, width in strokes(face):
        paint = skia.Paint(
            Color=0xFF202020, AntiAlias=True, Style=skia.Paint.kStroke_Style, StrokeWidth=max(0.6, width * size)
        )
        path = skia.Path()
        path.addPoly([skia.Point(x, y) for x, y in (points * size).tolist()], False)
        canvas.drawPath(path, paint)
    return np.ascontiguousarray(pixels[..., 0])
