"""A drawing as a list of steps that knows no pixels: fills, clips and tapered lines, replayed at any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import skia

from anime_gen.painter.curves import PRESSED, TAPERED, Curve, Point, Profile
from anime_gen.painter.outlines import Outline, Outlines
from anime_gen.painter.palette import Colour, Tones

# Scans and video are never as sharp as vector art: large pictures are blurred by this share of their size. Below 128 px
# the same blur would be a quarter of a pixel.
_SOFTNESS = 0.0022
_CRISP = 128
_FINE_ENOUGH = 64


# What a shape is filled with: a packed colour, or a gradient. One `skia.Paint` does for all packed colours.
type Paint = int | skia.Paint


class Line(NamedTuple):
    """One stroke of the line art, as drawn."""

    part: str
    curve: Curve
    width: float  # fraction of the picture
    step: int  # how many steps of the scene come before it


def argb(colour: Colour, alpha: float = 1.0) -> int:
    """One flat colour, as Skia packs it; the channels must lie in 0..255."""
    r, g, b = colour
    return int(255 * alpha + 0.5) << 24 | int(r + 0.5) << 16 | int(g + 0.5) << 8 | int(b + 0.5)


def linear(start: Point, end: Point, colours: Sequence[int], stops: Sequence[float] | None = None) -> skia.Paint:
    """A straight gradient of packed colours."""
    points = [skia.Point(*start), skia.Point(*end)]
    shader = skia.GradientShader.MakeLinear(points, list(colours), list(stops) if stops else None)
    return skia.Paint(Shader=shader, AntiAlias=True)


def radial(centre: Point, radius: float, colours: Sequence[int], stops: Sequence[float] | None = None) -> skia.Paint:
    """A round gradient of packed colours."""
    shader = skia.GradientShader.MakeRadial(skia.Point(*centre), radius, list(colours), list(stops) if stops else None)
    return skia.Paint(Shader=shader, AntiAlias=True)


class Scene:
    """The steps of one picture in drawing order and, where it is fine, its line art."""

    def __init__(self, fine: bool, weight: float) -> None:
        """`fine`: also the detail that only pictures above 128 px and strokes show. `weight` of lines: 1 is usual."""
        self.fine = fine
        self.weight = weight
        self.steps: list[tuple[str, Any, Any]] = []
        self.lines: list[Line] = []
        self.outlines = Outlines()

    def closed(self, *curves: Curve) -> Outline:
        """One closed outline: the curves joined in order."""
        return self.outlines.closed(*curves)

    def fill(self, path: Outline | skia.Path, paint: Paint) -> None:
        """Fills a path."""
        self.steps.append(("fill", path, paint))

    def glaze(self, path: Outline | skia.Path, paint: Paint) -> None:
        """Fills a path with paint that what lies below shows through."""
        self.steps.append(("glaze", path, paint))

    def oval(self, centre: Point, rx: float, ry: float, paint: Paint) -> None:
        """Fills an upright ellipse."""
        x, y = centre
        self.steps.append(("oval", skia.Rect(x - rx, y - ry, x + rx, y + ry), paint))

    def clip(self, path: Outline | skia.Path) -> None:
        """Keeps what follows inside a path, until `unclip`."""
        self.steps.append(("clip", path, None))

    def unclip(self) -> None:
        """Ends the innermost `clip`."""
        self.steps.append(("unclip", None, None))

    def ink(
        self,
        part: str,
        colour: Colour,
        lines: Iterable[tuple[Curve, float]],
        profile: Profile = TAPERED,
        alpha: float = 1.0,
    ) -> None:
        """Draws tapered lines of one colour; widths are fractions of the picture before the line weight."""
        lines = list(lines)
        path = self.outlines.bands((curve, 0.5 * width * self.weight, profile) for curve, width in lines)
        if self.fine:
            for curve, width in lines:
                self.trace_only(part, curve, width)
        self.steps.append(("ink", path, argb(colour, alpha)))

    def outlined(self, part: str, edge: Curve, tones: Tones, width: float = 0.007) -> None:
        """A closed shape in one colour with its line around it."""
        self.fill(self.closed(edge), argb(tones.base))
        self.ink(part, tones.line, [(edge, width)], PRESSED)

    def trace_only(self, part: str, curve: Curve, width: float) -> None:
        """Notes a stroke whose ink is already in the fills (an edge between two colours)."""
        if self.fine:
            self.lines.append(Line(part, curve, width * self.weight, len(self.steps)))

    def paint(self, size: int) -> npt.NDArray[np.uint8]:
        """The picture, RGB (size, size, 3)."""
        return np.ascontiguousarray(self._pixels(size)[..., :3])

    def _pixels(self, size: int) -> npt.NDArray[np.uint8]:
        """The picture, RGBA (size, size, 4)."""
        if size < _FINE_ENOUGH:
            # Thin shapes side by side leak through each other's soft edges: average four finer pixels instead. Their
            # four channels, of 16 bits each, are added up as one number.
            twice = self._pixels(2 * size)
            rows = np.add(twice[0::2], twice[1::2], dtype=np.uint16).reshape(size, -1).view(np.uint64)
            blocks = (rows[:, 0::2] + rows[:, 1::2]).view(np.uint16).reshape(size, size, 4)
            return ((blocks + np.uint16(2)) >> 2).astype(np.uint8)
        pixels = np.zeros((size, size, 4), np.uint8)
        surface = skia.Surface(pixels, skia.kRGBA_8888_ColorType)
        canvas = surface.getCanvas()
        if size > _CRISP:
            blur = skia.ImageFilters.Blur(_SOFTNESS * size, _SOFTNESS * size, skia.TileMode.kClamp)
            canvas.saveLayer(skia.Rect(0, 0, size, size), skia.Paint(ImageFilter=blur))
        canvas.scale(size, size)
        self.replay(canvas)
        canvas.restoreToCount(1)
        return pixels

    def _ready(self) -> Iterator[tuple[str, Any, Any]]:
        """The steps with what Skia draws them with; good until the next step."""
        made = self.outlines.made()
        path, flat = skia.Path(), skia.Paint(AntiAlias=True)
        for step, what, how in self.steps:
            if isinstance(what, int):
                path.readFromMemory(made[what])
                what = path
            if isinstance(how, int):
                flat.setColor(how)
                how = flat
            yield step, what, how

    def replay(self, canvas: skia.Canvas) -> None:
        """Draws the steps on a canvas that is one unit wide and high."""
        for step, what, how in self._ready():
            if step in ("fill", "ink", "glaze"):
                canvas.drawPath(what, how)
            elif step == "oval":
                canvas.drawOval(what, how)
            elif step == "clip":
                canvas.save()
                canvas.clipPath(what, doAntiAlias=True)
            else:
                canvas.restore()

    def topmost(self, size: int) -> npt.NDArray[np.int32]:
        """The number of the last opaque fill over each pixel, (size, size): it hides the lines of earlier steps."""
        pixels = np.zeros((size, size, 4), np.uint8)
        canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
        canvas.scale(size, size)
        for number, (step, what, how) in enumerate(self._ready()):
            if step in ("fill", "oval") and how.getAlpha() == 255:
                flat = skia.Paint(Color=0xFF000000 | number, AntiAlias=False)
                (canvas.drawPath if step == "fill" else canvas.drawOval)(what, flat)
            elif step == "clip":
                canvas.save()
                canvas.clipPath(what, doAntiAlias=False)
            elif step == "unclip":
                canvas.restore()
        channels = pixels.astype(np.int32)
        return channels[..., 0] << 16 | channels[..., 1] << 8 | channels[..., 2]
