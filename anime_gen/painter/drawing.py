"""Puts a whole face together, from back to front."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import skia

from anime_gen.painter import accessories, background, bust, eyes, hair, head, headwear
from anime_gen.painter.anatomy import Anatomy, anatomy
from anime_gen.painter.hair_shape import HairShape, hair_shape
from anime_gen.painter.palette import palette
from anime_gen.painter.parameters import Face
from anime_gen.painter.scene import Scene

# Line weight by style.
_WEIGHT = {"cel": 1.0, "flat": 1.15, "ink": 1.35, "retro": 1.2, "soft": 0.8}


class Geometry(NamedTuple):
    """Where everything is: what render, labels and strokes all read."""

    body: Anatomy
    hair: HairShape
    over_face: skia.Path  # what of the hair lies over the face; not to be changed


@lru_cache(maxsize=16)
def geometry(face: Face) -> Geometry:
    """The geometry of a face, computed once."""
    body = anatomy(face)
    shape = hair_shape(face, body)
    return Geometry(body, shape, hair.over_face(shape))


@lru_cache(maxsize=4)
def compose(face: Face, fine: bool) -> Scene:
    """The drawing of a face; `fine` adds detail that small pictures cannot show."""
    body, shape, over_face = geometry(face)
    colours = palette(face)
    scene = Scene(fine, _WEIGHT[face.style.kind] * face.style.line)
    background.draw_background(scene, face)
    hair.draw_back(scene, face, shape, colours)
    bust.draw_bust(scene, face, body, colours)
    accessories.draw_neck_jewelry(scene, face, body, colours)
    hair.draw_hanging(scene, face, shape, colours)
    head.draw_ears(scene, face, body, colours)
    if face.extras.earrings:
        for side in (-1, 1):
            accessories.draw_earring(scene, face, body, colours, side)
    head.draw_face(scene, face, body, over_face, colours)
    head.draw_nose(scene, face, body, colours)
    head.draw_mouth(scene, face, body, colours)
    eyes.draw_eyes(scene, face, body, colours)
    eyes.draw_brows(scene, face, body, colours)
    head.draw_tears(scene, face, body)
    headwear.draw_animal_ears(scene, face, body, colours)
    hair.draw_front(scene, face, body, shape, colours)
    if eyes.shows_through(face):
        eyes.draw_through(scene, face, body, colours)
    accessories.draw_ties(scene, face, shape, colours)
    accessories.draw_ornaments(scene, face, body, colours)
    headwear.draw_hat(scene, face, body, colours)
    accessories.draw_glasses(scene, face, body, colours)
    background.draw_light(scene, face)
    return scene
