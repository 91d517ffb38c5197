"""The labels say what the picture shows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from anime_gen import painter
from anime_gen.painter import FramingName, Statistics
from anime_gen.painter.drawing import geometry
from anime_gen.painter.framing import FRAMINGS, placed
from anime_gen.painter.palette import EYE, HAIR
from anime_gen.painter.parameters import EYE_COLOURS, HAIR_COLOURS, Face, Pose
from anime_gen.vocabulary import LANDMARKS, S5_TAGS

TAGS = painter.VOCABULARY.tags


def tags(face: Face) -> set[str]:
    """The words that are true of a face."""
    return {tag for tag, present in zip(TAGS, painter.labels(face).tags_T, strict=True) if present}


@cache
def sample(count: int) -> list[tuple[Face, painter.Labels]]:
    """The first faces of one seed, with labels."""
    faces = [painter.sample_face(9, index) for index in range(count)]
    return [(face, painter.labels(face)) for face in faces]


@cache
def plain() -> Face:
    """A frontal face without any extra, to add one thing to."""
    face = next(face for face, _ in sample(3000) if abs(face.pose.yaw) < 0.1 and face.head.gender == "female")
    return replace(
        face,
        pose=Pose(yaw=0.0, pitch=0.0, tilt=0.0, scale=0.235, x=0.5, y=0.478),
        head=replace(face.head, ear="round", skin=0.1),
        eyes=replace(face.eyes, lids=("open", "open"), gaze=(0.0, 0.0)),
        expression=replace(face.expression, mouth="neutral", fang=False, lips=False, blush=0.0, tears=False),
        hair=replace(
            face.hair, length="medium", texture="straight", bangs="parted", sides="none", tails="none", ahoge=False
        ),
        extras=replace(
            face.extras, clip=False, flower=False, bow=False, ribbon=False, hairband=False, hat="none",
            animal_ears="none", glasses="none", earrings=False, choker=False, necklace=False,
        ),
        clothes=replace(face.clothes, outfit="tee", neckwear="none"),
        style=replace(face.style, kind="cel", background="plain", dim=0.0),
    )  # fmt: skip


def test_vocabulary() -> None:
    known = painter.VOCABULARY
    assert len(set(TAGS) & set(S5_TAGS)) >= 50
    assert {"aqua hair", "grey hair", "orange eyes", "grey eyes"} <= set(TAGS)
    assert list(known.attributes) == ["hair", "eye", "gender", "style"]
    assert known.attribute_sizes[:3] == [13, 11, 2]
    assert known.attribute_sizes[3] >= 4


def test_every_tag_occurs_and_not_always() -> None:
    seen = np.stack([label.tags_T for _, label in sample(3000)]).mean(0)
    missing = [tag for tag, share in zip(TAGS, seen, strict=True) if not 0.01 < share < 0.99]
    assert not missing


def test_every_class_occurs() -> None:
    classes = np.stack([label.attributes_A for _, label in sample(3000)])
    for column, size in zip(classes.T, painter.VOCABULARY.attribute_sizes, strict=True):
        assert set(column.tolist()) - {-1} == set(range(size))


def test_groups_are_exclusive_and_agree_with_the_tags() -> None:
    for face, label in sample(600):
        true = {tag for tag, present in zip(TAGS, label.tags_T, strict=True) if present}
        hair = {name for name in HAIR_COLOURS if f"{name} hair" in true}
        eyes = {name for name in EYE_COLOURS if f"{name} eyes" in true}
        assert hair == {face.hair.colour} == {HAIR_COLOURS[label.attributes_A[0]]}
        assert eyes <= {face.eyes.colour}
        assert [EYE_COLOURS.index(name) for name in eyes] == [c for c in label.attributes_A[1:2] if c >= 0]
        assert not {"short hair", "long hair"} <= true
        for part, whole in (
            ("cat ears", "animal ears"), (":d", "open mouth"), (":d", "smile"), ("hair flower", "hair ornament"),
            ("hair clip", "hair ornament"), ("hair bow", "bow"), ("hair ribbon", "ribbon"), ("earrings", "jewelry"),
            ("blunt bangs", "bangs"), ("hair flower", "flower"),
        ):  # fmt: skip
            assert part not in true or whole in true
        words = label.caption.split(", ")
        assert words[0] == ("1boy" if face.head.gender == "male" else "1girl")
        assert set(words[2:]) == true


# What to change about a plain face so that a tag becomes true.
FORCED: dict[str, dict[str, dict[str, object]]] = {
    "blush": {"expression": {"blush": 0.8}},
    "open mouth": {"expression": {"mouth": "open"}},
    "smile": {"expression": {"mouth": "smile"}},
    ":d": {"expression": {"mouth": ":d"}},
    "tongue": {"expression": {"mouth": "tongue out"}},
    "fang": {"expression": {"mouth": "smile", "fang": True}},
    "lips": {"expression": {"lips": True}},
    "tears": {"expression": {"tears": True}},
    "hair ornament": {"extras": {"clip": True}},
    "hair clip": {"extras": {"clip": True}},
    "flower": {"extras": {"flower": True}},
    "hair flower": {"extras": {"flower": True}},
    "ribbon": {"extras": {"ribbon": True}},
    "hair ribbon": {"extras": {"ribbon": True}},
    "bow": {"clothes": {"outfit": "shirt", "neckwear": "bow"}},
    "hair bow": {"extras": {"bow": True}},
    "hairband": {"extras": {"hairband": True}},
    "hat": {"extras": {"hat": "beret"}},
    "animal ears": {"extras": {"animal_ears": "bear"}},
    "cat ears": {"extras": {"animal_ears": "cat"}},
    "glasses": {"extras": {"glasses": "round"}},
    "earrings": {"extras": {"earrings": True}},
    "jewelry": {"extras": {"necklace": True}},
    "choker": {"extras": {"choker": True}},
    "necktie": {"clothes": {"outfit": "shirt", "neckwear": "necktie"}},
    "school uniform": {"clothes": {"outfit": "sailor"}},
    "bare shoulders": {"clothes": {"outfit": "dress"}},
    "pointy ears": {"head": {"ear": "pointy"}},
    "short hair": {"hair": {"length": "short"}},
    "long hair": {"hair": {"length": "long"}},
    "twin tails": {"hair": {"tails": "twin"}},
    "ponytail": {"hair": {"tails": "pony"}},
    "braid": {"hair": {"tails": "braid"}},
    "blunt bangs": {"hair": {"bangs": "blunt"}},
}


@pytest.mark.parametrize("tag", sorted(FORCED))
def test_forcing_a_tag_shows(tag: str) -> None:
    """The tag turns true, and enough pixels change for a person to see it."""
    before = plain()
    groups = {group: replace(getattr(before, group), **change) for group, change in FORCED[tag].items()}
    after = replace(before, **groups)  # type: ignore[arg-type]
    assert tag not in tags(before)
    assert tag in tags(after)
    change = np.abs(painter.render(before, 256).astype(int) - painter.render(after, 256)).max(2)
    assert (change > 24).sum() > 25  # of 65,536; the least is a fang


def test_neckwear_shows_against_the_same_clothes() -> None:
    """The clothes alone would pass the test above."""
    for outfit in ("sailor", "blazer", "shirt"):
        bare = replace(plain(), clothes=replace(plain().clothes, outfit=outfit, neckwear="none"))
        for kind in ("necktie", "bow", "ribbon"):
            dressed = replace(bare, clothes=replace(bare.clothes, neckwear=kind))
            assert tags(dressed) - tags(bare) == {kind}
            change = np.abs(painter.render(bare, 256).astype(int) - painter.render(dressed, 256)).max(2)
            assert (change > 24).sum() > 150


# What can be taken off: group, field, its value without, and what else has the same tag and must be off all along.
SWITCHES: tuple[tuple[str, str, object, dict[str, object]], ...] = (
    ("expression", "blush", 0.0, {}),
    ("expression", "fang", False, {}),
    ("expression", "lips", False, {}),
    ("expression", "tears", False, {}),
    ("expression", "mouth", "neutral", {}),
    ("extras", "clip", False, {"flower": False}),
    ("extras", "flower", False, {"clip": False}),
    ("extras", "bow", False, {}),
    ("extras", "ribbon", False, {}),
    ("extras", "hairband", False, {}),
    # it hides some, and others make room for it
    ("extras", "hat", "none", dict.fromkeys(("bow", "ribbon", "hairband", "clip", "flower"), False)),
    ("extras", "animal_ears", "none", {}),
    ("extras", "glasses", "none", {}),
    ("extras", "earrings", False, {"necklace": False}),
    ("extras", "choker", False, {}),
    ("extras", "necklace", False, {"earrings": False}),
    ("clothes", "neckwear", "none", {"bow": False, "ribbon": False}),
    ("head", "ear", "round", {}),
)
UNTAGGED = ("frown", "small", "cat", "pout", "grin", "neutral")  # mouths that no tag tells from another


@pytest.mark.parametrize(("group", "field", "without", "off"), SWITCHES, ids=[f"{g}.{f}" for g, f, _, _ in SWITCHES])
def test_a_tag_is_true_where_it_shows(group: str, field: str, without: object, off: dict[str, object]) -> None:
    """On random busts: the tags change when something is taken off if, and only if, the picture does."""
    even = Statistics(long_tailed=False, correlated=False, left_leaning=False)
    # Of 16,384 pixels. Half covered things may change up to twice as many without a tag.
    least = {"fang": 1, "mouth": 3, "lips": 3}.get(field, 8)
    checked, wrong = 0, []
    for index in range(660):
        face = painter.sample_face(31, index, even if index % 2 else Statistics(), "bust")
        value = getattr(getattr(face, group), field)
        if value == without or value in UNTAGGED:
            continue
        face = replace(face, extras=replace(face.extras, **off))  # type: ignore[arg-type]
        bare = replace(face, **{group: replace(getattr(face, group), **{field: without})})
        if checked == 80:
            break
        checked += 1
        pixels = changed(face, bare)
        if pixels < least if tags(face) != tags(bare) else pixels >= 2 * least:
            wrong.append(index)
    assert checked > 30
    assert len(wrong) <= 0.025 * checked, wrong


def changed(a: Face, b: Face) -> int:
    """In how many of 16,384 pixels two pictures differ."""
    return int((np.abs(painter.render(a, 128).astype(int) - painter.render(b, 128)).max(2) > 24).sum())


CUT = {
    "clip",
    "flower",
    "bow",
    "ribbon",
    "hairband",
    "hat",
    "animal_ears",
    "earrings",
    "choker",
    "necklace",
    "neckwear",
}


@pytest.mark.parametrize(("group", "field", "without", "off"), [one for one in SWITCHES if one[1] in CUT])
def test_what_a_crop_cuts_off_is_no_tag(group: str, field: str, without: object, off: dict[str, object]) -> None:
    """A tag that the bust has stays where much of the thing is in the crop, and goes where little is."""
    even = Statistics(long_tailed=False, correlated=False)
    kept = cut = wrong = 0
    for index in range(700):
        face = painter.sample_face(33, index, even)
        if getattr(getattr(face, group), field) == without:
            continue
        face = replace(face, extras=replace(face.extras, **off))  # type: ignore[arg-type]
        turned = face.pose
        bust = placed(turned.yaw, turned.pitch, turned.tilt, 0.19, (0.5, 0.53), face.eyes.level)
        far = replace(face, pose=bust)
        bare, far_bare = (
            replace(one, **{group: replace(getattr(one, group), **{field: without})}) for one in (face, far)
        )
        if tags(far) == tags(far_bare):
            continue  # hidden in any case
        if min(kept, cut) > 20 or kept + cut == 80:
            break
        share = changed(face, bare) / (changed(far, far_bare) * (turned.scale / bust.scale) ** 2)
        if tags(face) == tags(bare):
            cut, wrong = cut + 1, wrong + (share > 0.7)
        else:
            kept, wrong = kept + 1, wrong + (share < 0.15)
    assert kept > 5
    assert kept + cut > 25
    assert wrong <= 0.05 * (kept + cut), (kept, cut, wrong)


def test_no_bangs_and_no_collarbone() -> None:
    assert {"bangs", "collarbone", "looking at viewer"} <= tags(plain())
    assert "bangs" not in tags(replace(plain(), hair=replace(plain().hair, bangs="none")))
    assert "collarbone" not in tags(replace(plain(), clothes=replace(plain().clothes, outfit="turtleneck")))
    away = replace(plain(), eyes=replace(plain().eyes, gaze=(1.0, 0.0)))
    assert "looking at viewer" not in tags(away)
    closed = tags(replace(plain(), eyes=replace(plain().eyes, lids=("calm", "calm"))))
    assert not {f"{name} eyes" for name in EYE_COLOURS} & closed
    assert "looking at viewer" not in closed


def test_hidden_ears_are_not_labelled() -> None:
    covered = replace(
        plain(),
        head=replace(plain().head, ear="round"),
        hair=replace(plain().hair, sides="framing", length="long"),
        extras=replace(plain().extras, earrings=True),
    )
    assert "earrings" not in tags(covered)


@pytest.mark.parametrize("colour", HAIR_COLOURS)
def test_hair_has_the_colour_it_is_said_to_have(colour: str) -> None:
    """Among all named colours the nearest to the middle of a bang is its own."""
    face = replace(plain(), hair=replace(plain().hair, colour=colour, shift=(0.0, 0.0), tips=0.0, bangs="choppy"))
    picture = painter.render(face, 256)
    spots = [lock.curve[6:8] for lock in geometry(face).hair.bangs]
    pixels = np.array([picture[int(y * 256), int(x * 256)] for x, y in spots], float)
    mean = np.median(pixels, 0)
    assert _nearest(mean, HAIR) == colour


@pytest.mark.parametrize("colour", EYE_COLOURS)
def test_eyes_have_the_colour_they_are_said_to_have(colour: str) -> None:
    face = replace(plain(), eyes=replace(plain().eyes, colour=colour, shine="oval", ring=False))
    picture = painter.render(face, 256)
    pixels = []
    for eye in geometry(face).body.eyes:
        (x, y), (rx, ry) = eye.iris, eye.radius
        pixels += [picture[int((y + 0.12 * ry) * 256), int((x + side * 0.62 * rx) * 256)] for side in (-1, 1)]
    assert _nearest(np.median(np.array(pixels, float), 0), EYE) == colour


def _nearest(rgb: np.ndarray, named: dict[str, tuple[float, float, float]]) -> str:
    return min(named, key=lambda name: float(np.abs(np.array(named[name]) - rgb).sum()))


def test_landmarks_lie_in_the_frame_or_are_hidden() -> None:
    for _, label in sample(600):
        inside = ((label.landmarks_K2 >= 0) & (label.landmarks_K2 <= 1)).all(1)
        assert inside[label.visible_K].all()
    share = np.stack([label.visible_K for _, label in sample(600)]).mean(0)
    assert share[LANDMARKS.index("nose")] == 1
    assert share[LANDMARKS.index("chin")] > 0.95
    assert 0.2 < share[LANDMARKS.index("face_left")] < 0.95
    assert 0.6 < share[LANDMARKS.index("left_eye_pupil")] < 1


def test_landmarks_of_frontal_faces_are_ordered() -> None:
    """Left is the character's: the picture's right."""
    at = {name: i for i, name in enumerate(LANDMARKS)}
    for face, label in sample(600):
        if abs(face.pose.yaw) > 0.15 or abs(face.pose.tilt) > 0.1:
            continue
        x, y = label.landmarks_K2.T
        for part in ("eye_pupil", "eye_outer", "brow_middle"):
            assert x[at[f"left_{part}"]] > x[at["nose"]] > x[at[f"right_{part}"]]
        assert x[at["left_eye_outer"]] > x[at["left_eye_inner"]] > x[at["right_eye_inner"]] > x[at["right_eye_outer"]]
        assert x[at["face_left"]] > x[at["mouth_left"]] > x[at["mouth_right"]] > x[at["face_right"]]
        assert y[at["left_brow_middle"]] < y[at["left_eye_pupil"]] < y[at["nose"]] < y[at["mouth_top"]] < y[at["chin"]]
        assert y[at["mouth_top"]] <= y[at["mouth_bottom"]]
        assert y[at["left_eye_top"]] <= y[at["left_eye_bottom"]]


def test_pupils_are_dark() -> None:
    """A visible pupil is darker than the whites of the eye and the skin, or covered by a highlight."""
    dark = 0
    total = 0
    for face, label in sample(100):
        picture = painter.render(face, 256)
        for name in ("left_eye_pupil", "right_eye_pupil"):
            k = LANDMARKS.index(name)
            if label.visible_K[k]:
                x, y = (label.landmarks_K2[k] * 256).astype(int)
                total += 1
                dark += picture[y - 1 : y + 2, x - 1 : x + 2].mean() < 130
    assert total > 120
    assert dark / total > 0.97


def pupils(face: Face) -> tuple[float, float, float]:
    """How far apart they are, and the middle between them, in shares of the picture."""
    (ax, ay), (bx, by) = (eye.iris for eye in geometry(face).body.eyes)
    return float(np.hypot(ax - bx, ay - by)), (ax + bx) / 2, (ay + by) / 2


def test_faces_are_framed_as_in_real_sets() -> None:
    """Of the default, the 10th to the 90th percentile lies inside the two real sets' (`make painter-check`)."""
    apart, across, level = np.quantile([pupils(face) for face, _ in sample(1000)], (0.1, 0.5, 0.9), axis=0).T
    assert 0.242 < apart[0] < 0.3 < apart[1] < 0.34 < apart[2] < 0.418
    assert 0.463 < across[0] < across[2] < 0.533
    assert 0.385 < level[0] < level[2] < 0.46


@pytest.mark.parametrize("name", FRAMINGS)
def test_a_framing_is_of_the_same_character(name: FramingName) -> None:
    for index in range(30):
        default, framed = painter.sample_face(9, index), painter.sample_face(9, index, Statistics(), name)
        assert replace(framed, pose=default.pose) == default
        assert (framed.pose.yaw, framed.pose.pitch) == (default.pose.yaw, default.pose.pitch)
    apart = [pupils(painter.sample_face(9, index, Statistics(), name))[0] for index in range(300)]
    low, high = FRAMINGS[name].apart
    assert low - 0.03 < np.median(apart) < high
