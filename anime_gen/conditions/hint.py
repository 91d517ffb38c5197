"""Colour hints: sparse strokes in the colours that their places should have; everywhere else the picture is open."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from anime_gen.conditions.condition import Condition
from anime_gen.conditions.kind import Array, Asking, Column, Facts, Field, Kind, Option, Picture, flipped, square
from anime_gen.errors import UserError
from anime_gen.vocabulary import Vocabulary

# Of a picture, between these two, each equally often; and how long and wide they are, as fractions of its side.
STROKES, LENGTH, WIDTH = (2, 12), 0.2, 1 / 16


def strokes_of(pixels: Array, size: int) -> Array:
    """Short straight strokes across a picture, each in the picture's mean colour under it.

    Where they go is a function of the pixels: the same picture has the same hint in every run.

    Args:
        pixels: uint8 (H, H, 3).
        size: of the result.

    Returns:
        uint8 (size, size, 4), RGBA: clear where there is no stroke, opaque on one.
    """
    stream = np.random.default_rng(zlib.crc32(np.ascontiguousarray(pixels).tobytes()))
    side, hint = len(pixels), Image.new("RGBA", (size, size))
    for _ in range(stream.integers(STROKES[0], STROKES[1] + 1)):
        start_2, angle = stream.random(2), stream.random() * 2 * np.pi
        line = np.stack([start_2, start_2 + LENGTH * np.array([np.cos(angle), np.sin(angle)])])
        width = max(1, round(WIDTH * side))
        under = Image.new("L", (side, side))
        ImageDraw.Draw(under).line([tuple(point) for point in line * side], fill=255, width=width)
        touched = np.asarray(under) > 0
        if touched.any():
            colour = tuple(np.rint(pixels[touched].mean(0)).astype(int).tolist())
            drawn = [tuple(point) for point in line * size]
            ImageDraw.Draw(hint).line(drawn, fill=(*colour, 255), width=max(1, round(WIDTH * size)))
    return np.asarray(hint)


HINT = Column(
    "hint", lambda facts: (facts.image_size, facts.image_size, 4), "u1", of_pixels=True, of_picture=strokes_of
)


def painted(rgba_BHW4: Array) -> Tensor:
    """uint8 RGBA -> float32 (B, 4, H, W): RGB in [-1, 1] on a stroke, 0 beside it; then 1 on a stroke, 0 beside it."""
    planes_B4HW = torch.from_numpy(rgba_BHW4).permute(0, 3, 1, 2).float()
    on_B1HW = (planes_B4HW[:, 3:] > 127).float()
    return torch.cat([(planes_B4HW[:, :3] / 127.5 - 1) * on_B1HW, on_B1HW], dim=1)


class Strokes(Field):
    """float32 (B, 4, H, W): colours in [-1, 1] and where they are, NaN not given."""

    name = "hint_B4HW"
    columns = (HINT,)

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (4, facts.image_size, facts.image_size)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        return painted(flipped(rows["hint"], mirrored))


def asked(picture: Picture, asking: Asking) -> dict[str, Tensor]:
    """Strokes on a clear picture.

    Raises:
        UserError: nothing is painted on it, or nothing of it is clear.
    """
    hint_1B4HW = painted(np.array(square(picture.image, asking.facts.image_size))[None])
    share = float(hint_1B4HW[:, 3].mean())
    if not 0 < share < 1:
        what = "nothing is painted on it" if share == 0 else "nothing of it is clear"
        raise UserError(f"{what}; give coloured strokes on a transparent picture, such as a PNG")
    return {Strokes.name: hint_1B4HW}


class Hint(Kind):
    name = "hint"
    plural = "colour hints"
    place = 6
    pins_down = True
    fields = (Strokes(),)
    options = (Option("hint", "PNG of coloured strokes, clear elsewhere", Picture, frozenset({Strokes.name}), asked),)

    def drawing(self, condition: Condition, row: int, side: int) -> Image.Image | None:
        """The strokes."""
        hint_B4HW = condition.hint_B4HW
        if hint_B4HW is None or bool(hint_B4HW[row].isnan().any()):
            return None
        levels = torch.cat([hint_B4HW[row, :3] * 127.5 + 127.5, hint_B4HW[row, 3:] * 255])
        picture = Image.fromarray(np.ascontiguousarray(levels.byte().permute(1, 2, 0).cpu().numpy()), "RGBA")
        return picture.resize((side, side), Image.Resampling.NEAREST)
