"""Puts a person's photo together, from back to front."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import skia

from anime_gen.painter.natural import beard, features, film, hair, setting, wear
from anime_gen.painter.natural.anatomy import human
from anime_gen.painter.natural.canvas import draw_surface, outline
from anime_gen.painter.natural.person import Person
from anime_gen.painter.natural.skin import shade
from anime_gen.painter.natural.surface import Floats
from anime_gen.painter.natural.tones import natural

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
    hair.draw_shadow(canvas, person, body)
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
    return film.develop(_seen(pixels[..., :3], size), person)


def _seen(pixels: npt.NDArray[np.uint8], size: int) -> Floats:
    """Averaged to `size` through a lens: no photo is sharper than half a pixel."""
    block = pixels.shape[0] // size
    return _thinned(_thinned(pixels.astype(np.float32), block).swapaxes(0, 1), block).swapaxes(0, 1)


def _thinned(picture: Floats, block: int) -> Floats:
    """Means of `block` rows after a binomial blur of three, as one weighted sum."""
    count = len(picture)
    framed = np.concatenate([picture[:1], picture, picture[-1:]])
    weights = np.convolve((1, 2, 1), np.ones(block)) / (4 * block)
    return sum(
        (np.float32(weight) * framed[k : k + count : block][: count // block] for k, weight in enumerate(weights)),
        np.zeros((), np.float32),
    )
