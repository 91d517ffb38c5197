"""Anime faces drawn from parameters, so that every label is exact: the embedded data set, endless and nobody's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anime_gen.data.painter.drawing import compose
from anime_gen.data.painter.labels import VOCABULARY, Labels, labels
from anime_gen.data.painter.parameters import Face, Statistics
from anime_gen.data.painter.sampling import sample_face
from anime_gen.data.painter.strokes import Stroke, sketch, strokes

# Changes whenever a label or a pixel does: caches of painted faces are keyed by it.
VERSION = "1"

__all__ = [
    "VERSION", "VOCABULARY", "Face", "Labels", "Statistics", "Stroke",
    "labels", "render", "sample_face", "sketch", "strokes",
]  # fmt: skip


def render(face: Face, size: int) -> npt.NDArray[np.uint8]:
    """The picture of a face, RGB (size, size, 3), for any size from 32 to 512."""
    return compose(face, fine=size > 128).paint(size)
