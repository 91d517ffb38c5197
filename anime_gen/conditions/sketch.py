"""Line art: drawn, or taken of a picture where nobody drew any."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from anime_gen.conditions.condition import Condition
from anime_gen.conditions.kind import (
    Array,
    Asking,
    Column,
    Facts,
    Field,
    Kind,
    Option,
    Picture,
    flipped,
    on_paper,
    square,
)
from anime_gen.vocabulary import Vocabulary

# Lines are found at this size: in a small picture they are narrower than a pixel.
LINE_ART_SIZE = 256


def line_art(pixels: Array, size: int) -> Array:
    """Dark lines on white paper (Winnemoeller et al. 2012, "XDoG", eq. 5 and 7, with its sharp threshold).

    Args:
        pixels: uint8 (H, H, 3), at least 256 pixels wide for lines as fine as a pen's.
        size: of the result.

    Returns:
        uint8 (size, size), 255 paper, 0 line.
    """
    sigma, ratio, sharpness, threshold, slope = 1.2, 1.6, 20.0, 0.72, 12.0
    grey = Image.fromarray(pixels).convert("L")
    if grey.width != LINE_ART_SIZE:
        grey = grey.resize((LINE_ART_SIZE, LINE_ART_SIZE), Image.Resampling.BICUBIC)
    near, far = (
        np.asarray(grey.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255 for radius in (sigma, sigma * ratio)
    )
    difference = (1 + sharpness) * near - sharpness * far
    # A line is darker than its surroundings; a dark surface as such is not, so the local mean is what is compared to.
    # The last term keeps the grain of dark surfaces out.
    excess = difference - threshold * far + 0.05
    paper = np.where(excess >= 0, 1.0, 1 + np.tanh(slope * excess))
    lines = Image.fromarray((paper.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    return np.asarray(lines.resize((size, size), Image.Resampling.BOX))


# uint8, white paper.
SKETCH = Column(
    "sketch",
    lambda facts: (facts.image_size, facts.image_size),
    "u1",
    of_pixels=True,
    of_picture=line_art,
    looks_at=LINE_ART_SIZE,
)


class Lines(Field):
    """float32 (B, 1, H, W): 0 paper .. 1 line, NaN not given."""

    name = "sketch_B1HW"
    columns = (SKETCH,)

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (1, facts.image_size, facts.image_size)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        return inked(flipped(rows["sketch"], mirrored))


def inked(paper_BHW: Array) -> Tensor:
    """Levels of 255 on paper -> float32 (B, 1, H, W), 1 on a line."""
    return 1 - torch.from_numpy(paper_BHW)[:, None].float() / 255


def drawn(picture: Picture, asking: Asking) -> dict[str, Tensor]:
    """Dark lines on light paper."""
    paper = np.asarray(square(on_paper(picture.image), asking.facts.image_size), np.float32).mean(-1)
    return {Lines.name: inked(paper[None])}


def traced(picture: Picture, asking: Asking) -> dict[str, Tensor]:
    """The lines of a picture."""
    size = asking.facts.image_size
    pixels = np.asarray(square(on_paper(picture.image), max(size, LINE_ART_SIZE)))
    return {Lines.name: inked(np.stack([line_art(pixels, size)]))}


class Sketch(Kind):
    name = "sketch"
    plural = "sketches"
    place = 4
    pins_down = True
    fields = (Lines(),)
    options = (
        Option("sketch", "picture of dark lines on light paper", Picture, frozenset({Lines.name}), drawn),
        Option("trace", "picture whose lines are taken as the sketch", Picture, frozenset({Lines.name}), traced),
    )

    def drawing(self, condition: Condition, row: int, side: int) -> Image.Image | None:
        """White lines."""
        lines_B1HW = condition.sketch_B1HW
        if lines_B1HW is None or bool(lines_B1HW[row].isnan().any()):
            return None
        ink = Image.fromarray((lines_B1HW[row, 0] * 255).byte().cpu().numpy())
        picture = Image.new("RGBA", (side, side), "white")
        picture.putalpha(ink.resize((side, side), Image.Resampling.NEAREST))
        return picture
