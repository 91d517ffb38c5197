"""What a face is made of: plain numbers and words, no geometry. Every renderer starts from these.

Lengths are in head units (half the width of the cheeks = 1), angles in radians, picture positions in [0, 1].
"Left" is the character's own left, which is the picture's right.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

HAIR_COLOURS = (
    "aqua", "black", "blonde", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "silver", "white",
)  # fmt: skip
EYE_COLOURS = ("aqua", "black", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "yellow")
GENDERS = ("female", "male")
STYLES = ("cel", "flat", "ink", "retro", "soft")

Bangs = Literal["blunt", "swept", "parted", "m", "choppy", "curtain", "wispy", "none"]
Length = Literal["short", "medium", "long"]
Texture = Literal["straight", "wavy", "spiky", "curled"]
Tails = Literal["none", "twin", "low twin", "pony", "side pony", "braid", "twin braids", "buns"]
Mouth = Literal["neutral", "smile", "grin", ":d", "open", "frown", "small", "cat", "pout", "tongue out"]
Lids = Literal["open", "half", "happy", "calm"]
EyeShape = Literal["round", "tall", "almond", "droopy", "upturned", "narrow"]
Shine = Literal["round", "twin", "oval", "star", "window", "sparkle"]
Outfit = Literal[
    "sailor", "blazer", "shirt", "tee", "turtleneck", "camisole", "dress", "kimono", "gakuran", "hoodie", "coat"
]
Neckwear = Literal["none", "necktie", "bow", "ribbon"]
Hat = Literal["none", "beret", "witch", "cap", "straw"]
AnimalEars = Literal["none", "cat", "fox", "rabbit", "bear"]
Background = Literal["plain", "gradient", "bokeh", "sky", "window", "stripes", "dots", "foliage", "room", "petals"]


class Statistics(NamedTuple):
    """Which habits of real tagged portraits the sampler copies."""

    long_tailed: bool = True  # few common colours and extras, many rare ones; else all colours are equally likely
    correlated: bool = True  # e.g. flowers come with other ornaments, men have short hair; else drawn independently
    left_leaning: bool = True  # heads turn and lean to the picture's left on average; else no side is preferred


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the head is and how it is turned."""

    yaw: float  # > 0: the nose points to the picture's right
    pitch: float  # > 0: looks up
    tilt: float  # > 0: clockwise in the picture
    scale: float  # one head unit as a fraction of the picture
    x: float  # centre of the head
    y: float


@dataclass(frozen=True, slots=True)
class Head:
    """Skull, jaw and the fixed features."""

    gender: str
    skin: float  # 0 pale .. 1 dark
    chin: float  # distance from the centre of the head down to the chin
    jaw: float  # half width of the jaw
    cheek: float  # half width of the cheeks
    ear: Literal["round", "pointy"]
    nose: Literal["dot", "line", "shadow", "hook"]


@dataclass(frozen=True, slots=True)
class Eyes:
    """Both eyes; `lids` are those of the right and the left eye."""

    colour: str
    lids: tuple[Lids, Lids]
    shape: EyeShape  # how the lids run from corner to corner
    width: float
    height: float
    spacing: float  # distance of an eye's centre from the middle
    level: float
    slant: float  # > 0: the outer corner is higher
    iris: float  # width of the iris, as a fraction of the eye's
    pupil: float  # size of the pupil, as a fraction of the iris
    gaze: tuple[float, float]  # towards picture right and down; (0, 0) looks at the viewer
    lash: float  # weight of the upper lash line
    lashes: int  # 0 none, 1 a wing, 2 several
    shine: Shine
    ring: bool  # the iris has a light crescent


@dataclass(frozen=True, slots=True)
class Expression:
    """What the face is doing."""

    mouth: Mouth
    mouth_width: float
    brow_tilt: float  # > 0: inner ends up (worried), < 0: angry
    brow_height: float
    brow_weight: float
    fang: bool
    lips: bool
    blush: float  # 0 none .. 1 strong
    tears: bool


@dataclass(frozen=True, slots=True)
class Hair:
    """The hair's cut; `grain` is the jitter of the single locks, in [-1, 1]."""

    colour: str
    shift: tuple[float, float]  # lightness and hue jitter, in [-1, 1]
    tips: float  # how far the tips fade to another hue, 0..1
    length: Length
    texture: Texture
    bangs: Bangs
    part: float  # where the crown parts, in head units
    fringe: float  # how far down the bangs reach: -1 high .. 1 into the eyes
    locks: int  # how many locks the bangs have
    stray: float  # how many thin strands leave the bangs, 0..1
    sides: Literal["none", "short", "framing", "hime"]
    tails: Tails
    side: int  # +1: asymmetric parts (swept bangs, side tail, ornaments) go to the picture's right
    volume: float
    ahoge: bool
    grain: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Extras:
    """What the character wears on head, face and neck."""

    clip: bool
    flower: bool
    bow: bool
    ribbon: bool
    hairband: bool
    hat: Hat
    animal_ears: AnimalEars
    glasses: Literal["none", "round", "square", "half"]
    earrings: bool
    choker: bool
    necklace: bool
    hue: float  # of the ornaments, 0..1
    dark: bool  # dark or bright ornaments


@dataclass(frozen=True, slots=True)
class Clothes:
    """The bust at the bottom of the picture."""

    outfit: Outfit
    neckwear: Neckwear
    hue: float
    light: float  # 0 dark .. 1 pale


@dataclass(frozen=True, slots=True)
class Style:
    """How the picture is drawn."""

    kind: str
    line: float  # line weight, 1 = usual
    light: int  # side the light comes from: -1 picture left, +1 right
    dim: float  # how little of it there is, 0..1: below 0.65 it is as bright as day
    depth: float  # of the shadows on hair and skin, 0 faint .. 1 deep
    rim: float  # light on the edges from behind, 0 none .. 1 strong
    background: Background
    hue: float
    tone: float
    grain: tuple[float, ...]  # places the background's spots


@dataclass(frozen=True, slots=True)
class Face:
    """Everything that decides a picture. Hashable, equal by value."""

    pose: Pose
    head: Head
    eyes: Eyes
    expression: Expression
    hair: Hair
    extras: Extras
    clothes: Clothes
    style: Style

    def __hash__(self) -> int:
        # Caches ask for it several times a picture, and no two faces of a data set are turned alike.
        return hash(self.pose)
