"""What is true of a photo: groups of people, tags a person can see, landmarks and a caption."""

from __future__ import annotations

import numpy as np

from anime_gen.painter import accessories, bust
from anime_gen.painter.frame import things, within
from anime_gen.painter.labels import Labels, landmarks
from anime_gen.painter.natural.anatomy import Human, human
from anime_gen.painter.natural.canvas import outline
from anime_gen.painter.natural.person import AGES, BEARDS, SKINS, Person
from anime_gen.painter.parameters import GENDERS, HAIR_COLOURS
from anime_gen.vocabulary import Vocabulary

# The groups are those that S3 found served unequally; words that the painter has too mean the same here.
VOCABULARY = Vocabulary(
    tags=(
        "glasses", "hat", "beard", "moustache", "old", "freckles", "smile", "open mouth", "blush", "tears", "earrings",
        "choker", "hair bow", "hair flower", "hair clip", "hairband", "animal ears", "bangs", "short hair", "long hair",
        "twin tails", "ponytail", "braid", "necktie", "bare shoulders",
    ),
    attributes={"skin": SKINS, "age": AGES, "gender": GENDERS, "beard": BEARDS, "hair": HAIR_COLOURS},
)  # fmt: skip


def label_person(person: Person) -> Labels:
    """The exact labels of a person's photo."""
    body = human(person)
    # The mouth's landmarks are those of the lips, the sides those of the face's outline.
    points, visible = landmarks(
        body.brows, body.eyes, body.nose, body.mouth.points, body.sides, body.chin, body.over_face
    )
    true = _tags(person, body)
    face = person.face
    attributes = (
        SKINS.index(person.skin_group),
        AGES.index(person.age_group),
        GENDERS.index(face.head.gender),
        BEARDS.index(person.beard),
        HAIR_COLOURS.index(face.hair.colour),
    )
    return Labels(
        np.array([tag in true for tag in VOCABULARY.tags], np.uint8),
        np.array(attributes, np.int64),
        np.array(points, np.float32),
        np.array(visible, bool),
        _caption(person, true),
    )


def _tags(person: Person, body: Human) -> set[str]:
    face = person.face
    mood, extras = face.expression, face.extras
    worn = things(body.shaped, body.body, body.hair)
    facts = {
        "glasses": extras.glasses != "none",
        "beard": person.beard in ("goatee", "full"),
        "moustache": person.beard in ("moustache", "goatee", "full"),
        "old": person.age_group == "old",
        "freckles": person.freckles > 0,
        "smile": mood.mouth in ("smile", "grin", ":d", "tongue out"),
        "open mouth": mood.mouth in (":d", "open", "tongue out"),
        "blush": mood.blush > 0,
        "tears": mood.tears,
        "earrings": extras.earrings and _earrings_shown(body),
        "bangs": face.hair.bangs != "none",
        "necktie": bust.neckwear_shown(body.shaped, body.body) == "necktie",
    }
    return {tag for tag, present in facts.items() if present} | worn.intersection(VOCABULARY.tags)


def _earrings_shown(body: Human) -> bool:
    """As much as half of one of the two is free of hair and face."""
    spots = [spot for side in (-1, 1) for spot in accessories.earring_inside(body.shaped, body.body, side)]
    bare = outline(body.head)
    free = sum(within(spot) and not body.over_face.contains(*spot) and not bare.contains(*spot) for spot in spots)
    return 4 * free >= len(spots)


def _caption(person: Person, true: set[str]) -> str:
    who = {True: {True: "boy", False: "man"}, False: {True: "girl", False: "woman"}}[person.male][person.age < 16]
    words = [tag for tag in VOCABULARY.tags if tag in true and tag != "old"]
    article = "a" if person.age_group == "young" else "an"
    return ", ".join(
        [
            f"photo of {article} {person.age_group} {who}",
            f"{person.skin_group} skin",
            f"{person.face.hair.colour} hair",
            *words,
        ]
    )
