"""The people behind the painted faces, as a camera would see them: the painter's second renderer.

person -> proportions         who it is: the face's parameters, and skin, age, beard; then lengths of a human face
view, surface, anatomy        the head as a grid in space, and where its features are in the picture
tones, canvas                 colours of nature; soft paint, layers, a textured mesh
skin, features, hair, beard, wear, setting     each draws its part, or lights it
film, drawing                 what the camera adds; the order of the parts
labels                        what is true of the photo

A photo has the pose, place, hair, expression, clothes and accessories of the painted face with the same parameters, and
the same 24 landmarks, at human places.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anime_gen.painter.natural.drawing import photograph
from anime_gen.painter.natural.labels import VOCABULARY, label_person
from anime_gen.painter.natural.person import Person, sample_person

# Changes whenever a label or a pixel does: caches of photos are keyed by it.
VERSION = "2"

__all__ = ["VERSION", "VOCABULARY", "Person", "label_person", "render_person", "sample_person"]


def render_person(person: Person, size: int) -> npt.NDArray[np.uint8]:
    """The photo-like picture of a person, RGB (size, size, 3). Made for 32 to 256 px.

    Raises:
        ValueError: `size` is less than 1.
    """
    if size < 1:
        raise ValueError(f"a picture has at least one pixel a side, not {size}")
    return photograph(person, size)
