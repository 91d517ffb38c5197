"""The light on a head: colours of its surface as an image over rows and columns.

Light is computed linearly and then raised to the gamma of a picture, with a soft shoulder as in film.
"""

from __future__ import annotations

from math import cos, sin

import numpy as np
import numpy.typing as npt

from anime_gen.painter.natural.person import Person
from anime_gen.painter.natural.surface import COLUMNS, ROWS, Floats, Surface, bump, smooth
from anime_gen.painter.natural.tones import Natural, exposure, linear_light
from anime_gen.painter.parameters import Pose

_BLOOD = np.array((0.0, 0.82, 0.86), np.float32)  # what blood near the skin takes from its colour
_BOUNCED = np.array((0.28, 0.22, 0.20), np.float32)  # light that reaches hollows, bounced between folds of skin
# Light wanders under the skin: red furthest (subsurface scattering, here as wrapped diffuse light).
_WRAP = np.array((0.42, 0.27, 0.22), np.float32)
_KEY = np.array((1.05, 1.0, 0.93), np.float32)
_SKY = np.array((0.95, 1.0, 1.07), np.float32)


# Linear light 0 .. 2 in 4096 steps, as a picture keeps it: highlights roll off instead of clipping.
_LIGHT = np.linspace(0, 2, 4096)
_FILM = (
    255 * np.where(_LIGHT > 0.6, 0.6 + 0.4 * (1 - np.exp(-(_LIGHT - 0.6) / 0.4)), _LIGHT) ** (1 / 2.2) + 0.5
).astype(np.uint8)


def _means(count: int, reach: int) -> Floats:
    """The matrix of a running mean over 2 reach + 1 neighbours, applied twice."""
    far = np.abs(np.arange(count)[:, None] - np.arange(count))
    once = (far <= reach).astype(np.float64)
    once /= once.sum(1, keepdims=True)
    return (once @ once).astype(np.float32)


def _stretch(count: int, few: int) -> Floats:
    """The matrix of linear interpolation from few values to many."""
    place = np.linspace(0, few - 1, count)
    return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(few))), np.float32)


_MEAN_V, _MEAN_U = _means(ROWS, 4), _means(COLUMNS, 4).T
_MORE_V, _MORE_U = _stretch(ROWS, 7), _stretch(COLUMNS, 8).T


def light_direction(person: Person) -> tuple[float, float, float]:
    """Towards the main light in the picture: right, down, near. Soft boxes stand to one side and above."""
    side = 0.5 + 0.14 * person.grain[0]
    return person.face.style.light * side, -0.45 + 0.1 * person.grain[1], 0.85


def to_head(pose: Pose, direction: tuple[float, float, float]) -> Floats:
    """A direction of the picture in head space: the inverse of `View`'s turns, of length 1."""
    right, down, near = direction
    right, down = (
        right * cos(pose.tilt) + down * sin(pose.tilt),
        down * cos(pose.tilt) - right * sin(pose.tilt),
    )
    # View: down' = y cos p - near sin p. Its depth would be near' = near cos p + y sin p.
    down, near = down * cos(pose.pitch) + near * sin(pose.pitch), near * cos(pose.pitch) - down * sin(pose.pitch)
    x, z = right * cos(pose.yaw) - near * sin(pose.yaw), right * sin(pose.yaw) + near * cos(pose.yaw)
    found = np.array((x, down, z), np.float32)
    return np.asarray(found / np.sqrt((found * found).sum()), np.float32)


def shade(person: Person, head: Surface, colours: Natural) -> npt.NDArray[np.uint8]:
    """Colours of the surface (V, U, 3), as a picture keeps them."""
    pose, s = person.face.pose, head.sizes
    x, y = np.ascontiguousarray(head.points_VU3[..., 0]), head.points_VU3[:, :1, 1]
    normal = _normals(head.points_VU3)
    key = to_head(pose, light_direction(person))
    sky, eye = to_head(pose, (0.0, -1.0, 0.25)), to_head(pose, (0.0, 0.0, 1.0))
    fill = to_head(pose, (-0.8 * person.face.style.light, 0.1, 0.6))
    half = (key + eye) / np.sqrt(((key + eye) ** 2).sum())
    facing, up, back, glance = np.moveaxis(normal @ np.stack([key, sky, fill, half], -1), -1, 0)
    free = _open(head) * _cast(person, head, x, y)
    direct = np.clip((facing[..., None] + _WRAP) / (1 + _WRAP), 0, 1)
    direct *= 0.55 + 0.45 * direct
    around = 0.22 + 0.07 * (1 + up) + 0.14 * np.maximum(back, 0)
    # Folds and hollows get less light, and redder.
    hollow = _BOUNCED + free[..., None] * (1 - _BOUNCED)
    light = (direct * _KEY + around[..., None] * _SKY) * hollow
    colour = _albedo(person, head, colours, x, y) * light
    beside = np.abs(x)
    oil = bump(x, y, 0, s.nose - 0.09, 0.07, 0.06) + 0.8 * bump(x, y, 0, -0.55, 0.35, 0.18)
    oil += 0.7 * bump(beside, y, 0.55 * s.cheek, s.eye + 0.24, 0.13, 0.1) + 0.5 * bump(
        x, y, 0, s.chin - 0.13, 0.1, 0.06
    )
    glance = np.maximum(glance, 0)
    # Dark skin shows its light as sheen.
    sheen = 0.05 * person.tone * glance * glance * glance
    for _ in range(4):
        glance = glance * glance
    shine = (
        glance * (0.13 + 0.09 * glance * glance) * (0.3 + 0.7 * np.minimum(oil, 1)) * free * np.clip(2 * facing, 0, 1)
    )
    colour += ((shine * (1.0 - 0.35 * person.childhood) + sheen * free) / exposure(person))[..., None]
    brightness = np.minimum(colour * np.float32(2047 * exposure(person)), 4095).astype(np.int32)
    return np.asarray(_FILM[brightness], np.uint8)


def _normals(points_VU3: Floats) -> Floats:
    down = np.empty_like(points_VU3)
    right = np.empty_like(points_VU3)
    down[1:-1] = points_VU3[2:] - points_VU3[:-2]
    down[0], down[-1] = points_VU3[1] - points_VU3[0], points_VU3[-1] - points_VU3[-2]
    right[:, 1:-1] = points_VU3[:, 2:] - points_VU3[:, :-2]
    right[:, 0], right[:, -1] = points_VU3[:, 1] - points_VU3[:, 0], points_VU3[:, -1] - points_VU3[:, -2]
    normal = np.empty_like(points_VU3)
    normal[..., 0] = right[..., 1] * down[..., 2] - right[..., 2] * down[..., 1]
    normal[..., 1] = right[..., 2] * down[..., 0] - right[..., 0] * down[..., 2]
    normal[..., 2] = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    length = np.sqrt((normal * normal).sum(-1, keepdims=True))
    return (normal / np.maximum(length, 1e-9)).astype(np.float32)


def _open(head: Surface) -> Floats:
    """Ambient occlusion: 1 in the open, less where the surroundings stand out further."""
    sunk = np.maximum(_MEAN_V @ head.relief_VU @ _MEAN_U - head.relief_VU, 0)
    return np.exp(-9.0 * sunk).astype(np.float32)


def _cast(person: Person, head: Surface, x: Floats, y: Floats) -> Floats:
    """Shadows that nose, brows and lips throw away from the light: 1 where there is none."""
    s, side = head.sizes, person.face.style.light
    nose = bump(x, y, -side * (s.nose_half + 0.01), s.nose - 0.01, 0.06, 0.07)
    under = bump(x, y, -0.3 * side * s.nose_half, s.nose + 0.015, 0.09, 0.03)
    socket = bump(np.abs(x), y, s.gap - 0.09, s.eye - 0.05, 0.1, 0.045)
    below = bump(x, y, 0.0, s.mouth + s.lip + 0.035, 0.13, 0.025)
    jaw = smooth(y, s.chin - 0.09, s.chin + 0.02)
    hard = 1.0 if person.male else 0.7
    dark = hard * (0.34 * nose + 0.34 * under + 0.3 * socket + 0.28 * below + 0.3 * jaw)
    return np.asarray(np.clip(1 - dark, 0.25, 1), np.float32)


def _albedo(person: Person, head: Surface, colours: Natural, x: Floats, y: Floats) -> Floats:
    """The skin's own colour: redder where blood is near, darker around the eyes, blotched by the years, shaven."""
    s, face, wear = head.sizes, person.face, person.wear
    beside = np.abs(x)
    red = 0.55 * bump(beside, y, 0.55 * s.cheek, s.eye + 0.34, 0.2, 0.15)
    red += 0.5 * bump(x, y, 0, s.nose - 0.08, 0.11, 0.08) + 0.25 * bump(x, y, 0, s.chin - 0.12, 0.14, 0.08)
    red += 0.3 * smooth(beside, 0.93 * s.cheek, s.cheek)
    red += 1.9 * face.expression.blush * bump(beside, y, 0.56 * s.cheek, s.eye + 0.33, 0.17, 0.11)
    red *= 0.75 + 0.3 * person.childhood
    tired = (0.09 + 0.27 * wear) * bump(beside, y, s.gap - 0.03, s.eye + 0.1, 0.13, 0.04)
    tired += 0.16 * bump(beside, y, s.gap, s.eye - 0.06, 0.15, 0.05)
    coarse = np.array(person.grain[20:76], np.float32).reshape(7, 8)
    blotch = _MORE_V @ coarse @ _MORE_U * np.float32(0.018 + 0.05 * wear)
    skin = linear_light(colours.skin)
    flush = 1 - np.exp(-0.28 * red)
    albedo = skin * (1 - flush[..., None] * _BLOOD) * ((1 - np.minimum(tired, 0.6)) * (1 + blotch))[..., None]
    shaven = shaven_area(person, head, x, y)
    if shaven is not None:
        strength = {"none": 0.16, "moustache": 0.18, "goatee": 0.2, "full": 0.3, "stubble": 0.5}[person.beard]
        albedo += (linear_light(colours.beard) * np.float32(0.9) - albedo) * (strength * shaven)[..., None]
    return np.asarray(albedo, np.float32)


def shaven_area(person: Person, head: Surface, x: Floats, y: Floats) -> Floats | None:
    """Where a man's beard grows, 0..1; None in women and children."""
    if not person.male or person.age < 16:
        return None
    s = head.sizes
    beside = np.abs(x)
    level = s.mouth + 0.02 - 0.75 * np.maximum(beside - s.mouth_half, 0)
    low = smooth(np.asarray(y - level, np.float32), 0.0, 0.14)
    lip = bump(x, y, 0, 0.5 * (s.nose + s.mouth) + 0.01, 0.15, 0.06)
    lips = bump(x, y, 0, s.mouth + 0.01, 0.5 * s.mouth_half, 0.04)
    return np.asarray(np.clip(np.maximum(low, 1.2 * lip) - 1.3 * lips, 0, 1), np.float32)
