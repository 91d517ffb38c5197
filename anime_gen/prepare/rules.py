"""What is kept, and how it is cut: every threshold in one place."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from anime_gen.contract import UserError


class Several(Enum):
    """What becomes of a picture with more than one face."""

    drop = "drop"
    largest = "largest"
    all = "all"


class Reason(Enum):
    """Why a picture, or a face in it, is left out."""

    broken = "broken file"
    no_face = "no face"
    several = "several faces"
    small = "too small"
    side = "side view"
    edge = "past the edge"
    flat = "flat or text"
    blurred = "blurred"
    damaged = "JPEG damage"
    copy = "copy"
    near_copy = "near-duplicate"


@dataclass(frozen=True)
class Rules:
    """How faces are cut and which are kept.

    Args:
        size: pixels of a finished picture's side.
        margin: share of the face's side that is kept on each side of it; 0.4 keeps hair and its ornaments.
        several: what becomes of a picture with more than one face: drop it, keep the largest face, or keep all.
        most_tilt: degrees; a head that is tilted further is not set upright, and 0 sets none.
        most_enlarged: how many times larger than in its picture a face may become.
        least_face: pixels of the smallest face's side.
        least_eyes_apart: distance of the eyes as a share of the face's side; less is a side view. (Of no use where
            the detector tells no eyes.)
        most_outside: share of a finished picture that may be the mirror image past the edge.
        least_contrast: standard deviation of the brightness, in levels of 255; less is flat.
        most_flatness: share of pixels that are as their neighbours; more is flat, or text.
        least_sharpness: finest details over the next coarser ones; less is blurred, or was enlarged.
        most_blockiness: by how much steps between JPEG's blocks exceed others; more is damaged.
        least_sure: of a landmark; one that is less sure counts as hidden.
        alike: bits of 64 in which the perceptual hashes of two pictures may differ if one is a near-duplicate; -1
            keeps all.
    """

    size: int = 256
    margin: float = 0.4
    several: Several = Several.drop
    most_tilt: float = 30.0
    most_enlarged: float = 1.5
    least_face: int = 48
    least_eyes_apart: float = 0.25
    most_outside: float = 0.3
    least_contrast: float = 12.0
    most_flatness: float = 0.95
    least_sharpness: float = 0.5
    most_blockiness: float = 0.5
    least_sure: float = 0.3
    alike: int = 6

    def check(self) -> None:
        """Raises: UserError: a number that cannot be."""
        if not 16 <= self.size <= 4096:
            raise UserError(f"--size {self.size}: from 16 to 4096 pixels")
        if not 0 <= self.margin <= 4:
            raise UserError(f"--margin {self.margin}: from 0 to 4 times the face's side")
        if not 0 <= self.most_tilt <= 180 or self.most_enlarged <= 0:
            raise UserError("--most_tilt is from 0 to 180 degrees, --most_enlarged above 0")
        if not 0 <= self.least_sure <= 1:
            raise UserError(f"--least_sure {self.least_sure}: from 0 to 1")
        if not -1 <= self.alike <= 64:
            raise UserError(f"--alike {self.alike}: from -1 to 64 bits")
