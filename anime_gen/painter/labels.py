"""What is true of a picture: tags a person can see, exclusive classes, landmarks and a caption."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import skia

from anime_gen.painter import accessories, bust
from anime_gen.painter.curves import Curve, Point
from anime_gen.painter.drawing import geometry
from anime_gen.painter.eyes import shows_through
from anime_gen.painter.frame import things, within
from anime_gen.painter.head import ear_outline, face_path, has_fang
from anime_gen.painter.parameters import EYE_COLOURS, GENDERS, HAIR_COLOURS, STYLES, Face
from anime_gen.vocabulary import S5_TAGS, Vocabulary

_NOT_DRAWN = ("gloves", "cleavage")
_BEYOND_S5 = ("aqua hair", "grey hair", "orange eyes", "grey eyes")

VOCABULARY = Vocabulary(
    tags=(*(tag for tag in S5_TAGS if tag not in _NOT_DRAWN), *_BEYOND_S5),
    attributes={"hair": HAIR_COLOURS, "eye": EYE_COLOURS, "gender": GENDERS, "style": STYLES},
)

# The order of a caption: who, hair, face, clothes.
_CAPTION_FIRST = ("long hair", "short hair", *(f"{name} hair" for name in HAIR_COLOURS), "bangs", "blunt bangs")


class Labels(NamedTuple):
    """All that is known of one drawn picture."""

    tags_T: npt.NDArray[np.uint8]  # 0 or 1
    attributes_A: npt.NDArray[np.int64]  # -1 not given: closed eyes have a colour that nobody can see
    landmarks_K2: npt.NDArray[np.float32]  # x, y in [0, 1]; may lie outside when not visible
    visible_K: npt.NDArray[np.bool_]
    caption: str


def labels(face: Face) -> Labels:
    """The exact labels of a face."""
    points, visible = _landmarks(face)
    true = _tags(face)
    attributes = (
        HAIR_COLOURS.index(face.hair.colour),
        EYE_COLOURS.index(face.eyes.colour) if f"{face.eyes.colour} eyes" in true else -1,
        GENDERS.index(face.head.gender),
        STYLES.index(face.style.kind),
    )
    return Labels(
        np.array([tag in true for tag in VOCABULARY.tags], np.uint8),
        np.array(attributes, np.int64),
        np.array(points, np.float32),
        np.array(visible, bool),
        _caption(face, true),
    )


class PlacedEye(Protocol):
    """Where an eye is, by whichever renderer."""

    @property
    def upper(self) -> Curve: ...  # the lid, inner to outer corner

    @property
    def top(self) -> Point: ...

    @property
    def bottom(self) -> Point: ...

    @property
    def iris(self) -> Point: ...

    @property
    def open(self) -> bool: ...


def landmarks(
    brows: tuple[Curve, Curve],
    eyes: tuple[PlacedEye, PlacedEye],
    nose: Point,
    mouth: tuple[Point, Point, Point, Point],
    sides: tuple[Point, Point],
    chin: Point,
    hidden: skia.Path,
) -> tuple[list[Point], list[bool]]:
    """The 24 landmarks in the vocabulary's order, and which of them are in the picture, bare and (pupils) open.

    Args:
        brows, eyes, sides: right and left; brows from inner to outer in two segments.
        nose, chin: their points.
        mouth: left, right, top, bottom.
        hidden: what lies over the face.
    """
    points: list[Point] = []
    for brow in reversed(brows):
        points += [(brow[12], brow[13]), (brow[6], brow[7]), (brow[0], brow[1])]
    for eye in reversed(eyes):
        outer, inner = (eye.upper[-2], eye.upper[-1]), (eye.upper[0], eye.upper[1])
        points += [outer, inner, eye.top, eye.bottom, eye.iris]
    points += [nose, *mouth, sides[1], sides[0], chin]
    visible = [within(point) and not hidden.contains(*point) for point in points]
    for number, eye in enumerate(reversed(eyes)):
        visible[6 + 5 * number + 4] &= eye.open
    return points, visible


def _landmarks(face: Face) -> tuple[list[Point], list[bool]]:
    body, _, hidden = geometry(face)
    points, visible = landmarks(body.brows, body.eyes, body.nose, body.mouth, body.sides, body.chin, hidden)
    if shows_through(face):
        visible[:6] = map(within, points[:6])
    return points, visible


def _tags(face: Face) -> set[str]:
    mood, extras = face.expression, face.extras
    body, shape, hidden = geometry(face)

    def free(spots: list[Point]) -> int:
        """How many are in the picture, and neither below the hair nor behind the face."""
        bare = face_path(body)
        return sum(within(spot) and not hidden.contains(*spot) and not bare.contains(*spot) for spot in spots)

    rings = pointed = False
    if extras.earrings:
        # Of the two earrings, as much as half of one is free.
        spots = [spot for side in (-1, 1) for spot in accessories.earring_inside(face, body, side)]
        rings = 4 * free(spots) >= len(spots)
    if face.head.ear == "pointy":
        pointed = free([ear_outline(face, body, side)[2] for side in (-1, 1)]) > 0
    irises = any(eye.open and within(eye.iris) and not hidden.contains(*eye.iris) for eye in body.eyes)
    worn = things(face, body, shape)
    neckwear = bust.neckwear_shown(face, body)
    facts = {
        f"{face.hair.colour} hair": True,
        f"{face.eyes.colour} eyes": irises,
        "blush": mood.blush > 0,
        "open mouth": mood.mouth in (":d", "open", "tongue out"),
        ":d": mood.mouth == ":d",
        "smile": mood.mouth in ("smile", "grin", ":d", "tongue out"),
        "tongue": mood.mouth in ("tongue out", ":d"),
        "fang": has_fang(face),
        "lips": mood.lips,
        "tears": mood.tears,
        "looking at viewer": irises and face.eyes.gaze == (0.0, 0.0),
        "hair ornament": not worn.isdisjoint(("hair clip", "hair flower")),
        "flower": "hair flower" in worn,
        "ribbon": "hair ribbon" in worn or neckwear == "ribbon",
        "bow": "hair bow" in worn or neckwear == "bow",
        "cat ears": "animal ears" in worn and extras.animal_ears == "cat",
        "glasses": extras.glasses != "none",
        "earrings": rings,
        "jewelry": rings or "necklace" in worn,
        "pointy ears": pointed,
        "bangs": face.hair.bangs != "none",
        "blunt bangs": face.hair.bangs == "blunt",
        "necktie": neckwear == "necktie",
    }
    return {tag for tag, present in facts.items() if present} | (worn - {"necklace"})


def _caption(face: Face, true: set[str]) -> str:
    first = [tag for tag in _CAPTION_FIRST if tag in true]
    rest = [tag for tag in VOCABULARY.tags if tag in true and tag not in first]
    return ", ".join(["1boy" if face.head.gender == "male" else "1girl", "solo", *first, *rest])
