"""Colours of nature: skin from the ten Monk tones, hair that is dyed but still hair, and materials without ink."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anime_gen.painter.natural.person import Person
from anime_gen.painter.palette import EYE, HAIR, Colour, Palette, Tones, mix, palette, shift, times

Floats = npt.NDArray[np.float32]

# The Monk skin tone scale (Monk 2019), lightest first.
MONK: tuple[Colour, ...] = (
    (246, 237, 228), (243, 231, 219), (247, 234, 208), (234, 218, 186), (215, 189, 150),
    (160, 126, 86), (130, 92, 67), (96, 65, 52), (58, 49, 42), (41, 36, 32),
)  # fmt: skip
# Swatches are flat and yellowish; a face under daylight is a little redder, and its darkest parts are not its colour.
_BLOOD: Colour = (255, 221, 219)

# Natural hair is darker than drawn hair; dyed hair keeps its hue.
_HAIR: dict[str, Colour] = {
    "black": (34, 29, 28), "blonde": (214, 172, 102), "brown": (98, 60, 38), "grey": (128, 126, 124),
    "orange": (178, 92, 44), "red": (142, 42, 32), "silver": (186, 186, 190), "white": (226, 223, 218),
}  # fmt: skip
_EYE: dict[str, Colour] = {
    "black": (38, 28, 24), "blue": (92, 128, 168), "brown": (92, 56, 32), "green": (96, 122, 78),
    "grey": (128, 136, 140), "orange": (168, 104, 44), "yellow": (176, 146, 66), "aqua": (80, 158, 160),
}  # fmt: skip


class Natural(NamedTuple):
    """Every colour of one photo."""

    skin: Colour
    lips: Colour
    hair: Colour
    brow: Colour
    beard: Colour
    iris: Colour
    drawn: Palette  # for what the painter's own parts draw: clothes, hats, ornaments


def skin_colour(tone: float) -> Colour:
    """The colour of a tone in [0, 1]: between the two nearest of the ten."""
    place = min(9.0, max(0.0, 10.0 * tone - 0.5))
    low = min(8, int(place))
    colour = mix(MONK[low], MONK[low + 1], place - low)
    # Even the palest skin reflects less than paper, and the darkest more than its swatch.
    return mix(times(colour, mix(_BLOOD, (255, 234, 222), max(0.0, 2 * tone - 1))), (126, 80, 56), 0.1 + 0.2 * tone)


def exposure(person: Person) -> float:
    """How much light the camera lets in: photographers expose for the face."""
    return 0.95 + 1.5 * person.tone * person.tone


def natural(person: Person) -> Natural:
    """The colours of a person."""
    face = person.face
    skin = skin_colour(person.tone)
    light, turn = face.hair.shift
    name = face.hair.colour
    hair = _HAIR.get(name) or mix(HAIR[name], (80, 72, 76), 0.16)
    hair = shift(hair, 0.01 * turn, 0.03 * light * (0.4 if name in ("black", "white", "grey", "silver") else 1.0))
    silver = max(0.0, person.wear - 0.45) * 0.5
    brow = mix(mix(hair, (64, 48, 40), 0.55 if name in _HAIR else 0.75), (150, 146, 142), 1.2 * silver)
    beard = mix(mix(hair, (58, 44, 36), 0.4 if name in _HAIR else 0.85), (176, 172, 168), min(0.9, 2.2 * silver))
    # Brows and beards grow darker in darker people, whatever the dye on the head.
    brow, beard = (
        mix(brow, (34, 25, 22), 0.6 * person.tone),
        mix(beard, (38, 28, 24), 0.75 * person.tone * (1 - silver)),
    )
    iris = _EYE.get(face.eyes.colour) or mix(EYE[face.eyes.colour], (96, 84, 80), 0.35)
    lips = mix(times(skin, (226, 138, 132)), (128, 52, 56), 0.16 if person.male else 0.3)
    if face.expression.lips:
        lips = mix(lips, (168, 32, 48), 0.6)
    return Natural(skin, lips, hair, brow, beard, iris, _materials(person, skin, hair))


def _materials(person: Person, skin: Colour, hair: Colour) -> Palette:
    """The painter's palette with its ink turned to soft shadow."""

    def cloth(tones: Tones, fade: float = 0.14) -> Tones:
        base = mix(times(tones.base, (242, 240, 236)), (104, 100, 98), fade)
        return Tones(base, times(base, (190, 186, 190)), mix(base, (255, 255, 255), 0.2), times(base, (158, 154, 158)))

    drawn = palette(person.face)
    # Half of the light that falls on the face falls on the body.
    gain = (0.98 * exposure(person)) ** (1 / 2.2)
    bare: Colour = (min(246.0, skin[0] * gain), min(240.0, skin[1] * gain), min(236.0, skin[2] * gain))
    pelt = Tones(hair, times(hair, (170, 164, 164)), mix(hair, (255, 255, 255), 0.25), times(hair, (130, 124, 124)))
    return drawn._replace(
        skin=Tones(bare, times(bare, (206, 180, 172)), mix(bare, (255, 255, 255), 0.2), times(bare, (196, 166, 158))),
        hair=pelt,
        cloth=cloth(drawn.cloth),
        trim=cloth(drawn.trim, 0.08),
        accent=cloth(drawn.accent),
        ornament=cloth(drawn.ornament, 0.08),
    )


def linear_light(colour: Colour) -> Floats:
    """A picture's colour as light, three numbers in [0, 1] (the gamma of sRGB as a plain power)."""
    return ((np.array(colour, np.float32) / np.float32(255)) ** np.float32(2.2)).astype(np.float32)
