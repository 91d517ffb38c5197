"""The words of the suite: tags, exclusive attribute groups, the 24 landmarks, and what a mirror image does to each.

"Left" and "right" are the *character's* own: the left eye is on the right of a frontal picture.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from anime_gen.errors import UserError

# The 59 labels of the tag-conditional StyleGAN2 report, in its order.
S5_TAGS: tuple[str, ...] = (
    "pink hair", "blush", "open mouth", "hair ornament", "short hair", "looking at viewer", "flower", "aqua eyes",
    "long hair", "blue eyes", "collarbone", "school uniform", "green eyes", "braid", "hair clip", "red eyes",
    "blue hair", "ribbon", "bow", "hair ribbon", "pink eyes", "silver hair", "white hair", "red hair", "twin tails",
    "black hair", "tears", "hair flower", "smile", "blonde hair", "choker", "bare shoulders", "gloves", "hair bow",
    "brown hair", "brown eyes", "yellow eyes", "orange hair", "animal ears", "jewelry", "cleavage", "bangs",
    "pointy ears", "earrings", "purple eyes", "purple hair", "hairband", "green hair", "hat", "cat ears", ":d",
    "glasses", "fang", "lips", "necktie", "black eyes", "ponytail", "tongue", "blunt bangs",
)  # fmt: skip

# Booru spellings of the words above. Underscores become spaces before this table is asked.
ALIASES: Mapping[str, str] = {
    "twintails": "twin tails",
    "hairclip": "hair clip",
    "gray hair": "grey hair",
    "gray eyes": "grey eyes",
    "gray": "grey",
    "golden eyes": "yellow eyes",
    "blond hair": "blonde hair",
    "blond": "blonde",
    "pony tail": "ponytail",
    "eyeglasses": "glasses",
    "spectacles": "glasses",
    "tie": "necktie",
    "open-mouth": "open mouth",
}

_EYE = ("outer", "inner", "top", "bottom", "pupil")
_BROW = ("outer", "middle", "inner")

# 24 landmarks: 3 a brow, 5 an eye, nose, 4 of the mouth, both sides of the face, chin (S1).
LANDMARKS: tuple[str, ...] = (
    *(f"left_brow_{part}" for part in _BROW),
    *(f"right_brow_{part}" for part in _BROW),
    *(f"left_eye_{part}" for part in _EYE),
    *(f"right_eye_{part}" for part in _EYE),
    "nose",
    "mouth_left",
    "mouth_right",
    "mouth_top",
    "mouth_bottom",
    "face_left",
    "face_right",
    "chin",
)
NUM_LANDMARKS = len(LANDMARKS)


def swap_sides(name: str) -> str:
    """`left_eye_outer` <-> `right_eye_outer`, "looking to the left" <-> "looking to the right"; others unchanged."""
    return re.sub(
        r"(?<![a-z])(left|right)(?![a-z])", lambda side: {"left": "right", "right": "left"}[side.group()], name
    )


# mirrored_landmarks = (1 - x, y)[LANDMARK_MIRROR]
LANDMARK_MIRROR: tuple[int, ...] = tuple(LANDMARKS.index(swap_sides(name)) for name in LANDMARKS)

# The character's left and right one.
PUPILS = (LANDMARKS.index("left_eye_pupil"), LANDMARKS.index("right_eye_pupil"))

# Which landmarks the eye-to-eye distance of the normalised mean error is taken between.
OUTER_EYE_CORNERS = (LANDMARKS.index("left_eye_outer"), LANDMARKS.index("right_eye_outer"))

# Attribute groups whose classes also have a tag: `hair` = "blue" says the tag "blue hair".
ATTRIBUTE_TAG: Mapping[str, str] = {"hair": "{} hair", "eye": "{} eyes"}


# Faces of signs and single letters, whose underscore is a mouth: `>_<`, `o_o`, `(o)_(o)`.
_EMOTICON = re.compile(r"(?!.*[^\W_]{2})[^\s_,]+_[^\s_,]+")


# ESC, BEL and the like, and what turns the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def canonical(word: str) -> str:
    """A tag or class name in the suite's spelling: lower case, spaces for underscores, aliases resolved.

    Commas become spaces, too: they part words wherever a list of them is written; and control characters, which a
    terminal obeys. Emoticons stay as they are.
    """
    word = _CONTROL.sub(" ", word).lower().strip()
    if _EMOTICON.fullmatch(word):
        return word
    word = " ".join(word.replace("_", " ").replace(",", " ").split())
    return ALIASES.get(word, word)


class Wish(NamedTuple):
    """What a user asked for in words: tags that must be there, tags that must not, and a class for some groups."""

    present: tuple[str, ...]
    absent: tuple[str, ...]
    classes: dict[str, str]


class Vocabulary:
    """The words one data set knows: `tags` (independent) and `attributes` (groups of exclusive classes).

    The order is part of a model's weights, so a vocabulary is saved with every checkpoint.
    """

    def __init__(self, tags: Iterable[str], attributes: Mapping[str, Iterable[str]]) -> None:
        self.tags: tuple[str, ...] = tuple(canonical(tag) for tag in tags)
        self.attributes: dict[str, tuple[str, ...]] = {
            group: tuple(canonical(name) for name in classes) for group, classes in attributes.items()
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.as_dict() == other.as_dict()

    def __repr__(self) -> str:
        groups = ", ".join(f"{group}: {len(classes)}" for group, classes in self.attributes.items())
        return f"Vocabulary({len(self.tags)} tags; {groups})"

    @property
    def attribute_sizes(self) -> list[int]:
        """How many classes each attribute group has, in group order."""
        return [len(classes) for classes in self.attributes.values()]

    @property
    def tag_group(self) -> list[int]:
        """For each tag: which group has a class that says the same ("blue hair": `hair`), -1 where none has."""
        groups = list(self.attributes.items())
        owner = {
            canonical(ATTRIBUTE_TAG[group].format(name)): number
            for number, (group, names) in enumerate(groups)
            if group in ATTRIBUTE_TAG
            for name in names
        }
        return [owner.get(tag, -1) for tag in self.tags]

    @cached_property
    def tag_mirror(self) -> list[int]:
        """Index of each tag's mirror image (its own where it has no sides); -1 where that is no tag of ours.

        In a mirrored picture nothing is known of a tag with -1.
        """
        index = {tag: i for i, tag in enumerate(self.tags)}
        return [index.get(swap_sides(tag), -1) for tag in self.tags]

    @cached_property
    def attribute_mirror(self) -> list[tuple[int, list[int]]]:
        """For each group: the group it is read from in a mirrored picture, and what each class of that one becomes.

        That is mostly the group itself, but `right_hand` for `left_hand`. A class is -1 where its mirror image is none
        of ours, and so are all of a group with sides that lacks its twin.
        """
        groups = list(self.attributes)
        mirror = []
        for group, classes in self.attributes.items():
            twin = swap_sides(group) if swap_sides(group) in groups else group
            seen = [swap_sides(name) if twin == swap_sides(group) else None for name in self.attributes[twin]]
            mirror.append((groups.index(twin), [classes.index(name) if name in classes else -1 for name in seen]))
        return mirror

    def as_dict(self) -> dict[str, object]:
        """Plain lists and strings, for a checkpoint or a JSON file."""
        return {"tags": list(self.tags), "attributes": {g: list(c) for g, c in self.attributes.items()}}

    @classmethod
    def from_dict(cls, saved: Mapping[str, object]) -> Vocabulary:
        """The inverse of `as_dict`."""
        return cls(saved["tags"], saved["attributes"])  # type: ignore[arg-type]

    def parse(self, text: str) -> Wish:
        """Reads "blue hair, smile, -hat, gender=male": words to show, words to avoid (minus), classes by group.

        A colour word such as "blue hair" sets both the tag and the class of the group it belongs to.

        Raises:
            UserError: a word is unknown (the message lists near ones), asked for and against, or two classes of one
                group are asked for.
        """
        present: list[str] = []
        absent: list[str] = []
        classes: dict[str, str] = {}
        for raw in filter(None, (part.strip() for part in text.split(","))):
            negative = raw.startswith("-") and len(raw) > 1
            bare = raw[1:] if negative else raw
            word = canonical(bare)
            group, found = self._class_of(bare)
            if group and not negative:
                if classes.setdefault(group, found) != found:
                    raise UserError(f"{group} cannot be both {classes[group]!r} and {found!r}")
                word = ATTRIBUTE_TAG.get(group, "{}").format(found)
            if word in self.tags:
                (absent if negative else present).append(word)
            elif not group or negative:
                raise UserError(f"{raw!r} is not in this model's vocabulary; {self._suggest(word)}")
        if both := [word for word in present if word in absent]:
            raise UserError(f"{both[0]!r} is asked for and, with a minus, against: leave one of the two out")
        return Wish(tuple(present), tuple(absent), classes)

    def _class_of(self, text: str) -> tuple[str, str]:
        """("hair", "blue") for "blue hair", "hair=blue" or a class name that only one group has; else ("", "")."""
        if "=" in text:
            # Before anything is made canonical: a group is called `hair_style`, a word "hair style".
            asked, name = (canonical(part) for part in text.split("=", 1))
            for group, classes in self.attributes.items():
                if canonical(group) == asked and name in classes:
                    return group, name
            return "", ""
        word = canonical(text)
        for group, classes in self.attributes.items():
            if group in ATTRIBUTE_TAG:
                for name in classes:
                    if word == ATTRIBUTE_TAG[group].format(name):
                        return group, name
        owners = [group for group, classes in self.attributes.items() if word in classes and group not in ATTRIBUTE_TAG]
        return (owners[0], word) if len(owners) == 1 else ("", "")

    @staticmethod
    def spoken(group: str, name: str) -> str:
        """A class as `parse` reads it: "blue hair" for blue in `hair`, "style=soft" in a group without such a tag."""
        return ATTRIBUTE_TAG[group].format(name) if group in ATTRIBUTE_TAG else f"{group}={name}"

    def words(self) -> list[str]:
        """Every word `parse` understands."""
        classes = [self.spoken(group, name) for group, names in self.attributes.items() for name in names]
        return [*self.tags, *(word for word in classes if word not in self.tags)]

    def _suggest(self, word: str) -> str:
        import difflib

        words = self.words()
        near = difflib.get_close_matches(word, words, n=3)
        return f"near: {', '.join(near)}" if near else f"it knows: {', '.join(words) or 'no words at all'}"
