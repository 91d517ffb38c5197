"""Draws neck, shoulders and clothes."""

from __future__ import annotations

from anime_gen.painter.anatomy import Anatomy
from anime_gen.painter.curves import PRESSED, Curve, Point, spline, straight
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
    thick = 0.44 if face.head.gender == "male" else 0.34
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
        chin = spline([at(-0.8, 0.6), at(-0.45, low - 0.12), at(0.02, low + 0.1), at(0.45, low - 0.2), at(0.8, 0.6)])
        scene.fill(scene.closed(chin), argb(colours.skin.shadow))
        scene.unclip()
    scene.ink("neck", colours.skin.line, [(spline(right[:4]), 0.006), (spline(left[:4]), 0.006)], PRESSED)
    if collarbone_drawn(face):
        bones = [
            (spline([at(s * 0.14, low + 0.36), at(s * 0.42, low + 0.3), at(s * 0.85, low + 0.32)]), 0.006)
            for s in (-1, 1)
        ]
        scene.ink("collarbone", colours.skin.line, bones)
    _clothes(scene, face, at, colours, thick, low)


def collarbone_drawn(face: Face) -> bool:
    """Whether the neckline leaves it free."""
    return face.clothes.outfit in OPEN_NECK


def _cover(at: _Body, neck: list[Point], low: float, puff: float = 0.06) -> Curve:
    """A garment over both shoulders with a given neckline (left to right in the picture)."""
    right = [at(-1.7, 3.4), at(-1.6 - puff, low + 0.85), at(-1.28 - puff, low + 0.42 - puff)]
    left = [at(1.28 + puff, low + 0.42 - puff), at(1.6 + puff, low + 0.85), at(1.7, 3.4)]
    return spline([*right, *neck, *left])


def _clothes(scene: Scene, face: Face, at: _Body, colours: Palette, thick: float, low: float) -> None:
    outfit, cloth, trim = face.clothes.outfit, colours.cloth, colours.trim
    line = cloth.line
    wide, dip = thick + 0.28, low + 0.2

    def garment(neck: list[Point], tones: object = None, puff: float = 0.06) -> None:
        used = trim if tones == "trim" else cloth
        edge = _cover(at, neck, low, puff)
        path = scene.closed(edge)
        scene.fill(path, argb(used.base))
        if face.style.kind != "flat":
            scene.clip(path)
            for s in (-1, 1):
                fold = spline(
                    [
                        at(s * 1.05, low + 0.5),
                        at(s * 1.22, low + 0.9),
                        at(s * 1.15, 3.4),
                        at(s * 1.9, 3.4),
                        at(s * 1.8, low + 0.7),
                    ]
                )
                scene.fill(scene.closed(fold), argb(used.shadow, 0.9 if s == -face.style.light else 0.4))
            scene.unclip()
        scene.ink("clothes", used.line, [(edge, 0.007)], PRESSED)

    def flap(points: list[Point], tones: object = "trim") -> None:
        used = trim if tones == "trim" else cloth
        edge = straight(*points, points[0])
        scene.fill(scene.closed(edge), argb(used.base))
        scene.ink("collar", used.line, [(edge, 0.007)], (0.8, 1.1, 0.9))

    if outfit == "sailor":
        garment([at(-wide, dip), at(0, low + 0.55), at(wide, dip)], "trim")
        for s in (-1, 1):
            flap(
                [
                    at(s * thick, low - 0.06),
                    at(s * 1.12, low + 0.3),
                    at(s * 1.16, low + 0.78),
                    at(s * 0.04, low + 0.62),
                ],
                "cloth",
            )
            stripe = straight(at(s * 1.03, low + 0.36), at(s * 1.06, low + 0.68), at(s * 0.2, low + 0.54))
            scene.ink("collar", (250, 250, 252), [(stripe, 0.012)], (1.0, 1.0, 1.0))
    elif outfit in ("blazer", "shirt", "coat"):
        if outfit != "shirt":
            garment([at(-wide, dip), at(0, low + 0.5), at(wide, dip)], "trim")
        garment(
            [
                at(-wide, dip - 0.02),
                at(-0.05, low + (1.3 if outfit != "shirt" else 0.35)),
                at(0.05, low + (1.3 if outfit != "shirt" else 0.35)),
                at(wide, dip - 0.02),
            ]
        )
        if outfit != "shirt":
            for s in (-1, 1):
                flap(
                    [
                        at(s * (thick + 0.12), low + 0.1),
                        at(s * 0.95, low + 0.42),
                        at(s * 0.72, low + 0.75),
                        at(s * 0.05, low + 1.3),
                    ],
                    "cloth",
                )
        for s in (-1, 1):
            flap(
                [
                    at(s * (thick - 0.02), low - 0.16),
                    at(s * (thick + 0.24), low + 0.22),
                    at(s * 0.34, low + 0.52),
                    at(s * 0.02, low + 0.26),
                ]
            )
    elif outfit == "tee":
        garment([at(-wide - 0.12, dip + 0.1), at(-0.4, low + 0.52), at(0.4, low + 0.52), at(wide + 0.12, dip + 0.1)])
    elif outfit == "turtleneck":
        garment([at(-thick - 0.02, low - 0.1), at(0, low + 0.0), at(thick + 0.02, low - 0.1)])
        folds = [(spline([at(-thick, low + d), at(0, low + d + 0.1), at(thick, low + d)]), 0.006) for d in (0.05, 0.2)]
        scene.ink("clothes", line, folds)
    elif outfit in ("camisole", "dress"):
        top = low + (0.75 if outfit == "dress" else 0.85)
        edge = spline(
            [
                at(-1.45, 3.4),
                at(-1.3, top + 0.3),
                at(-0.9, top),
                at(-0.3, top + 0.12),
                at(0, top + 0.2),
                at(0.3, top + 0.12),
                at(0.9, top),
                at(1.3, top + 0.3),
                at(1.45, 3.4),
            ]
        )
        scene.fill(scene.closed(edge), argb(cloth.base))
        scene.ink("clothes", line, [(edge, 0.008)], PRESSED)
        if outfit == "camisole":
            scene.ink(
                "clothes",
                cloth.base,
                [(spline([at(s * 0.75, top + 0.1), at(s * 0.78, low + 0.32)]), 0.03) for s in (-1, 1)],
                (1.0, 1.0, 1.0),
            )
    elif outfit == "kimono":
        garment([at(-wide, dip - 0.1), at(0.1, low + 0.9), at(wide, dip - 0.1)])
        bands = [
            straight(at(wide * 0.85, dip - 0.3), at(-0.35, 3.2)),
            straight(at(-wide * 0.85, dip - 0.3), at(0.3, low + 1.1)),
        ]
        for curve in bands:
            scene.ink("collar", trim.line, [(curve, 0.056)], (1.0, 1.0, 1.0))
            scene.ink("collar", trim.base, [(curve, 0.046)], (1.0, 1.0, 1.0))
    elif outfit == "gakuran":
        garment([at(-wide, dip - 0.02), at(0, low + 0.3), at(wide, dip - 0.02)])
        flap(
            [at(-thick - 0.06, low - 0.22), at(0, low + 0.02), at(0, low + 0.34), at(-thick - 0.16, low + 0.16)],
            "cloth",
        )
        flap(
            [at(thick + 0.06, low - 0.22), at(0, low + 0.02), at(0, low + 0.34), at(thick + 0.16, low + 0.16)], "cloth"
        )
        for y in (0.55, 0.9):
            x, cy = at(0.06, low + y)
            scene.oval((x, cy), 0.012, 0.012, argb((238, 200, 96)))
    else:
        garment([at(-wide - 0.3, dip - 0.05), at(0, low + 0.4), at(wide + 0.3, dip - 0.05)], puff=0.1)
        for s in (-1, 1):
            hood = spline(
                [
                    at(s * 0.04, low + 0.5),
                    at(s * 0.3, low + 0.18),
                    at(s * (thick + 0.02), low - 0.24),
                    at(s * (thick + 0.3), low - 0.2),
                    at(s * (thick + 0.52), low + 0.16),
                    at(s * 0.6, low + 0.48),
                ],
                closed=True,
            )
            scene.fill(scene.closed(hood), argb(cloth.base if s == face.style.light else cloth.shadow))
            scene.ink("clothes", line, [(hood, 0.007)], PRESSED)
            cord = spline([at(s * 0.16, low + 0.4), at(s * 0.2, low + 0.7), at(s * 0.17, low + 1.0)])
            scene.ink("clothes", trim.base, [(cord, 0.014)], (1.0, 1.0, 1.0))
    _neckwear(scene, face, at, colours)


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
