"""Colours: the named hair and eye colours, skin, and how each drawing style turns a fill into shadow, light and line.

A colour is (r, g, b) in 0..255.
"""

from __future__ import annotations

from colorsys import hls_to_rgb, rgb_to_hls
from typing import NamedTuple

from anime_gen.painter.parameters import Face

Colour = tuple[float, float, float]

HAIR: dict[str, Colour] = {
    "aqua": (104, 208, 208),
    "black": (52, 48, 62),
    "blonde": (246, 216, 128),
    "blue": (72, 108, 204),
    "brown": (124, 80, 56),
    "green": (92, 164, 92),
    "grey": (128, 128, 134),
    "orange": (240, 142, 62),
    "pink": (246, 160, 190),
    "purple": (138, 94, 184),
    "red": (196, 48, 52),
    "silver": (178, 188, 214),
    "white": (250, 250, 255),
}
EYE: dict[str, Colour] = {
    "aqua": (60, 200, 205),
    "black": (44, 42, 54),
    "blue": (58, 108, 214),
    "brown": (132, 78, 44),
    "green": (64, 168, 84),
    "grey": (136, 140, 150),
    "orange": (240, 130, 40),
    "pink": (240, 110, 170),
    "purple": (138, 80, 196),
    "red": (206, 40, 48),
    "yellow": (240, 204, 56),
}


class Tones(NamedTuple):
    """One material under light."""

    base: Colour
    shadow: Colour
    light: Colour
    line: Colour


class Palette(NamedTuple):
    """Every colour of one picture."""

    skin: Tones
    hair: Tones
    hair_tips: Colour
    eye: Tones
    cloth: Tones
    trim: Tones  # collars, shirts
    accent: Tones  # neckwear
    ornament: Tones
    blush: Colour
    blush_strength: float  # opacity of the strongest blush
    mouth: Colour
    tongue: Colour
    ink: Colour  # lashes, brows' and features' darkest line


def mix(a: Colour, b: Colour, t: float) -> Colour:
    """From a (t = 0) to b (t = 1)."""
    return a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t


def hue(h: float, lightness: float, saturation: float) -> Colour:
    """A colour by its hue in turns."""
    r, g, b = hls_to_rgb(h % 1.0, lightness, saturation)
    return 255 * r, 255 * g, 255 * b


def shift(colour: Colour, turn: float, lighter: float, saturation: float = 1.0) -> Colour:
    """Turns the hue by `turn`, adds to the lightness, scales the saturation."""
    h, light, s = rgb_to_hls(colour[0] / 255, colour[1] / 255, colour[2] / 255)
    return hue(h + turn, min(1.0, max(0.0, light + lighter)), min(1.0, s * saturation))


def times(a: Colour, b: Colour) -> Colour:
    """Multiplied, as paint over paint."""
    return a[0] * b[0] / 255, a[1] * b[1] / 255, a[2] * b[2] / 255


# What shadow multiplies a colour with, how far light lifts it to white, how dark the line is, how black the line is.
_STYLE: dict[str, tuple[Colour, float, float, float]] = {
    "cel": ((186, 168, 192), 0.42, 0.22, 0.3),
    "flat": ((206, 190, 210), 0.30, 0.3, 0.05),
    "ink": ((206, 200, 196), 0.50, 0.10, 0.9),
    "retro": ((166, 144, 156), 0.50, 0.14, 0.65),
    "soft": ((192, 164, 186), 0.42, 0.26, 0.08),
}
_BLACK: Colour = (34, 28, 38)


def tones(base: Colour, style: str) -> Tones:
    """Shadow, light and line of a fill."""
    shade, lift, dark, black = _STYLE[style]
    line = mix(
        times(mix(base, (150, 70, 80), 0.18), (255 * dark + 60, 255 * dark + 40, 255 * dark + 60)), _BLACK, black
    )
    return Tones(base, times(base, shade), mix(base, (255, 255, 255), lift), line)


# Cloth and ribbons a costume designer would pick; most are quiet, so that hair and eyes lead.
_CLOTH: tuple[Colour, ...] = (
    (44, 54, 92), (40, 40, 50), (236, 234, 230), (128, 44, 56), (86, 92, 104), (66, 112, 118), (214, 190, 152),
    (96, 78, 122), (150, 186, 214), (236, 178, 186), (106, 118, 82), (196, 72, 66), (92, 66, 54), (226, 196, 110),
)  # fmt: skip
_ACCENT: tuple[Colour, ...] = (
    (192, 48, 56), (52, 72, 140), (226, 112, 134), (232, 186, 74), (52, 118, 96), (112, 66, 128), (44, 42, 54),
    (90, 160, 200),
)  # fmt: skip
_ORNAMENT: tuple[Colour, ...] = (
    (220, 62, 70), (244, 132, 160), (250, 208, 92), (122, 190, 230), (246, 244, 240), (140, 200, 140), (176, 132, 214),
    (246, 160, 92),
)  # fmt: skip
_DARK_ORNAMENT: tuple[Colour, ...] = (
    (46, 44, 58), (52, 66, 128), (134, 36, 52), (40, 92, 84), (92, 58, 112), (98, 64, 44), (70, 74, 86),
)  # fmt: skip


def _among(colours: tuple[Colour, ...], place: float) -> Colour:
    """The colour at place in [0, 1)."""
    return colours[int(place * len(colours))]


def _lamp(face: Face) -> Colour:
    """The light that every colour is seen in: of evening or of a dim room in some pictures, yellowed in old films."""
    lamp: Colour = (255, 240, 214) if face.style.kind == "retro" else (255, 255, 255)
    dim = max(0.0, face.style.dim - 0.65) / 0.35
    return times(lamp, mix((255, 255, 255), (230, 222, 222) if face.style.hue > 0.5 else (232, 212, 192), dim))


def palette(face: Face) -> Palette:
    """The colours of a face."""
    style = face.style.kind
    pastel = {"flat": 0.1, "soft": 0.04, "ink": 0.12}.get(style, 0.0)
    paper: Colour = (255, 250, 246)
    lamp = _lamp(face)

    def styled(colour: Colour, share: float = 1.0) -> Colour:
        return times(mix(colour, paper, pastel * share), lamp)

    dark = max(0.0, face.head.skin - 0.52) / 0.48
    skin = styled(mix(mix((255, 243, 234), (251, 223, 204), face.head.skin * 2), (180, 126, 96), dark))
    light, turn = face.hair.shift
    # Black and white leave no room for the jitter: a lighter black would read as grey.
    freedom = 0.3 if face.hair.colour in ("black", "white", "grey", "silver") else 1.0
    hair = styled(
        shift(HAIR[face.hair.colour], 0.012 * turn * freedom, 0.05 * light * freedom - 0.012, 0.88),
        0.3 if face.hair.colour == "black" else 1.0,
    )
    eye = shift(EYE[face.eyes.colour], 0.0, 0.0)
    clothes, extras = face.clothes, face.extras
    cloth = styled(mix(_among(_CLOTH, clothes.hue), (255, 255, 255), 0.25 * clothes.light))
    accent = styled(_among(_ACCENT, clothes.light))
    ornament = styled(_among(_DARK_ORNAMENT if extras.dark else _ORNAMENT, extras.hue))
    hair_tones = tones(hair, style)
    depth = face.style.depth
    hair_tones = hair_tones._replace(
        shadow=mix(hair, hair_tones.shadow, 0.75 + 0.45 * depth),
        light=mix(hair, hair_tones.light, 0.6 + 0.4 * sum(hair) / 765),  # dark hair would turn grey
    )
    skin_shadow = mix((244, 206, 200), (220, 174, 178), depth) if style != "retro" else (222, 172, 160)
    return Palette(
        skin=tones(skin, style)._replace(shadow=times(skin, skin_shadow)),
        hair=hair_tones,
        hair_tips=shift(mix(hair, hair_tones.light, 0.35), 0.05 * turn, 0.0),
        eye=tones(eye, style),
        cloth=tones(cloth, style),
        trim=tones(styled((246, 246, 250)), style),
        accent=tones(accent, style),
        ornament=tones(ornament, style),
        blush=mix((246, 126, 124), (222, 48, 66), dark),
        blush_strength=0.7 + 0.3 * dark,
        mouth=(168, 62, 66),
        tongue=(232, 128, 128),
        ink=mix(times(hair_tones.line, (150, 130, 140)), _BLACK, 0.55),
    )
