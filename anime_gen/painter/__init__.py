"""Anime faces drawn from parameters, so that every label is exact: the embedded data set, endless and nobody's.

sampling -> parameters        what a face is: plain numbers and words, by seed and index alone
framing                       how much of it the picture shows, as crops of real pictures do
anatomy, hair_shape, bangs    where everything is in the picture, computed once (`drawing.geometry`)
palette, curves, locks, scene colours, tapered lines, strands of hair, and a drawing that knows no pixels
outlines                      of all of a drawing, made at once
background, bust, head, eyes, hair, headwear, accessories     each draws its part into the scene
drawing                       the order of the parts
natural                       another renderer of the same parameters: the people behind the faces, like photos
labels, frame, strokes        what is true of the picture and not cut off by it, and its line art
check                         comparison with real pictures: `python -m anime_gen.judging.painter_check`
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from anime_gen.painter.drawing import compose
from anime_gen.painter.framing import FRAMINGS, FramingName
from anime_gen.painter.labels import VOCABULARY, Labels, labels
from anime_gen.painter.parameters import Face, Statistics
from anime_gen.painter.sampling import sample_face
from anime_gen.painter.strokes import Stroke, sketch, strokes

# Changes whenever a label or a pixel does: caches of painted faces are keyed by it.
VERSION = "3"

# Seeds of faces that the judge learns from and is examined on: a data set of them would flatter its scores.
JUDGE_TRAINING_SEED = 777_000
JUDGE_HELD_OUT_SEED = 777_001
JUDGE_WEIGHING_SEED = 777_003
JUDGE_SEEDS = (JUDGE_TRAINING_SEED, JUDGE_HELD_OUT_SEED, JUDGE_WEIGHING_SEED)

__all__ = [
    "FRAMINGS", "JUDGE_HELD_OUT_SEED", "JUDGE_SEEDS", "JUDGE_TRAINING_SEED", "JUDGE_WEIGHING_SEED", "VERSION",
    "VOCABULARY", "Face", "FramingName", "Labels", "Statistics", "Stroke", "labels", "render", "sample_face", "sketch",
    "strokes",
]  # fmt: skip


def render(face: Face, size: int) -> npt.NDArray[np.uint8]:
    """The picture of a face, RGB (size, size, 3).

    Made for 32 to 512 px. Smaller ones are finer ones averaged, too coarse for many of the tags; larger ones gain no
    detail.

    Raises:
        ValueError: `size` is less than 1.
    """
    if size < 1:
        raise ValueError(f"a picture has at least one pixel a side, not {size}")
    return compose(face, fine=size > 128).paint(size)
