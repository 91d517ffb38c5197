"""What of hair, clothes and ornaments the picture's frame leaves to be seen: what it cuts off is no tag."""

from __future__ import annotations

from collections.abc import Sequence

from anime_gen.painter import accessories, bust, headwear
from anime_gen.painter.anatomy import Anatomy
from anime_gen.painter.curves import Point
from anime_gen.painter.hair_shape import HairShape
from anime_gen.painter.locks import Lock
from anime_gen.painter.parameters import Face

# As much of a thing says what it is.
_ENOUGH = 1 / 3
# How far down hair must be in the picture to be called short or long, in head units: a bob ends above, medium hair
# between them.
_SHORT_SEEN, _LONG_SEEN = 0.95, 1.6


def within(spot: Point) -> bool:
    """Whether a point lies in the picture."""
    return 0 <= spot[0] <= 1 and 0 <= spot[1] <= 1


def shown(spots: Sequence[Point]) -> bool:
    """Whether enough of a thing is in the picture, given points all over it."""
    return sum(map(within, spots)) >= _ENOUGH * len(spots)


def things(face: Face, body: Anatomy, hair: HairShape) -> set[str]:
    """The tags of what is worn and how the hair is cut, as far as the frame shows it.

    Args:
        face: who wears it.
        body: where the parts are, by whichever renderer.
        hair: likewise.
    """
    extras, cut, outfit = face.extras, face.hair, face.clothes.outfit
    hatless = extras.hat == "none"
    ties = [spot for spot, _ in hair.ties]
    slot = accessories.ornament_spot
    facts = {
        "hair clip": extras.clip and within(slot(face, body, 1 if extras.flower else 0)),
        "hair flower": extras.flower and within(slot(face, body, 0)),
        "hair bow": extras.bow and hatless and within(slot(face, body, 3)),
        "hair ribbon": accessories.ribbon_drawn(face)
        and any(map(within, [slot(face, body, 2)] if accessories.not_tied(face) else ties)),
        "hairband": extras.hairband and hatless and sum(map(within, accessories.hairband_spots(face, body)[1:4])) > 1,
        "hat": not hatless and shown(headwear.hat_spots(face, body)),
        "animal ears": extras.animal_ears != "none"
        # Their roots lie in the hair.
        and any(shown(headwear.animal_ear_spots(face, body, side)[1:4]) for side in (-1, 1)),
        "choker": accessories.choker_drawn(face) and shown(accessories.choker_spots(face, body)),
        "necklace": accessories.necklace_drawn(face) and shown(accessories.necklace_spots(face, body)[1:4]),
        "collarbone": bust.collarbone_drawn(face)
        and any(shown(bust.collarbone_spots(face, body, side)) for side in (-1, 1)),
        "bare shoulders": outfit in bust.BARE and shown(bust.shoulder_spots(face, body)),
        "school uniform": outfit in bust.UNIFORM and shown(bust.collar_spots(face, body)),
        "short hair": cut.length == "short" and _reaches(body, _SHORT_SEEN),
        "long hair": cut.length == "long" and _reaches(body, _LONG_SEEN),
        "twin tails": cut.tails in ("twin", "low twin") and _locks_shown([*hair.tails, *hair.hanging]),
        "ponytail": cut.tails in ("pony", "side pony") and _locks_shown([*hair.tails, *hair.hanging]),
        "braid": cut.tails in ("braid", "twin braids") and any(map(_locks_shown, hair.braids)),
    }
    return {name for name, present in facts.items() if present}


def _reaches(body: Anatomy, level: float) -> bool:
    """Whether the picture goes down as far as a level of the head, on one of its sides."""
    return any(body.view(side * 1.0, level, 0.0)[1] <= 1 for side in (-1, 1))


def _locks_shown(locks: Sequence[Lock]) -> bool:
    return shown([(x, y) for lock in locks for x, y in zip(lock.curve[::2], lock.curve[1::2], strict=True)])
