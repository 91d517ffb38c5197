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


def compose(canvas: skia.Canvas, size: int, person: Person) -> None:
    """Draws a person on a canvas one unit wide, of `size` pixels."""
    body, colours = human(person), natural(person)
    setting.draw_setting(canvas, size, person, body)
    hair.draw_back(canvas, size, person, body, colours)
    wear.draw_body(canvas, size, person, body, colours)
    hair.draw_hanging(canvas, size, person, body, colours)
    wear.draw_ears(canvas, size, person, body, colours)
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
    hair.draw_front(canvas, size, person, body, colours)
    wear.draw_headband(canvas, size, person, body, colours)
    wear.draw_ornaments(canvas, size, person, body, colours)
    wear.draw_glasses(canvas, person, body, colours)


def photograph(person: Person, size: int) -> npt.NDArray[np.uint8]:
    """The picture, RGB (size, size, 3): drawn twice as fine, averaged, then developed."""
    fine = 2 * size
    pixels = np.zeros((fine, fine, 4), np.uint8)
    canvas = skia.Surface(pixels, skia.kRGBA_8888_ColorType).getCanvas()
    canvas.scale(fine, fine)
    compose(canvas, fine, person)
    rows = pixels[0::2, :, :3].astype(np.uint16) + pixels[1::2, :, :3]
    return film.develop(((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8), person)
