"""The points of human faces, as networks for four data sets tell them, as the suite's 24 landmarks.

    68 points     300W (iBUG), 300W-LP, and the faces of COCO-WholeBody
    98 points     WFLW
    106 points    LaPa, and mmpose's "Face6"

All are numbered from left to right of the picture, so that the first side is the character's right one. A landmark is
one of the points, or the middle of some:

- The sides of the face are the points of its outline beside the nose, where drawn faces are widest: neither the first
  nor the last of them, which lie at the ears. The chin is in the middle of the outline.
- Brows: outer end, middle and inner end of the upper edge, which is all that 68 points have of them.
- Eyes: the corners, and the middle of each lid: of 68 points, which have two on each, between those. A pupil is a point
  of its own; 68 points have none, and it is taken to be in the middle of the outline.
- The nose is its tip, the mouth the outer edge of the lips.
"""

from __future__ import annotations

import numpy as np

_Middle = tuple[int, ...]

# In the order of `vocabulary.LANDMARKS`: brows, the left one first (outer, middle, inner); left eye (outer, inner, top,
# bottom, pupil); right eye; nose; mouth (left, right, top, bottom); left and right side of the face, chin.
_POINTS: dict[int, tuple[_Middle, ...]] = {
    68: (
        (26,), (24,), (22,), (17,), (19,), (21,),
        (45,), (42,), (43, 44), (46, 47), (42, 43, 44, 45, 46, 47),
        (36,), (39,), (37, 38), (40, 41), (36, 37, 38, 39, 40, 41),
        (30,), (54,), (48,), (51,), (57,), (14,), (2,), (8,),
    ),
    98: (
        (46,), (44,), (42,), (33,), (35,), (37,),
        (72,), (68,), (70,), (74,), (97,),
        (60,), (64,), (62,), (66,), (96,),
        (54,), (82,), (76,), (79,), (85,), (28,), (4,), (16,),
    ),
    106: (
        (46,), (44,), (42,), (33,), (35,), (37,),
        (79,), (75,), (77,), (81,), (105,),
        (66,), (70,), (68,), (72,), (104,),
        (54,), (90,), (84,), (87,), (93,), (28,), (4,), (16,),
    ),
}  # fmt: skip
COUNTS = tuple(_POINTS)


def landmarks(points_PC: np.ndarray) -> np.ndarray:
    """Points to landmarks, in the order of `vocabulary.LANDMARKS`.

    Args:
        points_PC: as many as one of `COUNTS`; x, y, and whatever else is known of each, such as how sure it is.

    Returns:
        (24, C), in the same unit.
    """
    return np.stack([points_PC[list(middle)].mean(0) for middle in _POINTS[len(points_PC)]])
