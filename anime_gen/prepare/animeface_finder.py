"""Run by the Python of an environment that has animeface: pictures on stdin, the faces in each as JSON on stdout.

It imports nothing of ours. A picture is a line "WIDTH HEIGHT" and its RGB bytes; the answer is one line.
"""

import json
import sys
from typing import Any

import animeface
from PIL import Image


def numbers(position: Any) -> list[float]:
    """The numbers of a box or a point, whichever it is."""
    names = [name for name in ("x", "y", "width", "height") if hasattr(position, name)]
    return [getattr(position, name) for name in names]


def main() -> None:
    pictures, answers = sys.stdin.buffer, sys.stdout
    while line := pictures.readline():
        width, height = map(int, line.split())
        picture = Image.frombytes("RGB", (width, height), pictures.read(3 * width * height))
        found = [
            {
                "likelihood": face.likelihood,
                "face": numbers(face.face.pos),
                "left_eye": numbers(face.left_eye.pos),
                "right_eye": numbers(face.right_eye.pos),
                "nose": numbers(face.nose.pos),
                "mouth": numbers(face.mouth.pos),
                "chin": numbers(face.chin.pos),
            }
            for face in animeface.detect(picture)
        ]
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    main()
