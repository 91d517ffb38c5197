"""Draws the parameters of face `index` of a seed: counter-based, so a face never depends on the ones before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np

from anime_gen.painter.framing import FRAMINGS, FramingName, placed
from anime_gen.painter.parameters import (
    EYE_COLOURS,
    HAIR_COLOURS,
    STYLES,
    AnimalEars,
    Clothes,
    Expression,
    Extras,
    Eyes,
    EyeShape,
    Face,
    Hair,
    Hat,
    Head,
    Length,
    Lids,
    Mouth,
    Pose,
    Statistics,
    Style,
    Tails,
)

Name = TypeVar("Name")

_NUMBERS = 320  # uniform numbers kept ready for one face

# How often each colour occurs in tagged portraits, roughly (S1's long tail).
_HAIR_SHARE = dict(
    zip(HAIR_COLOURS, (0.03, 0.16, 0.19, 0.09, 0.19, 0.04, 0.04, 0.03, 0.08, 0.06, 0.05, 0.02, 0.02), strict=True)
)
_EYE_SHARE = dict(zip(EYE_COLOURS, (0.05, 0.04, 0.25, 0.17, 0.12, 0.03, 0.03, 0.04, 0.09, 0.12, 0.06), strict=True))

# Half width and half height of a woman's eyes; men's are lower.
_EYE_SIZE: dict[EyeShape, tuple[float, float]] = {
    "round": (0.262, 0.228),
    "tall": (0.25, 0.258),
    "almond": (0.278, 0.192),
    "droopy": (0.268, 0.212),
    "upturned": (0.274, 0.204),
    "narrow": (0.268, 0.172),
}


class Draw:
    """Uniform numbers of one face, taken in order: raw Philox words and exact arithmetic, so every machine agrees."""

    def __init__(self, seed: int, index: int) -> None:
        raw = np.random.Philox(key=np.array([seed, index], dtype=np.uint64)).random_raw(_NUMBERS)
        self._numbers: list[float] = ((raw >> np.uint64(11)) * 2.0**-53).tolist()
        self._next = 0

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """Evenly in [low, high)."""
        self._next += 1
        return low + (high - low) * self._numbers[self._next - 1]

    def bell(self, middle: float, spread: float) -> float:
        """A bell curve of standard deviation `spread`, cut at about 2.4 of them: the sum of three uniforms."""
        return middle + spread * 2.0 * (self.uniform() + self.uniform() + self.uniform() - 1.5)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.uniform() < probability

    def pick(self, weights: Mapping[Name, float]) -> Name:
        """A key, as often as its weight says."""
        left = self.uniform() * sum(weights.values())
        for name, weight in weights.items():
            left -= weight
            if left < 0:
                return name
        return name

    def grain(self, count: int) -> tuple[float, ...]:
        """Numbers in [-1, 1)."""
        self._next += count
        return tuple(2.0 * number - 1.0 for number in self._numbers[self._next - count : self._next])


def sample_face(
    seed: int,
    index: int,
    statistics: Statistics = Statistics(),  # noqa: B008
    framing: FramingName = "crops",
) -> Face:
    """Face `index` of `seed`: the same on every machine, in any order, in any process.

    Args:
        seed: in [0, 2**64), names a whole endless data set.
        index: in [0, 2**64), the face in it.
        statistics: which habits of real portraits to copy.
        framing: how much the picture shows; the character is the same in all.
    """
    draw = Draw(seed, index)
    kind = draw.pick({"cel": 0.42, "soft": 0.26, "retro": 0.14, "flat": 0.1, "ink": 0.08})
    male = draw.chance(0.2)
    hair = _hair(draw, male, statistics)
    head = _head(draw, male)
    eyes = _eyes(draw, male, statistics)
    expression = _expression(draw, male)
    extras = _extras(draw, male, hair, statistics)
    return Face(
        _pose(draw, statistics, framing, eyes.level),
        head,
        eyes,
        expression,
        hair,
        extras,
        _clothes(draw, male, statistics),
        _style(draw, kind),
    )


def _pose(draw: Draw, statistics: Statistics, framing: FramingName, level: float) -> Pose:
    lean = -0.16 if statistics.left_leaning else 0.0
    yaw, pitch = draw.bell(lean, 0.2), draw.bell(-0.02, 0.10)
    chosen = FRAMINGS[framing]
    if draw.chance(chosen.busts):
        chosen = FRAMINGS["bust"]
    tilt = draw.bell(lean * 0.35, chosen.tilt)
    apart = draw.uniform(*chosen.apart)
    return placed(yaw, pitch, tilt, apart, (draw.bell(0.487, chosen.off), draw.bell(*chosen.eyes)), level)


def _head(draw: Draw, male: bool) -> Head:
    chin = draw.bell(1.1, 0.045)
    jaw = draw.bell(0.5, 0.05)
    return Head(
        gender="male" if male else "female",
        skin=max(0.0, draw.uniform(-0.25, 0.6) if draw.chance(0.92) else draw.uniform(0.6, 0.95)),
        chin=chin + (0.1 if male else 0.0),
        jaw=jaw + (0.06 if male else 0.0),
        cheek=draw.bell(0.935, 0.02) - (0.03 if male else 0.0),
        ear="pointy" if draw.chance(0.07) else "round",
        nose=draw.pick({"dot": 0.35, "line": 0.2, "shadow": 0.25, "hook": 0.6 if male else 0.1}),
    )


def _eyes(draw: Draw, male: bool, statistics: Statistics) -> Eyes:
    share = _EYE_SHARE if statistics.long_tailed else dict.fromkeys(EYE_COLOURS, 1.0)
    moods: dict[tuple[Lids, Lids], float] = {
        ("open", "open"): 0.86,
        ("half", "half"): 0.06,
        ("happy", "happy"): 0.035,
        ("calm", "calm"): 0.02,
        ("open", "happy"): 0.0125,
        ("happy", "open"): 0.0125,
    }
    lids = draw.pick(moods)
    shape: EyeShape = draw.pick(
        {"narrow": 0.4, "almond": 0.26, "upturned": 0.22, "droopy": 0.12}
        if male
        else {"round": 0.16, "tall": 0.22, "almond": 0.19, "droopy": 0.17, "upturned": 0.26}
    )
    width, height = _EYE_SIZE[shape]
    away = draw.chance(0.22)
    side = 1.0 if draw.chance(0.5) else -1.0
    return Eyes(
        colour=draw.pick(share),
        lids=lids,
        shape=shape,
        width=draw.bell(width, 0.018) - (0.01 if male else 0.0),
        height=draw.bell(height, 0.026) * (0.93 if male else 1.0),
        spacing=draw.bell(0.5, 0.018),
        level=draw.bell(0.06, 0.035),
        slant=draw.bell(0.03 if male else 0.01, 0.035),
        iris=draw.bell(0.7, 0.045) - (0.06 if male else 0.0),
        pupil=draw.bell(0.46, 0.06),
        gaze=(side * draw.uniform(0.55, 1.0), draw.uniform(-0.5, 0.6)) if away else (0.0, 0.0),
        lash=draw.bell(0.75 if male else 1.15, 0.18),
        lashes=0 if male else draw.pick({0: 0.3, 1: 0.5, 2: 0.2}),
        shine=draw.pick({"round": 0.25, "twin": 0.24, "oval": 0.2, "star": 0.05, "window": 0.13, "sparkle": 0.13}),
        ring=draw.chance(0.6),
    )


def _expression(draw: Draw, male: bool) -> Expression:
    mouth: Mouth = draw.pick(
        {
            "neutral": 0.2, "smile": 0.32, "grin": 0.04, ":d": 0.13, "open": 0.08, "frown": 0.06, "small": 0.07,
            "cat": 0.04, "pout": 0.03, "tongue out": 0.03,
        }
    )  # fmt: skip
    sad = mouth in ("frown", "pout", "open")
    angry = draw.chance(0.4 if sad else 0.14)
    return Expression(
        mouth=mouth,
        mouth_width=draw.bell(0.2, 0.03),
        brow_tilt=draw.bell(-0.14 if angry else 0.1 if sad else 0.03, 0.05),
        brow_height=draw.bell(0.0, 0.04),
        brow_weight=draw.bell(1.35 if male else 0.65, 0.16),
        fang=draw.chance(0.12),
        lips=not male and draw.chance(0.1),
        blush=draw.uniform(0.6, 1.0) if draw.chance(0.2 if male else 0.45) else 0.0,
        tears=draw.chance(0.2 if sad else 0.02),
    )


def _hair(draw: Draw, male: bool, statistics: Statistics) -> Hair:
    share = _HAIR_SHARE if statistics.long_tailed else dict.fromkeys(HAIR_COLOURS, 1.0)
    short_male = male and statistics.correlated
    length: Length = draw.pick(
        {"short": 0.85, "medium": 0.1, "long": 0.05} if short_male else {"short": 0.25, "medium": 0.3, "long": 0.45}
    )
    tails: Tails = draw.pick(
        {"none": 0.93, "pony": 0.05, "braid": 0.02}
        if short_male
        else {
            "none": 0.56, "twin": 0.12, "low twin": 0.06, "pony": 0.08, "side pony": 0.05, "braid": 0.05,
            "twin braids": 0.04, "buns": 0.04,
        }
    )  # fmt: skip
    if tails != "none" and length == "short":
        length = "medium"
    return Hair(
        colour=draw.pick(share),
        shift=(draw.uniform(-1, 1), draw.uniform(-1, 1)),
        tips=draw.uniform(0.3, 1.0) if draw.chance(0.3) else 0.0,
        length=length,
        texture=draw.pick(
            {"straight": 0.3, "spiky": 0.6, "wavy": 0.1, "curled": 0.0}
            if short_male
            else {"straight": 0.5, "wavy": 0.22, "spiky": 0.14, "curled": 0.14}
        ),
        bangs=draw.pick(
            {"blunt": 0.02, "swept": 0.28, "parted": 0.14, "m": 0.2, "choppy": 0.28, "curtain": 0.04, "none": 0.06}
            if short_male
            else {
                "blunt": 0.12,
                "swept": 0.2,
                "parted": 0.14,
                "m": 0.22,
                "choppy": 0.17,
                "curtain": 0.07,
                "wispy": 0.05,
                "none": 0.03,
            }
        ),
        part=draw.bell(0.0, 0.22),
        fringe=draw.bell(0.0, 0.45),
        locks=4 + int(draw.uniform(0, 5)),
        stray=draw.uniform(),
        sides=draw.pick(
            {"none": 0.35, "short": 0.6, "framing": 0.05}
            if short_male
            else {"none": 0.1, "short": 0.22, "framing": 0.48, "hime": 0.2}
        ),
        tails=tails,
        side=1 if draw.chance(0.5) else -1,
        volume=draw.bell(0.13, 0.035),
        ahoge=draw.chance(0.2),
        grain=draw.grain(64),
    )


def _extras(draw: Draw, male: bool, hair: Hair, statistics: Statistics) -> Extras:
    rare = 0.5 if statistics.long_tailed else 1.0
    fewer = 0.15 if male and statistics.correlated else 1.0
    flower = draw.chance(0.18 * rare * fewer)
    # Ornaments come together: a flower seldom stays alone.
    more = 2.5 if flower and statistics.correlated else 1.0
    tied = hair.tails not in ("none", "buns")
    hat: Hat = draw.pick(
        {"none": 1 - 0.26 * rare, "beret": 0.08 * rare, "witch": 0.05 * rare, "cap": 0.07 * rare, "straw": 0.06 * rare}
    )
    ears: AnimalEars = draw.pick(
        {"none": 1 - 0.34 * rare, "cat": 0.21 * rare, "fox": 0.05 * rare, "rabbit": 0.04 * rare, "bear": 0.04 * rare}
    )
    return Extras(
        clip=draw.chance(0.2 * rare * fewer * more),
        flower=flower,
        bow=draw.chance(0.2 * rare * fewer * more),
        ribbon=draw.chance((0.7 if tied else 0.06) * rare * fewer),
        hairband=draw.chance(0.16 * rare * fewer),
        hat=hat,
        animal_ears=ears if hat == "none" else "none",
        glasses=draw.pick({"none": 1 - 0.2 * rare, "round": 0.07 * rare, "square": 0.08 * rare, "half": 0.05 * rare}),
        earrings=draw.chance((0.3 if more > 1 else 0.2) * rare),
        choker=draw.chance(0.16 * rare * fewer),
        necklace=draw.chance(0.14 * rare),
        hue=draw.uniform(),
        dark=draw.chance(0.4),
    )


def _clothes(draw: Draw, male: bool, statistics: Statistics) -> Clothes:
    manly = male and statistics.correlated
    return Clothes(
        outfit=draw.pick(
            {
                "blazer": 0.25, "shirt": 0.2, "tee": 0.12, "turtleneck": 0.06, "kimono": 0.05, "gakuran": 0.14,
                "hoodie": 0.1, "coat": 0.08,
            }
            if manly
            else {
                "sailor": 0.21, "blazer": 0.2, "shirt": 0.16, "tee": 0.07, "turtleneck": 0.04, "camisole": 0.09,
                "dress": 0.07, "kimono": 0.05, "hoodie": 0.05, "coat": 0.06,
            }
        ),
        neckwear=draw.pick(
            {"none": 0.4, "necktie": 0.5, "bow": 0.02, "ribbon": 0.08}
            if manly
            else {"none": 0.35, "necktie": 0.15, "bow": 0.28, "ribbon": 0.22}
        ),
        hue=draw.uniform(),
        light=draw.uniform(),
    )  # fmt: skip


def _style(draw: Draw, kind: str) -> Style:
    assert kind in STYLES
    return Style(
        kind=kind,
        line=draw.bell(1.0, 0.1),
        light=1 if draw.chance(0.5) else -1,
        dim=draw.uniform(),
        depth=draw.uniform(),
        rim=draw.uniform(0.4, 1.0) if draw.chance(0.35) else 0.0,
        background=draw.pick(
            {
                "plain": 0.13, "gradient": 0.17, "bokeh": 0.13, "sky": 0.11, "window": 0.12, "stripes": 0.07,
                "dots": 0.05, "foliage": 0.08, "room": 0.1, "petals": 0.04,
            }
        ),
        hue=draw.uniform(),
        tone=draw.uniform(),
        grain=draw.grain(48),
    )  # fmt: skip
