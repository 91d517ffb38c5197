"""Draws what is worn on the shoulders: a table of garments, each a few shapes in body space."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from anime_gen.painter.curves import PRESSED, Point, spline, straight
from anime_gen.painter.palette import Palette, Tones
from anime_gen.painter.parameters import Face, Outfit
from anime_gen.painter.scene import Scene, argb

# As wide all along.
EVEN = (1.0, 1.0, 1.0)


class Fitting:
    """What a garment is cut by.

    Args:
        at: body space, as `draw_bust` has it.
        thick: half the neck's width.
        low: where the neck ends.
    """

    def __init__(
        self, scene: Scene, face: Face, at: Callable[[float, float], Point], colours: Palette, thick: float, low: float
    ) -> None:
        self.scene, self.style, self.at = scene, face.style, at
        self.cloth, self.trim = colours.cloth, colours.trim
        self.thick, self.low = thick, low
        self.wide, self.dip = thick + 0.28, low + 0.2

    def cover(self, neck: list[Point], tones: Tones, puff: float = 0.06) -> None:
        """A garment over both shoulders with a given neckline (left to right in the picture)."""
        scene, at, low = self.scene, self.at, self.low
        right = [at(-1.7, 3.4), at(-1.6 - puff, low + 0.85), at(-1.28 - puff, low + 0.42 - puff)]
        left = [at(1.28 + puff, low + 0.42 - puff), at(1.6 + puff, low + 0.85), at(1.7, 3.4)]
        edge = spline([*right, *neck, *left])
        path = scene.closed(edge)
        scene.fill(path, argb(tones.base))
        if self.style.kind != "flat":
            scene.clip(path)
            for s in (-1, 1):
                fold = [
                    at(s * 1.05, low + 0.5),
                    at(s * 1.22, low + 0.9),
                    at(s * 1.15, 3.4),
                    at(s * 1.9, 3.4),
                    at(s * 1.8, low + 0.7),
                ]
                shade = argb(tones.shadow, 0.9 if s == -self.style.light else 0.4)
                scene.fill(scene.closed(spline(fold)), shade)
            scene.unclip()
        # Arms hang beside the body, and cloth pulls from where they meet it.
        folds = []
        for s in (-1, 1):
            folds.append((spline([at(s * 1.1, low + 0.62), at(s * 1.08, low + 1.0), at(s * 1.0, 3.4)]), 0.006))
            folds.append((spline([at(s * 1.07, low + 0.95), at(s * 0.9, low + 0.86), at(s * 0.78, low + 0.9)]), 0.004))
        scene.ink("clothes", tones.line, [(edge, 0.007), *folds], PRESSED)

    def flap(self, points: list[Point], tones: Tones) -> None:
        """A piece of collar with straight edges."""
        edge = straight(*points, points[0])
        self.scene.fill(self.scene.closed(edge), argb(tones.base))
        self.scene.ink("collar", tones.line, [(edge, 0.007)], (0.8, 1.1, 0.9))


def draw_clothes(fitting: Fitting, outfit: Outfit) -> None:
    """Over the shoulders and the neck's end."""
    _GARMENTS[outfit](fitting)


def _sailor(fit: Fitting) -> None:
    at, low, wide, dip = fit.at, fit.low, fit.wide, fit.dip
    fit.cover([at(-wide, dip), at(0, low + 0.55), at(wide, dip)], fit.trim)
    for s in (-1, 1):
        fit.flap(
            [
                at(s * fit.thick, low - 0.06),
                at(s * 1.12, low + 0.3),
                at(s * 1.16, low + 0.78),
                at(s * 0.04, low + 0.62),
            ],
            fit.cloth,
        )
        stripe = straight(at(s * 1.03, low + 0.36), at(s * 1.06, low + 0.68), at(s * 0.2, low + 0.54))
        fit.scene.ink("collar", (250, 250, 252), [(stripe, 0.012)], EVEN)


def _jacket(fit: Fitting) -> None:
    """A blazer or a coat, over a shirt."""
    at, low, wide, dip = fit.at, fit.low, fit.wide, fit.dip
    fit.cover([at(-wide, dip), at(0, low + 0.5), at(wide, dip)], fit.trim)
    _buttoned(fit, low + 1.3)
    for s in (-1, 1):
        fit.flap(
            [
                at(s * (fit.thick + 0.12), low + 0.1),
                at(s * 0.95, low + 0.42),
                at(s * 0.72, low + 0.75),
                at(s * 0.05, low + 1.3),
            ],
            fit.cloth,
        )
    _shirt_collar(fit)


def _shirt(fit: Fitting) -> None:
    _buttoned(fit, fit.low + 0.35)
    _shirt_collar(fit)


def _buttoned(fit: Fitting, to: float) -> None:
    """What is closed from below up to a level."""
    at, wide, dip = fit.at, fit.wide, fit.dip
    fit.cover([at(-wide, dip - 0.02), at(-0.05, to), at(0.05, to), at(wide, dip - 0.02)], fit.cloth)


def _shirt_collar(fit: Fitting) -> None:
    at, low, thick = fit.at, fit.low, fit.thick
    for s in (-1, 1):
        fit.flap(
            [
                at(s * (thick - 0.02), low - 0.16),
                at(s * (thick + 0.24), low + 0.22),
                at(s * 0.34, low + 0.52),
                at(s * 0.02, low + 0.26),
            ],
            fit.trim,
        )


def _tee(fit: Fitting) -> None:
    at, low, wide, dip = fit.at, fit.low, fit.wide, fit.dip
    neck = [at(-wide - 0.12, dip + 0.1), at(-0.4, low + 0.52), at(0.4, low + 0.52), at(wide + 0.12, dip + 0.1)]
    fit.cover(neck, fit.cloth)


def _turtleneck(fit: Fitting) -> None:
    at, low, thick = fit.at, fit.low, fit.thick
    fit.cover([at(-thick - 0.02, low - 0.1), at(0, low + 0.0), at(thick + 0.02, low - 0.1)], fit.cloth)
    folds = [(spline([at(-thick, low + d), at(0, low + d + 0.1), at(thick, low + d)]), 0.006) for d in (0.05, 0.2)]
    fit.scene.ink("clothes", fit.cloth.line, folds)


def _dress(fit: Fitting) -> None:
    _strapless(fit, fit.low + 0.75)


def _camisole(fit: Fitting) -> None:
    at, low = fit.at, fit.low
    top = low + 0.85
    _strapless(fit, top)
    straps = [(spline([at(s * 0.75, top + 0.1), at(s * 0.78, low + 0.32)]), 0.03) for s in (-1, 1)]
    fit.scene.ink("clothes", fit.cloth.base, straps, EVEN)


def _strapless(fit: Fitting, top: float) -> None:
    """What leaves the shoulders free and begins at a level."""
    at = fit.at
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
    fit.scene.outlined("clothes", edge, fit.cloth, 0.008)


def _kimono(fit: Fitting) -> None:
    at, low, wide, dip, trim = fit.at, fit.low, fit.wide, fit.dip, fit.trim
    fit.cover([at(-wide, dip - 0.1), at(0.1, low + 0.9), at(wide, dip - 0.1)], fit.cloth)
    bands = [
        straight(at(wide * 0.85, dip - 0.3), at(-0.35, 3.2)),
        straight(at(-wide * 0.85, dip - 0.3), at(0.3, low + 1.1)),
    ]
    for band in bands:
        fit.scene.ink("collar", trim.line, [(band, 0.056)], EVEN)
        fit.scene.ink("collar", trim.base, [(band, 0.046)], EVEN)


def _gakuran(fit: Fitting) -> None:
    at, low, thick, wide, dip = fit.at, fit.low, fit.thick, fit.wide, fit.dip
    fit.cover([at(-wide, dip - 0.02), at(0, low + 0.3), at(wide, dip - 0.02)], fit.cloth)
    for s in (-1, 1):
        fit.flap(
            [
                at(s * (thick + 0.06), low - 0.22),
                at(0, low + 0.02),
                at(0, low + 0.34),
                at(s * (thick + 0.16), low + 0.16),
            ],
            fit.cloth,
        )
    for y in (0.55, 0.9):
        fit.scene.oval(at(0.06, low + y), 0.012, 0.012, argb((238, 200, 96)))


def _hoodie(fit: Fitting) -> None:
    at, low, thick, wide, dip, scene = fit.at, fit.low, fit.thick, fit.wide, fit.dip, fit.scene
    fit.cover([at(-wide - 0.3, dip - 0.05), at(0, low + 0.4), at(wide + 0.3, dip - 0.05)], fit.cloth, puff=0.1)
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
        scene.fill(scene.closed(hood), argb(fit.cloth.base if s == fit.style.light else fit.cloth.shadow))
        scene.ink("clothes", fit.cloth.line, [(hood, 0.007)], PRESSED)
        cord = spline([at(s * 0.16, low + 0.4), at(s * 0.2, low + 0.7), at(s * 0.17, low + 1.0)])
        scene.ink("clothes", fit.trim.base, [(cord, 0.014)], EVEN)


_GARMENTS: Mapping[Outfit, Callable[[Fitting], None]] = {
    "blazer": _jacket,
    "camisole": _camisole,
    "coat": _jacket,
    "dress": _dress,
    "gakuran": _gakuran,
    "hoodie": _hoodie,
    "kimono": _kimono,
    "sailor": _sailor,
    "shirt": _shirt,
    "tee": _tee,
    "turtleneck": _turtleneck,
}
