"""Where everything on a face is: the parameters turned in space and put into the picture, once for drawing and labels.

Head space: x to the picture's right, y down, z towards the viewer; one unit is half the width of the cheeks.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, sin
from typing import NamedTuple

from anime_gen.painter.curves import Curve, Point, spline
from anime_gen.painter.parameters import EyeShape, Face, Pose

_NECK = 1.15  # the head tilts about this height


class View:
    """Turns head space into picture coordinates in [0, 1]."""

    def __init__(self, pose: Pose, turn: float = 1.0) -> None:
        """`turn` scales yaw, pitch and tilt: the body follows the head only a little."""
        self.scale = pose.scale
        self._cy, self._sy = cos(pose.yaw * turn), sin(pose.yaw * turn)
        self._cp, self._sp = cos(pose.pitch * turn), sin(pose.pitch * turn)
        self._ct, self._st = cos(pose.tilt * turn), sin(pose.tilt * turn)
        self._x, self._y = pose.x, pose.y + _NECK * pose.scale

    def __call__(self, x: float, y: float, z: float) -> Point:
        """A point of head space, in the picture."""
        right = x * self._cy + z * self._sy
        near = z * self._cy - x * self._sy
        down = y * self._cp - near * self._sp - _NECK
        return (
            self._x + self.scale * (right * self._ct - down * self._st),
            self._y + self.scale * (right * self._st + down * self._ct),
        )


def face_depth(x: float, y: float) -> float:
    """z of the front of the face."""
    return 0.9 - 0.42 * x * x - 0.1 * y * y


def edge_depth(far: float) -> float:
    """z of a face's outline on one side; the far cheek's lies further front. `far`: sine of the turn away from us."""
    return 0.18 + (0.45 if far > 0 else 0.25) * far


class Eye(NamedTuple):
    """One eye in the picture. `at(u, v)` maps u in -1 (inner) .. 1 (outer), v in -1 (top) .. 1 (bottom)."""

    side: int  # +1: the character's left, the picture's right
    at: Callable[[float, float], Point]
    upper: Curve  # inner to outer corner
    lower: Curve  # outer to inner corner
    iris: Point
    radius: tuple[float, float]  # of the iris, in the picture
    top: Point
    bottom: Point
    open: bool


class Anatomy(NamedTuple):
    """The named places of a face in the picture."""

    view: View
    body: View
    jaw: Curve  # from the character's right temple over the chin to the left one
    skull: Curve  # the hairless top, back from left to right
    sides: tuple[Point, Point]  # where the face is widest, right and left of the character
    chin: Point
    nose: Point
    eyes: tuple[Eye, Eye]  # right, left
    brows: tuple[Curve, Curve]  # right, left; inner to outer, two segments
    mouth: tuple[Point, Point, Point, Point]  # left, right, top, bottom
    mouth_at: Callable[[float, float], Point]  # mouth space: u in -1..1 (picture's right), v in head units
    ears: tuple[Point, Point]  # right, left: where the ear joins the head
    edge_depth: Callable[[int], float]  # z of the face's outline on a side


def anatomy(face: Face) -> Anatomy:
    """Places the features of a face."""
    view, body = View(face.pose), View(face.pose, 0.35)
    head, turned = face.head, sin(face.pose.yaw)
    sides: list[list[Point]] = []
    for side in (-1, 1):
        # The outline of the far cheek lies further front than that of the near one.
        far = side * turned
        z = edge_depth(far)
        socket = 0.05 * max(0.0, far) / 0.3
        cheek, chin = head.cheek, head.chin
        sides.append(
            [
                view(side * cheek * 1.0, -0.5, z - 0.1),
                view(side * (cheek - min(0.07, socket)), 0.02, z),
                view(side * cheek * 0.94, 0.42, z + 0.02),
                view(side * (head.jaw + 0.14), chin * 0.66, z + 0.1),
                view(side * head.jaw * 0.56, chin * 0.88, z + 0.28),
                view(side * 0.085, chin * 0.988, 0.62),
            ]
        )
    chin_point = view(0, head.chin, 0.62)
    jaw = spline([*sides[0], chin_point, *reversed(sides[1])])
    skull = spline([sides[1][0], view(0.6, -1.05, 0.2), view(0, -1.2, 0.2), view(-0.6, -1.05, 0.2), sides[0][0]])
    mouth_at = _mouth_space(face, view)
    return Anatomy(
        view,
        body,
        jaw,
        skull,
        (sides[0][2], sides[1][2]),
        chin_point,
        view(0, 0.42 * head.chin, 1.0),
        (_eye(face, view, -1), _eye(face, view, 1)),
        (_brow(face, view, -1), _brow(face, view, 1)),
        _mouth_points(face, mouth_at),
        mouth_at,
        (view(-head.cheek * 0.97, 0.22, -0.08), view(head.cheek * 0.97, 0.22, -0.08)),
        lambda side: edge_depth(side * turned),
    )


# Of an open eye's lids: heights of the inner corner and of the upper lid beside it, how far out its highest part is,
# heights beside the outer corner, of that corner, and of the lower lid below it.
_LIDS: dict[EyeShape, tuple[float, float, float, float, float, float]] = {
    "round": (0.22, -0.42, 0.06, -0.46, 0.12, 0.6),
    "tall": (0.26, -0.5, 0.03, -0.56, 0.06, 0.6),
    "almond": (0.36, -0.24, 0.08, -0.52, -0.08, 0.5),
    "droopy": (0.04, -0.56, -0.06, -0.28, 0.4, 0.76),
    "upturned": (0.46, -0.16, 0.16, -0.7, -0.28, 0.44),
    "narrow": (0.36, -0.44, 0.12, -0.72, -0.1, 0.56),
}


def _eye(face: Face, view: View, side: int) -> Eye:
    eyes = face.eyes
    lids = eyes.lids[0 if side < 0 else 1]

    def at(u: float, v: float) -> Point:
        x = side * (eyes.spacing + u * eyes.width)
        y = eyes.level + v * eyes.height - u * eyes.slant
        return view(x, y, face_depth(x, y))

    if lids in ("happy", "calm"):
        bend = -0.35 if lids == "happy" else 0.55
        base = 0.35 if lids == "happy" else 0.3
        upper = spline(
            [at(-1, base), at(-0.5, base + 0.75 * bend), at(0.1, base + bend), at(0.65, base + 0.7 * bend), at(1, base)]
        )
        middle = at(0.1, base + bend)
        return Eye(side, at, upper, upper[::1], middle, (0.0, 0.0), middle, middle, False)
    lift = 1.0 if lids == "open" else 0.45
    inner, rise, peak, fall, outer, belly = _LIDS[eyes.shape]
    upper = spline(
        [
            at(-0.92, inner),
            at(-0.78, rise * lift),
            at(peak - 0.33, -0.95 * lift),
            at(peak + 0.33, -0.95 * lift),
            at(0.87, fall * lift),
            at(1.03, outer),
        ]
    )
    lower = spline([at(1.03, outer), at(0.8, belly), at(0.38, 0.96), at(-0.3, 0.96), at(-0.72, 0.68), at(-0.92, inner)])
    gx, gy = eyes.gaze
    # A turned head keeps looking at the viewer: the iris moves against the turn, within the lids.
    toward = max(-0.22, min(0.22, -0.35 * face.pose.yaw))
    u = side * (0.3 * gx + toward) - 0.05
    v = 0.02 + 0.22 * gy
    left, right = at(u - eyes.iris, v), at(u + eyes.iris, v)
    rx = 0.5 * abs(right[0] - left[0])
    # Taller than wide, and cut by both lids unless the eye is tall.
    ry = max(1.12 * rx, min(1.02 * eyes.height * view.scale, 1.4 * rx))
    return Eye(side, at, upper, lower, at(u, v), (rx, ry), at(0.12, -0.98 * lift), at(0.1, 0.98), True)


def _brow(face: Face, view: View, side: int) -> Curve:
    eyes, mood = face.eyes, face.expression
    y = eyes.level - eyes.height - 0.19 - mood.brow_height
    points = []
    for u, arch in ((-0.85, 0.0), (-0.1, -0.055), (0.95, 0.02)):
        x = side * (eyes.spacing + u * eyes.width * 1.05)
        points.append(view(x, y + arch + mood.brow_tilt * u - eyes.slant * 0.5 * u, face_depth(x, y)))
    return spline(points)


def _mouth_space(face: Face, view: View) -> Callable[[float, float], Point]:
    level = face.head.chin * 0.68
    width = face.expression.mouth_width

    def at(u: float, v: float) -> Point:
        x = u * width
        return view(x, level + v, 0.84 - 0.55 * x * x)

    return at


# Half width (of mouth_width), height of the corners, of the top and of the bottom middle, in head units.
MOUTH_SHAPE: dict[str, tuple[float, float, float, float]] = {
    "neutral": (0.75, 0.0, -0.005, 0.01),
    "smile": (0.95, -0.035, 0.02, 0.03),
    "grin": (1.1, -0.07, -0.02, 0.1),
    ":d": (1.05, -0.06, -0.035, 0.2),
    "open": (0.62, 0.0, -0.05, 0.14),
    "frown": (0.75, 0.035, -0.015, -0.005),
    "small": (0.3, 0.0, -0.03, 0.04),
    "cat": (0.85, -0.03, 0.0, 0.035),
    "pout": (0.42, 0.02, -0.02, 0.0),
    "tongue out": (0.9, -0.03, 0.0, 0.1),
}


def _mouth_points(face: Face, at: Callable[[float, float], Point]) -> tuple[Point, Point, Point, Point]:
    half, corner, top, bottom = MOUTH_SHAPE[face.expression.mouth]
    return at(half, corner), at(-half, corner), at(0, top), at(0, bottom)
