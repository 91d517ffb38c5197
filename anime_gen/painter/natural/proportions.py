"""How long and wide the parts of a human face are: from a person to lengths in head units.

The head has the place, the pose and the height that the painter gives it; only what is in between is human.
"""

from __future__ import annotations

from typing import NamedTuple

from anime_gen.painter.natural.person import Person

CROWN = -1.2  # y of the skull's top, as in the painter


class Proportions(NamedTuple):
    """Lengths in head units, y down from the painter's centre of the head."""

    chin: float
    cheek: float  # half width at the cheekbones
    jaw: float  # half width at the mouth
    eye: float  # y of the eyes' corners
    gap: float  # distance of an eye's middle from the face's
    eye_half: float  # half width of an eye
    lid: float  # how far the upper lid of an open eye rises above its corners
    brow: float  # y of the brows
    nose: float  # y of the nose's base
    nose_half: float  # half width of the nostrils
    bridge: float  # how far the tip of the nose stands out
    mouth: float  # y of the line between the lips
    mouth_half: float
    lip: float  # height of the lower lip


def proportions(person: Person) -> Proportions:
    """The lengths of a person's face; the painter's jitter goes on as small differences between people."""
    face, child = person.face, person.childhood
    head, eyes, mood = face.head, face.eyes, face.expression
    chin = head.chin - 0.06 - 0.1 * child + (0.04 if person.male else 0.0)
    cheek = 0.79 + 0.9 * (head.cheek - 0.92) + 0.03 * person.weight + 0.02 * child + 0.02 * person.male
    eye = -0.08 + 0.4 * (eyes.level - 0.06) + 0.1 * child
    drop = chin - eye
    return Proportions(
        chin=chin,
        cheek=cheek,
        jaw=cheek
        * (
            0.70
            + 0.07 * person.male
            + 0.55 * (head.jaw - 0.53)
            + 0.07 * person.weight
            + 0.02 * child
            + 0.03 * person.wear
        ),
        eye=eye,
        gap=0.455 * cheek + 0.4 * (eyes.spacing - 0.495),
        eye_half=0.172 + 0.35 * (eyes.width - 0.265) + 0.012 * child,
        lid=0.068 + 0.22 * (eyes.height - (0.176 if person.male else 0.22)) + 0.012 * child - 0.012 * person.wear,
        brow=eye - 0.215 - 0.5 * mood.brow_height + (0.025 if person.male else 0.0) + 0.01 * person.wear,
        nose=eye + (0.44 + 0.015 * person.wear - 0.03 * child) * drop,
        nose_half=0.13 + 0.028 * person.nose + 0.02 * person.male + 0.01 * person.wear - 0.02 * child,
        bridge=0.215 + 0.045 * person.male - 0.09 * child - 0.03 * person.nose,
        mouth=eye + (0.655 - 0.01 * child) * drop,
        mouth_half=0.255 + 0.5 * (mood.mouth_width - 0.2) - 0.03 * child,
        lip=0.078 + 0.014 * (not person.male) + 0.018 * person.mouth - 0.02 * person.wear,
    )
