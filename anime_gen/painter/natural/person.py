"""A painted face as a human being: what `Face` says, and beside it what anime leaves out."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Literal

from anime_gen.contract import mix
from anime_gen.painter.framing import FramingName
from anime_gen.painter.parameters import Face, Statistics
from anime_gen.painter.sampling import Draw, sample_face

Beard = Literal["none", "stubble", "moustache", "goatee", "full"]

SKINS = ("light", "medium", "dark")
AGES = ("young", "adult", "old")
BEARDS: tuple[Beard, ...] = ("none", "stubble", "moustache", "goatee", "full")

# Tones 1 to 3 of the ten of the Monk scale are light, 4 to 6 medium, 7 to 10 dark, as in its authors' data set MST-E.
_SKIN_FROM = (0.3, 0.6)
_AGE_FROM = (25.0, 55.0)
_BEARDED_FROM = 18.0

# How much of the painter's faces is paler than a skin: its distribution (sampling.py), inverted.
_PALE = 0.92 * 0.25 / 0.85
_STREAM = 0x7E10  # keeps the numbers of a person apart from those of the face with the same seed and index


@dataclass(frozen=True, slots=True)
class Person:
    """Everything that decides a photo-like picture. Hashable, equal by value."""

    face: Face
    tone: float  # of the skin: 0 the lightest of the ten Monk tones .. 1 the darkest
    age: float  # years
    beard: Beard
    freckles: float  # 0 none .. 1 many
    weight: float  # -1 lean .. 1 heavy
    nose: float  # -1 slender .. 1 broad
    mouth: float  # -1 thin lips .. 1 full ones
    grain: tuple[float, ...]  # spots, strands and film, in [-1, 1)

    @property
    def skin_group(self) -> str:
        """One of `SKINS`."""
        return SKINS[bisect_right(_SKIN_FROM, self.tone)]

    @property
    def age_group(self) -> str:
        """One of `AGES`: young is below 25 years, old from 55 on."""
        return AGES[bisect_right(_AGE_FROM, self.age)]

    @property
    def childhood(self) -> float:
        """1 in a small child, 0 from 17 years on."""
        return max(0.0, min(1.0, (17.0 - self.age) / 12.0))

    @property
    def wear(self) -> float:
        """What the years have done: 0 up to 28, 1 at 80."""
        return max(0.0, min(1.0, (self.age - 28.0) / 52.0))

    @property
    def male(self) -> bool:
        """A man or a boy."""
        return self.face.head.gender == "male"


def sample_person(
    seed: int,
    index: int,
    statistics: Statistics = Statistics(),  # noqa: B008
    framing: FramingName = "crops",
) -> Person:
    """Person `index` of `seed`: whoever `sample_face` makes of the same numbers, with a skin, an age and a beard.

    Args:
        seed: in [0, 2**64), names a whole endless data set.
        index: in [0, 2**64), the person in it.
        statistics: which habits of real portraits the face copies.
        framing: how much the picture shows.
    """
    face = sample_face(seed, index, statistics, framing)
    draw = Draw(mix(seed, _STREAM), index)
    tone = skin_tone(face.head.skin, draw.uniform())
    age = draw.pick({(5.0, 25.0): 0.34, (25.0, 55.0): 0.38, (55.0, 85.0): 0.28})
    years = draw.uniform(*age)
    shaves: dict[Beard, float] = {"none": 0.42, "stubble": 0.2, "moustache": 0.1, "goatee": 0.1, "full": 0.18}
    beard = draw.pick(shaves)
    freckled = draw.chance(0.25 if tone < 0.4 else 0.06)
    return Person(
        face=face,
        tone=tone,
        age=years,
        beard=beard if face.head.gender == "male" and years >= _BEARDED_FROM else "none",
        freckles=draw.uniform(0.4, 1.0) if freckled else 0.0,
        weight=max(-1.0, min(1.0, draw.bell(0.0, 0.42))),
        nose=max(-1.0, min(1.0, draw.bell(0.7 * tone - 0.35, 0.4))),
        mouth=max(-1.0, min(1.0, draw.bell(0.8 * tone - 0.35, 0.4))),
        grain=draw.grain(160),
    )


def skin_tone(skin: float, chance: float) -> float:
    """Spreads the painter's skins evenly over the human range, darker for darker.

    Args:
        skin: of a painted face; its distribution is that of `sampling`, mostly pale.
        chance: in [0, 1): where in the lightest tones the many faces with `skin` 0 lie.

    Returns:
        The share of painted faces that are paler, in [0, 1).
    """
    if skin <= 0:
        return _PALE * chance
    if skin < 0.6:
        return 0.92 * (skin + 0.25) / 0.85
    return 0.92 + 0.08 * (skin - 0.6) / 0.35
