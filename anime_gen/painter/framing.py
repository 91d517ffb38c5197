"""How much of a character a picture shows, and where its face lies in it: as data sets crop their faces.

A crop follows the face that a detector marked, so it is told by the eyes: how far apart the pupils of a face seen from
the front would lie, and where the middle between them is. Everything else follows by the geometry of `anatomy.View`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from anime_gen.painter.anatomy import View, face_depth
from anime_gen.painter.parameters import Pose

FramingName = Literal["crops", "tight", "hair", "bust"]

# Distance of the pupils of a face seen from the front, in head units.
_APART = 1.0


class Framing(NamedTuple):
    """Of a data set's pictures; shares of the width, angles in radians. Bells are given as mean and deviation."""

    apart: tuple[float, float]  # between the pupils, evenly from .. to
    eyes: tuple[float, float]  # level of the eyes, from above: a bell
    off: float  # how far the face is from the middle, sideways: deviation
    tilt: float  # of heads: deviation
    busts: float = 0.0  # in what share of the pictures a bust is shown instead


# Two public sets of anime faces have the pupils 0.37 (10th to 90th percentile: 0.31 to 0.42) and 0.28 (0.24 to 0.34) of
# the width apart, the eyes at 0.42 (0.39 to 0.45) of the height, and tilts of 14 and 5 degrees (`make painter-check`).
FRAMINGS: dict[FramingName, Framing] = {
    "crops": Framing((0.26, 0.425), (0.414, 0.016), 0.02, 0.13, busts=0.05),
    "tight": Framing((0.35, 0.42), (0.42, 0.015), 0.016, 0.13),
    "hair": Framing((0.24, 0.31), (0.43, 0.018), 0.02, 0.13),
    "bust": Framing((0.19, 0.23), (0.525, 0.014), 0.012, 0.09),
}


def placed(yaw: float, pitch: float, tilt: float, apart: float, eyes: tuple[float, float], level: float) -> Pose:
    """The pose of a head whose eyes lie at a place of the picture.

    Args:
        yaw, pitch, tilt: of the head, in radians.
        apart: distance of the pupils if the face were seen from the front, in shares of the width.
        eyes: the middle between them, x and y in shares of the picture.
        level: of the eyes below the head's centre, in head units.
    """
    scale = apart / _APART
    x, y = View(Pose(yaw, pitch, tilt, scale, 0.0, 0.0))(0.0, level, face_depth(0.0, level))
    return Pose(yaw, pitch, tilt, scale, eyes[0] - x, eyes[1] - y)
