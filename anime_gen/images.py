"""Pictures as people see them: bytes, and grids in which each condition is drawn beside its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, zip_longest
from typing import cast

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from anime_gen.conditions import KINDS, Condition
from anime_gen.vocabulary import Vocabulary

TILE = 96  # least side of a drawn picture, in pixels; small ones are enlarged by whole factors, so pixels stay pixels
GAP = 4
PAPER = (250, 250, 250)
INK = (40, 40, 40)
TEXT = (9, 16)  # least and largest letters, in pixels
TITLE = (13, 32)


def quantise(images: Tensor) -> Tensor:
    """The bytes a user would save: round and clamp of x * 127.5 + 127.5 (never truncated, never wrapped around).

    Args:
        images: any shape, float in [-1, 1]; what lies outside is clamped. NaN becomes 0, so that a diverged run gets
            a (bad) score and not undefined bytes.

    Returns:
        uint8, same shape. `quantise(bytes / 127.5 - 1)` gives the same bytes again.
    """
    scaled = images.float().mul(127.5).add(127.5).nan_to_num(nan=0.0)
    return scaled.round().clamp(0, 255).to(torch.uint8)


def words_of(condition: Condition, row: int, vocabulary: Vocabulary) -> str:
    """What one row asks for in words."""
    words = [word for kind in KINDS.values() for word in kind.words(condition, row, vocabulary)]
    return ", ".join(dict.fromkeys(words))  # a class and its tag say the same


def draw_condition(
    condition: Condition, row: int, vocabulary: Vocabulary, side: int, caption: str | None = None
) -> Image.Image:
    """One row's panel: what can be drawn on a dark square, the loosest on top, and words beside it.

    The caption comes as it was written: the condition holds only what was read from it.
    """
    words = ", ".join(filter(None, (caption, words_of(condition, row, vocabulary))))
    tightest_first = [kind.drawing(condition, row, side) for kind in reversed(list(KINDS.values()))]
    drawings = [drawing for drawing in tightest_first if drawing is not None]
    panel = Image.new("RGB", ((side if drawings else 0) + (side * 3 // 2 if words else 0), side), PAPER)
    if drawings:
        panel.paste((20, 20, 24), (0, 0, side, side))
    for drawing in drawings:
        panel.paste(drawing, (0, 0), drawing)
    if words:
        font, said = fitted(words, side * 3 // 2 - 8, side - 4)
        ImageDraw.Draw(panel).text((panel.width - side * 3 // 2 + 4, 2), said, fill=INK, font=font)
    return panel


def fitted(words: str, width: int, height: int) -> tuple[ImageFont.FreeTypeFont, str]:
    """Words in lines, as large as there is room for; where there is too little for the smallest letters, cut off."""
    paper = ImageDraw.Draw(Image.new("L", (1, 1)))
    for size in range(max(TEXT), min(TEXT) - 1, -1):
        font = letters(size)
        lines = wrapped(words, width, font)
        while paper.multiline_textbbox((0, 0), "\n".join(lines), font)[3] > height:
            if size > min(TEXT):
                break
            lines.pop()
        else:
            break
    return font, "\n".join(lines)


def wrapped(words: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """Lines no wider than that, but for a word that is."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        lines[-1:] = [longer] if not lines[-1] or font.getlength(longer) <= width else [lines[-1], word]
    return lines


def letters(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own, which come in one size only where it was built without FreeType."""
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(size))


def tile(
    images_NCHW: Tensor,
    columns: int,
    conditions: Condition | None = None,
    vocabulary: Vocabulary | None = None,
    captions: Sequence[str | None] | None = None,
    headings: list[str] | None = None,
) -> Image.Image:
    """Pictures in rows of `columns`; with `conditions` or `captions`, row i of the grid begins with the panel of both.

    Args:
        images_NCHW: uint8 pictures.
        columns: pictures a row.
        conditions: one row for each row of the grid; None draws pictures only.
        vocabulary: the words of the conditions.
        captions: of each row: what a family reads, or what there is to say.
        headings: one for each column; an empty one leaves its room to the one before it.
    """
    pictures = images_NCHW.permute(0, 2, 3, 1).cpu().numpy()
    factor = max(1, -(-TILE // pictures.shape[1]))
    pictures = np.repeat(np.repeat(pictures, factor, axis=1), factor, axis=2)
    side = pictures.shape[1]
    rows = -(-len(pictures) // columns)
    told, words = conditions or Condition(), vocabulary or Vocabulary([], {})
    panels = (
        [draw_condition(told, row, words, side, captions[row] if captions else None) for row in range(rows)]
        if conditions is not None or captions
        else []
    )
    margin = max((panel.width for panel in panels), default=0)
    margin += GAP if margin else 0
    sheet = Image.new("RGB", (margin + columns * (side + GAP) + GAP, rows * (side + GAP) + GAP), PAPER)
    for row, panel in enumerate(panels):
        sheet.paste(panel, (GAP, GAP + row * (side + GAP)))
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        sheet.paste(Image.fromarray(picture), (margin + GAP + column * (side + GAP), GAP + row * (side + GAP)))
    return _headed(sheet, headings, margin) if headings else sheet


def _headed(sheet: Image.Image, headings: list[str], margin: int) -> Image.Image:
    """The sheet below a line of headings, which are made small enough for their columns."""
    column = (sheet.width - margin - GAP) / len(headings)
    starts = [place for place, heading in enumerate(headings) if heading]
    font = ImageFont.load_default(size=16)
    crowded = max(
        font.getlength(headings[start]) / ((end - start) * column - GAP)
        for start, end in zip(starts, [*starts[1:], len(headings)], strict=True)
    )
    font = ImageFont.load_default(size=max(8.0, 16 / max(crowded, 1.0)))
    taller = Image.new("RGB", (sheet.width, sheet.height + 26), PAPER)
    taller.paste(sheet, (0, 26))
    draw = ImageDraw.Draw(taller)
    for start in starts:
        draw.text((margin + GAP + start * column, 20), headings[start], fill=INK, font=font, anchor="ls")
    return taller


def cut(sheet: Image.Image, columns: int, image_size: int) -> tuple[Image.Image, list[list[Image.Image]]]:
    """What `tile` has joined: the margin with all rows' panels (no wider than 0 where there is none), and each row's
    pictures, enlarged as they were drawn.
    """
    side = image_size * max(1, -(-TILE // image_size))
    step = side + GAP
    left = sheet.width - columns * step
    panels = sheet.crop((GAP, 0, max(GAP, left - GAP), sheet.height))
    rows = [
        [sheet.crop((left + c * step, top, left + c * step + side, top + side)) for c in range(columns)]
        for top in range(GAP, sheet.height - side, step)
    ]
    return panels, rows


def beside(panels: Image.Image, titles: list[str], groups: list[list[list[Image.Image]]]) -> Image.Image:
    """Groups of pictures side by side, each under its title: groups[g][row] are pictures, `panels` the rows' margin.

    Titles are as large as their groups are wide: such sheets are looked at made small.
    """
    side = groups[0][0][0].height
    rows = max(len(group) for group in groups)
    widths = [len(group[0]) * (side + GAP) for group in groups]
    lines = list(zip_longest(*(title.split("\n") for title in titles), fillvalue=""))
    fonts = [widest(line, widths) for line in lines]
    tops = [0, *accumulate(font.size * 5 // 4 for font in fonts)]
    head = GAP + int(tops[-1])
    apart = 3 * GAP
    sheet = Image.new(
        "RGB", (panels.width + GAP + sum(width + apart for width in widths), head + rows * (side + GAP) + GAP), PAPER
    )
    sheet.paste(panels, (GAP, head))
    draw = ImageDraw.Draw(sheet)
    left = panels.width + apart + GAP
    for place, (group, width) in enumerate(zip(groups, widths, strict=True)):
        for line, font, top in zip(lines, fonts, tops, strict=False):
            draw.text((left, GAP + top), line[place], fill=INK, font=font)
        for row, pictures in enumerate(group):
            for column, picture in enumerate(pictures):
                sheet.paste(picture, (left + column * (side + GAP), head + GAP + row * (side + GAP)))
        left += width + apart
    return sheet


def widest(texts: Sequence[str], widths: Sequence[int]) -> ImageFont.FreeTypeFont:
    """The largest letters, within TITLE, with which each text fits its width."""
    fonts = [letters(size) for size in range(min(TITLE), max(TITLE) + 1)]
    fitting = [
        font for font in fonts if all(font.getlength(text) <= width for text, width in zip(texts, widths, strict=True))
    ]
    return max(fitting, default=fonts[0], key=lambda font: font.size)
