"""Landmarks by any top-down model of mmpose: for human faces, or trained on drawn ones.

mmpose does not install beside ours: some of what it names has no wheels, or none that this Python can build, and it
wants an old setuptools. So `make mmpose` puts it, without those, into a small environment of its own on top of this
one, whose torch it uses; and it runs in a process there, as it needs stand-ins for what is missing.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from anime_gen.contract import UserError
from anime_gen.prepare import human_points, points28
from anime_gen.prepare.apart import Environment, ask
from anime_gen.prepare.face import Face, Point
from anime_gen.prepare.landmarks import Landmarks, Placed
from anime_gen.vocabulary import LANDMARKS, NUM_LANDMARKS

ENVIRONMENT = Environment("mmpose", Path(__file__).with_name("mmpose.txt"), stacked=True)
_RUNNER = Path(__file__).with_name("mmpose_runner.py")
# Points of the models whose points are known.
KNOWN = (NUM_LANDMARKS, points28.NUM_POINTS, *human_points.COUNTS)


class MMPose(Landmarks):
    """A top-down model of mmpose 1.x that tells 24, 28, 68, 98 or 106 points.

    24 are the suite's own, in any order if the config's data set names them as we do, else in ours.
    """

    def __init__(self, config: str, checkpoint: Path, enlarged: float = 1.0, device: str = "cpu") -> None:
        """Args:
        config: a file of mmpose's form, which is a program: it is run; or the name of one that mmpose brings.
        checkpoint: its weights, .pth or .safetensors.
        enlarged: how many times larger than the detector's the boxes are that it learned from.
        device: where to run.
        """
        if not 0 < enlarged <= 4:
            raise UserError(f"--landmarks.enlarged {enlarged}: above 0, at most 4")
        self.config = str(config)
        self.checkpoint = Path(checkpoint).expanduser()
        self.enlarged = enlarged
        self.device = device

    def check(self) -> None:
        if not self.checkpoint.is_file():
            raise UserError(f"--landmarks.checkpoint: there is no file {self.checkpoint}")
        if not ENVIRONMENT.complete:
            raise UserError("--landmarks=MMPose: mmpose is not installed here: `make mmpose` does it")
        try:
            self._model  # noqa: B018  it tells of itself when all is well
        except BrokenPipeError as error:
            raise UserError(
                f"--landmarks=MMPose: what is in {ENVIRONMENT.place} does not run ({error.strerror}): `make mmpose` "
                "makes it anew"
            ) from error
        finally:
            self._end()

    def place(self, picture: np.ndarray, face: Face) -> Placed:
        left, top, part = _around(picture, face, self.enlarged)
        # mmpose counts from the middle of the first pixel, we from its corner.
        x, y = face.centre.x - left - 0.5, face.centre.y - top - 0.5
        across, down = face.width * self.enlarged / 2, face.height * self.enlarged / 2
        told = self._ask(
            {"width": part.shape[1], "height": part.shape[0], "box": [x - across, y - down, x + across, y + down]},
            part.tobytes(),
        )
        if "error" in told:
            raise ValueError(f"mmpose: {told['error']}")
        placed_K3 = in_our_order(np.array(told["points"]), self._model["names"])
        placed_K3[:, :2] += (left + 0.5, top + 0.5)
        points = tuple(Point(x, y) for x, y in placed_K3[:, :2].tolist())
        return Placed(points, tuple(placed_K3[:, 2].clip(0, 1).tolist()))

    def describe(self) -> dict[str, Any]:
        weights = hashlib.sha256(self.checkpoint.read_bytes()).hexdigest()
        return {"class": "MMPose", "pins": ENVIRONMENT.digest, "config": self._model["config"], "weights": weights,
                "enlarged": self.enlarged}  # fmt: skip

    @cached_property
    def _model(self) -> dict[str, Any]:
        """What the process says of its model.

        Raises:
            UserError: it has none, or one of points that are not known.
        """
        told = self._ask({})
        if "error" in told:
            raise UserError(f"--landmarks: {told['error']}")
        if told["points"] not in KNOWN:
            raise UserError(
                f"--landmarks.config {self.config} tells {told['points']} points of a face; known are models of "
                + ", ".join(map(str, KNOWN))
            )
        return told

    def _ask(self, question: dict[str, Any], pixels: bytes = b"") -> dict[str, Any]:
        try:
            return ask("mmpose", self._process, json.dumps(question).encode() + b"\n" + pixels)
        except BrokenPipeError:
            self.__dict__.pop("_process")  # the next face gets a new one
            raise

    def _end(self) -> None:
        # A process that is forked from this one must not talk with the same one.
        process = self.__dict__.pop("_process", None)
        if process is not None:
            process.communicate()

    @cached_property
    def _process(self) -> subprocess.Popen[bytes]:
        command = [str(ENVIRONMENT.python), "-I", str(_RUNNER), self.config, str(self.checkpoint), self.device]
        # What mmpose warns of is nothing that its user can mend; what it refuses is an answer.
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_process"}


def in_our_order(points_PC: np.ndarray, names: list[str]) -> np.ndarray:
    """Points of a model to landmarks (24, C): x, y, and whatever else is known of each.

    Args:
        points_PC: as many as one of `KNOWN`.
        names: what the model's data set calls them.
    """
    count = len(points_PC)
    if count == NUM_LANDMARKS:
        ours = sorted(names) == sorted(LANDMARKS)
        return points_PC[[names.index(name) for name in LANDMARKS]] if ours else points_PC
    return points28.landmarks(points_PC) if count == points28.NUM_POINTS else human_points.landmarks(points_PC)


def _around(picture: np.ndarray, face: Face, enlarged: float) -> tuple[int, int, np.ndarray]:
    """The part of a picture that a model can see, and where it begins: OpenCV warps none of 32,768 pixels and more."""
    # Models look at 1.25 boxes, some at 1.5.
    reach = 2 * face.side * enlarged + 2
    left, top = max(0, math.floor(face.centre.x - reach)), max(0, math.floor(face.centre.y - reach))
    return left, top, picture[top : math.ceil(face.centre.y + reach), left : math.ceil(face.centre.x + reach)]


def main() -> None:
    """`make mmpose`."""
    print("installing mmpose beside this environment (once, half a minute) ...", file=sys.stderr)
    ENVIRONMENT.make("do without --landmarks=MMPose")
    print(f"it is in {ENVIRONMENT.place}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
