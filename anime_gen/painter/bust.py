"""Draws neck, shoulders, clothes and what is tied around the collar."""

from __future__ import annotations

from collections.abc import Sequence

from anime_gen.painter.anatomy import Anatomy
from anime_gen.painter.clothes import Fitting, draw_clothes
from anime_gen.painter.curves import PRESSED, TAPERED, Point, spline
from anime_gen.painter.palette import Palette
from anime_gen.painter.parameters import Face
from anime_gen.painter.scene import Scene, argb

# Outfits that leave the collarbone or the shoulders free.
OPEN_NECK = ("camisole", "dress", "tee")
BARE = ("camisole", "dress")
UNIFORM = ("sailor", "blazer", "gakuran")
NECKWEAR = ("sailor", "blazer", "shirt")


class _Body:
    """Body space: like head space, but turned only a little with the head; wider for men."""

    def __init__(self, face: Face, body: Anatomy) -> None:
        self._view, self._wide = body.body, 1.12 if face.head.gender == "male" else 1.0

    def __call__(self, x: float, y: float) -> Point:
        return self._view(x * self._wide, y, 0.0)


def draw_bust(scene: Scene, face: Face, body: Anatomy, colours: Palette) -> None:
    """Neck first, then shoulders, then what covers them."""
    at = _Body(face, body)
    thick = neck(face)
    low = face.head.chin + 0.28
    right = [
        at(-thick, 0.7),
        at(-thick * 0.98, low),
        at(-thick - 0.3, low + 0.22),
        at(-1.25, low + 0.42),
        at(-1.55, low + 0.8),
        at(-1.6, 3.4),
    ]
    left = [
        at(thick, 0.7),
        at(thick * 0.98, low),
        at(thick + 0.3, low + 0.22),
        at(1.25, low + 0.42),
        at(1.55, low + 0.8),
        at(1.6, 3.4),
    ]
    outline = spline([*reversed(right), *left])
    skin = scene.closed(outline)
    scene.fill(skin, argb(colours.skin.base))
    if face.style.kind != "flat":
        scene.clip(skin)
        away = -0.12 * face.style.light
        chin = spline(
            [at(-0.8, 0.6), at(-0.45, low - 0.2 + away), at(away, low + 0.02), at(0.45, low - 0.2 - away), at(0.8, 0.6)]
        )
        scene.fill(scene.closed(chin), argb(colours.skin.shadow))
        scene.unclip()
    scene.ink("neck", colours.skin.line, [(spline(right[:4]), 0.006), (spline(left[:4]), 0.006)], PRESSED)
    if collarbone_drawn(face):
        bones = [(spline(collarbone_spots(face, body, side)), 0.006) for side in (-1, 1)]
        scene.ink("collarbone", colours.skin.line, bones)
    draw_clothes(Fitting(scene, face, at, colours, thick, low), face.clothes.outfit)
    if face.style.rim:
        s = -face.style.light
        edge = spline([at(s * (thick + 0.3), low + 0.24), at(s * 1.22, low + 0.45), at(s * 1.52, low + 0.84)])
        band = scene.outlines.bands([(edge, 0.03 * face.pose.scale, TAPERED)])
        scene.fill(band, argb((255, 250, 240), 0.6 * face.style.rim))
    _neckwear(scene, face, at, colours)


def neck(face: Face) -> float:
    """Half the width of the neck, in head units."""
    return 0.44 if face.head.gender == "male" else 0.34


def collarbone_drawn(face: Face) -> bool:
    """Whether the neckline leaves it free."""
    return face.clothes.outfit in OPEN_NECK


def collarbone_spots(face: Face, body: Anatomy, side: int) -> list[Point]:
    """Where one of its two halves runs."""
    return _places(face, body, ((side * 0.14, 0.36), (side * 0.42, 0.3), (side * 0.85, 0.32)))


def shoulder_spots(face: Face, body: Anatomy) -> list[Point]:
    """Along both shoulders."""
    slope = ((0.64, 0.22), (1.0, 0.34), (1.35, 0.55))
    return _places(face, body, [(side * x, y) for side in (-1, 1) for x, y in slope])


def collar_spots(face: Face, body: Anatomy) -> list[Point]:
    """All over the part of the clothes that says what they are."""
    half = ((0.3, 0.2), (0.5, 0.5), (0.8, 0.45))
    return _places(face, body, [(side * x, y) for side in (-1, 1) for x, y in half])


def _places(face: Face, body: Anatomy, spots: Sequence[Point]) -> list[Point]:
    """In the picture: places of the body, below the pit of the neck."""
    at, low = _Body(face, body), face.head.chin + 0.28
    return [at(x, low + below) for x, below in spots]


def neckwear(face: Face) -> str:
    """What is tied around the collar, "none" where the outfit has no place for it."""
    return face.clothes.neckwear if face.clothes.outfit in NECKWEAR else "none"


def neckwear_shown(face: Face, body: Anatomy) -> str:
    """What of `neckwear` can be recognised: "none" unless a third of the knot's height is in the picture."""
    kind = neckwear(face)
    if kind == "none":
        return kind
    at, middle = _Body(face, body), _knot_level(face)
    above, below = _KNOT[kind]
    top, bottom = at(0, middle - above)[1], at(0, middle + below)[1]
    return kind if 1 - top >= (bottom - top) / 3 else "none"


# How far a knot, or a bow's loops, reach above and below the level where they are tied, in head units.
_KNOT = {"necktie": (0.1, 0.14), "bow": (0.22, 0.24), "ribbon": (0.22, 0.24)}


def _knot_level(face: Face) -> float:
    """Where it is tied, in head units."""
    return face.head.chin + 0.28 + (0.46 if face.clothes.outfit == "sailor" else 0.28)


def _neckwear(scene: Scene, face: Face, at: _Body, colours: Palette) -> None:
    kind, tones = neckwear(face), colours.accent
    y = _knot_level(face)

    def shape(points: list[Point]) -> None:
        edge = spline([*points, points[0]], tension=0.08)
        scene.fill(scene.closed(edge), argb(tones.base))
        scene.ink(kind, tones.line, [(edge, 0.007)], PRESSED)

    if kind == "necktie":
        shape([at(-0.1, y + 0.1), at(0.1, y + 0.1), at(0.22, y + 0.9), at(0, y + 1.2), at(-0.22, y + 0.9)])
        shape([at(-0.15, y - 0.1), at(0.15, y - 0.1), at(0.09, y + 0.14), at(-0.09, y + 0.14)])
    elif kind in ("bow", "ribbon"):
        long = 0.75 if kind == "ribbon" else 0.32
        for s in (-1, 1):
            shape(
                [at(s * 0.03, y + 0.05), at(s * (0.34 if long < 0.5 else 0.2), y + long), at(s * 0.12, y + long + 0.12)]
            )
            reach = 0.62 if kind == "bow" else 0.36
            shape([at(s * 0.05, y), at(s * reach, y - 0.22), at(s * (reach + 0.06), y + 0.05), at(s * reach, y + 0.24)])
        shape([at(-0.1, y - 0.1), at(0.1, y - 0.1), at(0.1, y + 0.12), at(-0.1, y + 0.12)])
