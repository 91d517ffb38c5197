"""How well raw pictures are prepared, where the truth is known: `python -m anime_gen.bench.prepare`.

Pages of painted faces are searched by each detector, faces are damaged by known amounts, and each stage is timed on one
core. With `--real DIR` the damage is done to pictures of that folder, too.
"""

from __future__ import annotations

import argparse
import io
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
from anime_gen.prepare import AnimeFace, Cascade, Detector
from anime_gen.prepare.copies import copies, hashed
from anime_gen.prepare.crop import cut, square_around
from anime_gen.prepare.face import Face, Point
from anime_gen.prepare.quality import blockiness, sharpness
from anime_gen.prepare.rules import Rules
from anime_gen.vocabulary import LANDMARKS

_SIDE, _CELLS = 1024, 4  # pixels of a page, and its cells in a row
_SIZES = (112, 160, 224)  # pixels of the painted pictures on it
_PUPILS = tuple(LANDMARKS.index(f"{side}_eye_pupil") for side in ("left", "right"))


class Page(NamedTuple):
    """A picture of many faces: uint8 (H, W, 3), and the pupils of each, the character's left one first."""

    picture: np.ndarray
    pupils: list[tuple[Point, Point]]


def page(number: int) -> Page:
    """Sixteen painted portraits of the framing `hair` on paper, each somewhere in its cell."""
    random = np.random.default_rng(number)
    picture = np.full((_SIDE, _SIDE, 3), 245, np.uint8)
    pupils = []
    cell = _SIDE // _CELLS
    for place in range(_CELLS**2):
        face = sample_face(7, number * _CELLS**2 + place, framing="hair")
        size = int(random.choice(_SIZES))
        left, top = (
            int(part * cell + random.integers(0, cell - size + 1)) for part in (place % _CELLS, place // _CELLS)
        )
        picture[top : top + size, left : left + size] = render(face, size)
        points = labels(face).landmarks_K2[list(_PUPILS)] * size + (left, top)
        pupils.append((Point(*points[0].tolist()), Point(*points[1].tolist())))
    return Page(picture, pupils)


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
    finder = AnimeFace()
    finder.find(picture)
    pixels = cut(picture, square, size)
    work: dict[str, Callable[[], object]] = {
        "decode": lambda: np.asarray(Image.open(content).convert("RGB")),
        "find (AnimeFace)": lambda: finder.find(picture),
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
    painted = [render(sample_face(11, index), chosen.size) for index in range(chosen.faces)]
    print(f"\n{len(painted)} painted faces, {chosen.size} px\n\n{damages(painted, Rules())}")
    if chosen.real:
        names = picture_files(chosen.real)
        real = [read(chosen.real / name) for name in names[:: max(1, len(names) // chosen.faces)][: chosen.faces]]
        print(f"\n{len(real)} pictures of {chosen.real}\n\n{damages(real, Rules())}")
    lines = list(stages(pages[0].picture, chosen.size))
    print(f"\none core, a picture of {_SIDE} x {_SIDE} px\n")
    print(tabulate(lines, ["stage", "milliseconds"], "github", floatfmt=".1f"))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
