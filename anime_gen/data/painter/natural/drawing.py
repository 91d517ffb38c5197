"""Puts a person's photo together, from back to front."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import skia

from anime_gen.data.painter import hair as drawn_hair
from anime_gen.data.painter.natural import beard, features, film, hair, setting, wear
from anime_gen.data.painter.natural.anatomy import human
from anime_gen.data.painter.natural.canvas import draw_surface, outline
from anime_gen.data.painter.natural.person import Person
from anime_gen.data.painter.natural.skin import shade
from anime_gen.data.painter.natural.tones import natural

_FINE_ENOUGH = 128  # strands and lids melt away in fewer pixels than these


def compose(canvas: skia.Canvas, person: Person) -> None:
    """Draws a person on a canvas one unit wide."""
    body, colours = human(person), natural(person)
    setting.draw_setting(canvas, person)
    hair.draw_back(canvas, person, body, colours)
    wear.draw_body(canvas, person, body, colours)
    hair.draw_hanging(canvas, person, body, colours)
    wear.draw_ears(canvas, person, body, colours)
    draw_surface(canvas, body.head, shade(person, body.head, colours))
    canvas.save()
    canvas.clipPath(outline(body.head), doAntiAlias=True)
    features.draw_nose(canvas, person, body, colours)
    features.draw_mouth(canvas, person, body, colours)
    features.draw_lines(canvas, person, body, colours)
    features.draw_eyes(canvas, person, body, colours)
    features.draw_brows(canvas, person, body, colours)
    hair.draw_shadow(canvas, person, body, drawn_hair.over_face(body.hair), colours)
    canvas.restore()
    beard.draw_beard(canvas, person, body, colours)
    hair.draw_front(canvas, person, body, colours)
    wear.draw_headband(canvas, person, body, colours)
    wear.draw_ornaments(canvas, person, body, colours)
    wear.draw_glasses(canvas, person, body, colours)


def photograph(person: Person, size: int) -> npt.NDArray[np.uint8]:
    """The picture, RGB (size, size, 3): drawn finer, averaged, then developed."""
    block = max(2, -(-_FINE_ENOUGH // size))
    fine = block * size
    pixels = np.zeros((fine, fine, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    canvas.scale(fine, fine)
    compose(canvas, person)
    rows = pixels[..., :3].reshape(size, block, size, block, 3).sum((1, 3), dtype=np.uint32)
    return film.develop((rows / np.float32(block * block)).astype(np.float32), person)
