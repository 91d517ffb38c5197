"""One raw picture, from its file to the faces that are cut out of it."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from anime_gen.data.listing import File
from anime_gen.decode import read
from anime_gen.files import write_picture
from anime_gen.prepare import quality
from anime_gen.prepare.copies import hashed
from anime_gen.prepare.crop import Square, cut, outside, square_around
from anime_gen.prepare.detector import Detector
from anime_gen.prepare.face import Face, Point
from anime_gen.prepare.landmarks import Landmarks
from anime_gen.prepare.rules import Reason, Rules, Several
from anime_gen.prepare.tagging import Tagging
from anime_gen.vocabulary import PUPILS


class Work(NamedTuple):
    """What every process needs.

    `landmarks` places them where the detector tells none; `tagging` is of the faces that stay.
    """

    folder: Path
    out: Path
    detector: Detector
    rules: Rules
    landmarks: Landmarks | None = None
    tagging: Tagging | None = None


class Cut(NamedTuple):
    """A face of a raw picture.

    `square` is x, y of its centre, side, and degrees by which it is turned, in the raw picture's pixels.
    """

    square: tuple[float, float, float, float]
    confidence: float
    quality: dict[str, float]
    hashes: tuple[int, int] = (0, 0)
    landmarks: tuple[tuple[float, float], ...] = ()  # fractions of the square; may lie outside
    sure: tuple[float, ...] = ()  # of each, where that is known
    beliefs: tuple[tuple[float, ...], ...] = ()  # of a tagger: of the tags, and of each group's classes
    file: str = ""  # below the prepared folder; none where it is left out
    dropped: Reason | None = None


class Outcome(NamedTuple):
    """What became of a raw picture."""

    raw: File
    sha256: str = ""
    width: int = 0
    height: int = 0
    hashes: tuple[int, int] = (0, 0)
    faces: tuple[Cut, ...] = ()
    dropped: Reason | None = None
    why: str = ""  # in words, where the reason does not say all
    passing: bool = False  # it may go better the next time

    def as_json(self) -> dict[str, Any]:
        """Plain values, which `from_json` reads."""
        faces = [{**face._asdict(), "dropped": face.dropped and face.dropped.name} for face in self.faces]
        told = {**self._asdict(), "raw": list(self.raw), "faces": faces}
        return {**told, "dropped": self.dropped and self.dropped.name}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Outcome:
        faces = [
            Cut(
                **{
                    **face,
                    "square": tuple(face["square"]),
                    "hashes": tuple(face["hashes"]),
                    "landmarks": tuple(map(tuple, face["landmarks"])),
                    "sure": tuple(face["sure"]),
                    "beliefs": tuple(map(tuple, face["beliefs"])),
                    "dropped": _reason(face["dropped"]),
                }
            )
            for face in told["faces"]
        ]
        plain = {"raw": File(*told["raw"]), "hashes": tuple(told["hashes"]), "dropped": _reason(told["dropped"])}
        return cls(**{**told, **plain, "faces": tuple(faces)})


def _reason(name: str | None) -> Reason | None:
    return None if name is None else Reason[name]


def look(work: Work, raw: File) -> Outcome:
    """Finds the faces of a picture, measures them, and writes those that are good.

    Returns:
        What became of it; a file that cannot be read is an outcome, too.
    """
    path, detector, rules = work.folder / raw.name, work.detector, work.rules
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        picture = read(path)
        found = detector.find(picture)
        known = Outcome(raw, digest, picture.shape[1], picture.shape[0], hashed(picture))
        if not found:
            return known._replace(dropped=Reason.no_face)
        if len(found) > 1 and rules.several is Several.drop:
            return known._replace(dropped=Reason.several, why=f"{len(found)} faces")
        if rules.several is Several.largest:
            found = [max(found, key=lambda face: face.side)]
        # From left to right: the order of the surest would change with a detector's last digits.
        found = sorted(found, key=lambda face: (face.left, face.top))
        if work.landmarks is not None:
            found = [marked(picture, face, work.landmarks, rules) for face in found]
        least = 0.0 if work.landmarks is None else work.landmarks.least
        cuts = [judged(picture, face, detector.framed, rules, least) for face in found]
    except Exception as error:  # Pillow, OpenCV and detectors raise whatever a damaged or odd file leads them to
        why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        # Pillow's own complaints of a file are OSErrors, too, but none of the system's.
        passing = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno is not None)
        return Outcome(raw, dropped=Reason.broken, why=why, passing=passing)
    faces = []
    for number, (one, pixels) in enumerate(cuts):
        if one.dropped is None:
            one = one._replace(file=f"faces/{digest[:2]}/{digest[:20]}_{number}.png")
            write_picture(work.out / one.file, Image.fromarray(pixels))
            if work.tagging is not None:
                one = one._replace(beliefs=work.tagging.beliefs(work.out / one.file))
        faces.append(one)
    return known._replace(faces=tuple(faces))


def marked(picture: np.ndarray, face: Face, landmarks: Landmarks, rules: Rules) -> Face:
    """A face with its landmarks; with its eyes, too, where its finder told none and these are sure of both."""
    points, sure = landmarks.place(picture, face)
    face = face._replace(landmarks=points, sure=sure)
    if face.left_eye is None and min(sure[place] for place in PUPILS) >= rules.least_sure:
        face = face._replace(left_eye=points[PUPILS[0]], right_eye=points[PUPILS[1]])
    return face


def judged(
    picture: np.ndarray, face: Face, framed: bool, rules: Rules, least_marked: float = 0.0
) -> tuple[Cut, np.ndarray]:
    """A face as it is cut, and why it is left out, if it is; uint8 (size, size, 3)."""
    height, width = picture.shape[:2]
    square = square_around(face, 0.0 if framed else rules.margin, 0.0 if framed else math.radians(rules.most_tilt))
    pixels = cut(picture, square, rules.size)
    numbers = {
        "side": square.side,
        "outside": outside(square, width, height),
        "contrast": quality.contrast(pixels),
        "flatness": quality.flatness(pixels),
        "sharpness": quality.sharpness(pixels),
        "blockiness": quality.blockiness(_inside(picture, face)),
    }
    if face.sure:
        numbers["marked"] = sum(face.sure) / len(face.sure)
    # Of a box that is the whole picture, they say how it is framed.
    if not framed and face.left_eye is not None and face.right_eye is not None:
        numbers["eyes_apart"] = math.dist(face.left_eye, face.right_eye) / face.side
    reason = Reason.no_face if numbers.get("marked", 1.0) < least_marked else _why_not(numbers, face, rules)
    one = Cut(
        (
            _rounded(square.centre.x),
            _rounded(square.centre.y),
            _rounded(square.side),
            _rounded(math.degrees(square.tilt)),
        ),
        _rounded(face.confidence),
        {name: _rounded(value) for name, value in numbers.items()},
        hashed(pixels),
        tuple((_rounded(point.x), _rounded(point.y)) for point in map(square.inside, face.landmarks)),
        tuple(map(_rounded, face.sure)),
        dropped=reason,
    )
    return one, pixels


def recut(picture: np.ndarray, one: Cut, size: int) -> np.ndarray:
    """The pixels of a face again, for a report."""
    x, y, side, degrees = one.square
    return cut(picture, Square(Point(x, y), side, math.radians(degrees)), size)


def _why_not(numbers: dict[str, float], face: Face, rules: Rules) -> Reason | None:
    checks = (
        (Reason.small, face.side < rules.least_face or numbers["side"] * rules.most_enlarged < rules.size),
        (Reason.side, numbers.get("eyes_apart", 1.0) < rules.least_eyes_apart),
        (Reason.edge, numbers["outside"] > rules.most_outside),
        (Reason.flat, numbers["contrast"] < rules.least_contrast or numbers["flatness"] > rules.most_flatness),
        (Reason.blurred, numbers["sharpness"] < rules.least_sharpness),
        (Reason.damaged, numbers["blockiness"] > rules.most_blockiness),
    )
    return next((reason for reason, holds in checks if holds), None)


def _inside(picture: np.ndarray, face: Face) -> np.ndarray:
    """The pixels of a face's box, as they are in the file; of a small one the picture's."""
    top, left = max(0, round(face.top)), max(0, round(face.left))
    part = picture[top : round(face.top + face.height), left : round(face.left + face.width)]
    return part if min(part.shape[:2]) >= 32 else picture


def _rounded(value: float) -> float:
    return round(value, 4)
