"""The 28 points of anime-face-detector as the suite's 24 landmarks.

The points, by index, from left to right of the picture (so that the first side is the character's right one): 0 to 4
the outline of the face with the chin in its middle, 5 to 7 and 8 to 10 the brows, 11 to 16 and 17 to 22 the outlines of
the eyes, 23 the nose, 24 to 27 the mouth: its right corner, top, left corner, bottom (the pairs that its network swaps
in a mirror image say as much; which of an eye's six points is where is not relied on).

- Eyes: outer and inner corner, top and bottom are the outermost points of the outline along the line between the two
  eyes and across it. A pupil is not among the points: it is taken to be in the middle of the outline.
- All others are points of their own.
"""

from __future__ import annotations

import numpy as np

from anime_gen.vocabulary import LANDMARKS, NUM_LANDMARKS

NUM_POINTS = 28
EYES = {"right": slice(11, 17), "left": slice(17, 23)}
_SINGLE = {
    "face_right": 0, "chin": 2, "face_left": 4, "right_brow_outer": 5, "right_brow_middle": 6, "right_brow_inner": 7,
    "left_brow_inner": 8, "left_brow_middle": 9, "left_brow_outer": 10, "nose": 23, "mouth_right": 24, "mouth_top": 25,
    "mouth_left": 26, "mouth_bottom": 27,
}  # fmt: skip


def landmarks(points_PC: np.ndarray) -> np.ndarray:
    """Points to landmarks, in the order of `vocabulary.LANDMARKS`.

    Args:
        points_PC: (28, 2 or more): x, y, and whatever else is known of each, such as how sure it is.

    Returns:
        (24, as many), in the same unit.
    """
    found = np.full((NUM_LANDMARKS, points_PC.shape[1]), np.nan)
    for name, place in _SINGLE.items():
        found[LANDMARKS.index(name)] = points_PC[place]
    middles = {side: points_PC[outline].mean(0) for side, outline in EYES.items()}
    across_2 = middles["left"][:2] - middles["right"][:2]
    down_2 = np.array([-across_2[1], across_2[0]])
    for side, outline in EYES.items():
        eye_6C = points_PC[outline]
        outwards_2 = across_2 if side == "left" else -across_2
        along_6, below_6 = eye_6C[:, :2] @ outwards_2, eye_6C[:, :2] @ down_2
        parts = {
            "outer": eye_6C[along_6.argmax()], "inner": eye_6C[along_6.argmin()], "top": eye_6C[below_6.argmin()],
            "bottom": eye_6C[below_6.argmax()], "pupil": middles[side],
        }  # fmt: skip
        for part, point in parts.items():
            found[LANDMARKS.index(f"{side}_eye_{part}")] = point
    return found
