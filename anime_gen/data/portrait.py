"""The face of a photo, found and framed as the faces of a data set are framed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

# The finder's pictures are as large as this on their shorter side: faces from a tenth of it on are found.
_WORKING = 256
# Fewer found faces do not say how a data set frames them.
_ENOUGH = 8


class Square(NamedTuple):
    """A square of a picture: its centre and its side, in pixels or in shares of the picture's side."""

    x: float
    y: float
    side: float


# Where a face is usually cut: what a frontal cascade marks of a picture from the crown to the collar.
USUAL = Square(0.5, 0.52, 0.55)


@lru_cache(maxsize=1)
def _cascade() -> Any:
    import cv2

    folder = cv2.data.haarcascades  # type: ignore[attr-defined]  # the stubs leave it out
    return cv2.CascadeClassifier(folder + "haarcascade_frontalface_default.xml")


def find_face(picture: np.ndarray) -> Square | None:
    """The largest frontal face of a photo, in pixels, or None.

    Viola and Jones 2001, as OpenCV ships it: brow to chin, the sides of the face.

    Args:
        picture: uint8 (height, width, 3), RGB.
    """
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    factor = _WORKING / min(grey.shape)
    mode = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    small = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=mode)
    found = _cascade().detectMultiScale(small, scaleFactor=1.05, minNeighbors=4, minSize=(_WORKING // 10,) * 2)
    if not len(found):
        return None
    left, top, side, _ = max(found.tolist(), key=lambda box: box[2])
    return Square((left + side / 2) / factor, (top + side / 2) / factor, side / factor)


def usual_frame(pictures: Iterable[np.ndarray]) -> Square:
    """How square pictures frame their faces, in shares of their side: medians over those in which a face is found.

    `USUAL` where hardly any is found.
    """
    frames = []
    for picture in pictures:
        face = find_face(picture)
        if face is not None:
            frames.append([part / len(picture) for part in face])
    return Square(*np.median(frames, axis=0).tolist()) if len(frames) >= _ENOUGH else USUAL


def framed(picture: np.ndarray, face: Square, frame: Square, size: int) -> np.ndarray:
    """The square of a photo in which its face lies as `frame` says, (size, size, 3); past the edge its pixels repeat.

    Args:
        picture: uint8 (height, width, 3).
        face: in pixels.
        frame: in shares of the square's side.
        size: pixels of the result.
    """
    side = face.side / frame.side
    left, top = face.x - frame.x * side, face.y - frame.y * side
    height, width = picture.shape[:2]
    above, before = max(0, math.ceil(-top)), max(0, math.ceil(-left))
    below, behind = max(0, math.ceil(top + side) - height), max(0, math.ceil(left + side) - width)
    padded = np.pad(picture, ((above, below), (before, behind), (0, 0)), mode="edge")
    left, top = left + before, top + above
    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(padded).resize((size, size), Image.Resampling.BICUBIC, box))
