"""How well raw pictures are prepared, where the truth is known: `python -m anime_gen.bench.prepare`.

Pages of painted faces are searched by each detector and marked by the network of landmarks, faces are damaged by known
amounts, and each stage is timed on one core. With `--real DIR` the damage is done to pictures of that folder, too, and
landmarks are compared with what animeface tells of eyes, nose, mouth and chin.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tabulate import tabulate

from anime_gen.contract import UserError
from anime_gen.data.listing import picture_files
from anime_gen.decode import read
from anime_gen.painter import labels, render, sample_face
from anime_gen.prepare import AnimeFace, Cascade, Detector, Heatmaps, Landmarks
from anime_gen.prepare.copies import copies, hashed
from anime_gen.prepare.crop import cut, square_around
from anime_gen.prepare.face import Face, Point
from anime_gen.prepare.quality import blockiness, sharpness
from anime_gen.prepare.rules import Rules
from anime_gen.vocabulary import LANDMARKS, OUTER_EYE_CORNERS, PUPILS

_SIDE, _CELLS = 1024, 4  # pixels of a page, and its cells in a row
_SIZES = (112, 160, 224)  # pixels of the painted pictures on it
# Landmarks by what they are of.
_PARTS = {
    part: [place for place, name in enumerate(LANDMARKS) if part in name]
    for part in ("brow", "eye", "nose", "mouth", "face", "chin")
}


class Page(NamedTuple):
    """A picture of many faces: uint8 (H, W, 3), and the landmarks of each in its pixels, (N, K, 2)."""

    picture: np.ndarray
    points_NK2: np.ndarray

    @property
    def pupils(self) -> list[tuple[Point, Point]]:
        """Of each face, the character's left one first."""
        return [(Point(*left), Point(*right)) for left, right in self.points_NK2[:, list(PUPILS)].tolist()]


def page(number: int) -> Page:
    """Sixteen painted portraits of the framing `hair` on paper, each somewhere in its cell."""
    random = np.random.default_rng(number)
    picture = np.full((_SIDE, _SIDE, 3), 245, np.uint8)
    points = []
    cell = _SIDE // _CELLS
    for place in range(_CELLS**2):
        face = sample_face(7, number * _CELLS**2 + place, framing="hair")
        size = int(random.choice(_SIZES))
        left, top = (
            int(part * cell + random.integers(0, cell - size + 1)) for part in (place % _CELLS, place // _CELLS)
        )
        picture[top : top + size, left : left + size] = render(face, size)
        points.append(labels(face).landmarks_K2 * size + (left, top))
    return Page(picture, np.stack(points))


def matches(found: list[Face], pupils: list[tuple[Point, Point]]) -> tuple[int, list[float]]:
    """How many pairs of pupils lie in a box that is no other's, and how far off the found eyes are.

    A box is right if it holds both pupils and is one and a quarter to six times as wide as they are apart. Eyes' errors
    are means over both, as shares of that distance.
    """
    left, errors = list(found), []
    right = 0
    for pair in pupils:
        apart = float(np.hypot(pair[0].x - pair[1].x, pair[0].y - pair[1].y))
        box = next((face for face in left if _holds(face, pair) and 1.25 < face.side / max(apart, 1) < 6), None)
        if box is None:
            continue
        left.remove(box)
        right += 1
        if box.left_eye is not None and box.right_eye is not None:
            off = [
                np.hypot(eye.x - x, eye.y - y) for eye, (x, y) in zip((box.left_eye, box.right_eye), pair, strict=True)
            ]
            errors.append(float(np.mean(off)) / apart)
    return right, errors


def _holds(face: Face, points: tuple[Point, Point]) -> bool:
    return all(
        face.left <= point.x <= face.left + face.width and face.top <= point.y <= face.top + face.height
        for point in points
    )


def detectors(pages: Sequence[Page], others: Sequence[Detector]) -> str:
    """A table: recall, precision, error of the eyes, seconds a page."""
    lines = []
    for detector in (AnimeFace(), *others):
        detector.check()
        began, found = time.perf_counter(), [detector.find(one.picture) for one in pages]
        seconds = time.perf_counter() - began
        told = [matches(faces, one.pupils) for faces, one in zip(found, pages, strict=True)]
        right = sum(count for count, _ in told)
        errors = [error for _, some in told for error in some]
        lines.append([
            type(detector).__name__, right / sum(len(one.pupils) for one in pages),
            right / max(1, sum(map(len, found))), float(np.median(errors)) if errors else None, seconds / len(pages),
        ])  # fmt: skip
    return tabulate(
        lines,
        ["detector", "recall", "precision", "eyes off", "seconds a page"],
        "github",
        floatfmt=".2f",
        missingval="-",
    )


def marked(pages: Sequence[Page], finder: AnimeFace, landmarks: Landmarks) -> str:
    """A table: how far off landmarks are on painted pages, by the boxes that were found, over the eyes' distance."""
    off: dict[str, list[float]] = {part: [] for part in (*_PARTS, "all")}
    sure: list[float] = []
    wrong: list[float] = []
    for one in pages:
        centres = one.points_NK2[:, list(PUPILS)].mean(1)
        for face in finder.find(one.picture):
            nearest = int(np.linalg.norm(centres - face.centre, axis=1).argmin())
            if not _holds(face, one.pupils[nearest]):
                continue
            points, confidence = landmarks.place(one.picture, face)
            truth = one.points_NK2[nearest]
            unit = np.linalg.norm(np.subtract(*truth[list(OUTER_EYE_CORNERS)]))
            errors = np.linalg.norm(np.array(points) - truth, axis=1) / unit
            for part, members in _PARTS.items():
                off[part].append(float(errors[members].mean()))
            off["all"].append(float(errors.mean()))
            sure += confidence
            wrong += errors.tolist()
    lines = [[part, np.mean(some), np.median(some), np.mean(np.array(some) > 0.1)] for part, some in off.items()]
    table = tabulate(lines, ["part", "mean", "median", "off by more than 0.1"], "github", floatfmt=".3f")
    order = np.argsort(sure)
    worst, best = (np.mean(np.array(wrong)[part]) for part in (order[: len(order) // 10], order[-len(order) // 10 :]))
    said = f"of the tenth of points that it is least (most) sure of, the mean is {worst:.3f} ({best:.3f})"
    return f"{len(off['all'])} faces\n\n{table}\n\n{said}"


def marked_really(pictures: Sequence[np.ndarray], finder: AnimeFace, landmarks: Landmarks) -> str:
    """A table: how far landmarks lie from what animeface tells of real faces, over the distance of its eyes."""
    off: dict[str, list[float]] = {part: [] for part in ("eyes", "nose", "mouth", "chin")}
    for picture in pictures:
        for face, nose, mouth, chin in finder.look(picture):
            if face.left_eye is None or face.right_eye is None:
                continue
            points = np.array(landmarks.place(picture, face).points)
            unit = max(1.0, math.dist(face.left_eye, face.right_eye))
            eyes = [math.dist(points[at], eye) for at, eye in zip(PUPILS, (face.left_eye, face.right_eye), strict=True)]
            off["eyes"].append(sum(eyes) / 2 / unit)
            off["nose"].append(math.dist(points[LANDMARKS.index("nose")], nose) / unit)
            off["mouth"].append(math.dist(points[_PARTS["mouth"]].mean(0), mouth) / unit)
            off["chin"].append(math.dist(points[LANDMARKS.index("chin")], chin) / unit)
    lines = [[part, np.mean(some), np.median(some), np.quantile(some, 0.9)] for part, some in off.items()]
    table = tabulate(lines, ["apart from animeface's", "mean", "median", "0.9 quantile"], "github", floatfmt=".3f")
    return f"{len(off['eyes'])} faces\n\n{table}"


def _jpeg(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(picture: np.ndarray) -> np.ndarray:
        content = io.BytesIO()
        Image.fromarray(picture).save(content, "JPEG", quality=quality)
        return np.asarray(Image.open(content))

    return change


def _blurred(sigma: float) -> Callable[[np.ndarray], np.ndarray]:
    import cv2

    return lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma))


def _enlarged(times: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(picture: np.ndarray) -> np.ndarray:
        one = Image.fromarray(picture)
        small = one.resize([part // times for part in one.size], Image.Resampling.BOX)
        return np.asarray(small.resize(one.size, Image.Resampling.BICUBIC))

    return change


DAMAGE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda picture: picture, "blur, sigma 1": _blurred(1), "blur, sigma 2": _blurred(2),
    "enlarged 2 times": _enlarged(2), "enlarged 4 times": _enlarged(4), "JPEG 75": _jpeg(75), "JPEG 30": _jpeg(30),
    "JPEG 15": _jpeg(15),
}  # fmt: skip


def damages(pictures: Sequence[np.ndarray], rules: Rules) -> str:
    """A table: what share of pictures the rules leave out, or know as copies, by what was done to them."""
    whole = [hashed(picture) for picture in pictures]
    lines = []
    for name, change in DAMAGE.items():
        changed = [change(picture) for picture in pictures]
        blurred = np.mean([sharpness(picture) < rules.least_sharpness for picture in changed])
        damaged = np.mean([blockiness(picture) > rules.most_blockiness for picture in changed])
        codes = [*whole, *map(hashed, changed)]
        found = copies(codes, range(len(codes)), rules.alike)
        known = np.mean([found.get(len(whole) + place) is not None for place in range(len(whole))])
        lines.append([name, blurred, damaged, known])
    table = tabulate(lines, ["done to them", "blurred", "JPEG damage", "known as copies"], "github", floatfmt=".2f")
    wrong = len(copies(whole, range(len(whole)), rules.alike))
    return f"{table}\n\nundamaged, {wrong} of {len(whole)} pass for copies of each other"


def stages(picture: np.ndarray, size: int) -> Iterator[tuple[str, float]]:
    """Milliseconds of a core that each stage takes for one picture."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=90)
    face = Face(picture.shape[1] / 4, picture.shape[0] / 4, picture.shape[1] / 2, picture.shape[0] / 2)
    square = square_around(face, 0.4, 0.5)
    finder, landmarks = AnimeFace(), Heatmaps()
    finder.find(picture)
    pixels = cut(picture, square, size)
    work: dict[str, Callable[[], object]] = {
        "decode": lambda: np.asarray(Image.open(content).convert("RGB")),
        "find (AnimeFace)": lambda: finder.find(picture),
        "mark (Heatmaps)": lambda: landmarks.place(picture, face),
        "cut": lambda: cut(picture, square, size),
        "measure": lambda: (sharpness(pixels), blockiness(picture)),
        "hash": lambda: hashed(pixels),
        "write": lambda: Image.fromarray(pixels).save(io.BytesIO(), "PNG"),
    }
    for name, do in work.items():
        times = []
        for _ in range(7):
            began = time.perf_counter()
            do()
            times.append(time.perf_counter() - began)
        yield name, 1000 * float(np.median(times))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=12, help="of sixteen faces each")
    parser.add_argument("--faces", type=int, default=200, help="that are damaged")
    parser.add_argument("--size", type=int, default=256, help="pixels of a face")
    parser.add_argument("--cascade", type=Path, help="a cascade of OpenCV's to try, too")
    parser.add_argument("--real", type=Path, help="a folder of real faces to damage, too")
    chosen = parser.parse_args(arguments)
    import cv2

    cv2.setNumThreads(1)
    pages = [page(number) for number in range(chosen.pages)]
    print(f"{16 * len(pages)} painted faces on {len(pages)} pages of {_SIDE} x {_SIDE} px\n")
    print(detectors(pages, [Cascade(chosen.cascade)] if chosen.cascade else []))
    print(f"\nlandmarks\n\n{marked(pages, AnimeFace(), Heatmaps())}")
    painted = [render(sample_face(11, index), chosen.size) for index in range(chosen.faces)]
    print(f"\n{len(painted)} painted faces, {chosen.size} px\n\n{damages(painted, Rules())}")
    if chosen.real:
        names = picture_files(chosen.real)
        real = [read(chosen.real / name) for name in names[:: max(1, len(names) // chosen.faces)][: chosen.faces]]
        print(f"\n{len(real)} pictures of {chosen.real}\n\n{damages(real, Rules())}")
        print(f"\nlandmarks\n\n{marked_really(real, AnimeFace(), Heatmaps())}")
    lines = list(stages(pages[0].picture, chosen.size))
    print(f"\none core, a picture of {_SIDE} x {_SIDE} px\n")
    print(tabulate(lines, ["stage", "milliseconds"], "github", floatfmt=".1f"))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
