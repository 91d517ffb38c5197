"""Who finds faces. Pixels in, boxes out; a detector is a class that the command line can name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from anime_gen.contract import UserError
from anime_gen.prepare import points28
from anime_gen.prepare.face import Face, Point, without_doubles


class Detector(ABC):
    """Finds the faces of a picture.

    Attributes:
        framed: the boxes are to be cut as they are, without a margin, and not turned.
        marks: it tells landmarks, too.
    """

    framed: bool = False
    marks: bool = False

    @abstractmethod
    def find(self, picture: np.ndarray) -> list[Face]:
        """All faces, surest first.

        Args:
            picture: uint8 (height, width, 3), RGB, upright.
        """

    def check(self) -> None:  # noqa: B027  nothing to make ready is a fine answer
        """Makes what is needed ready, once, before processes begin to find.

        Raises:
            UserError: it cannot be had; the message says what to do.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything that another program needs to find the same faces."""


class Whole(Detector):
    """For pictures that are crops of faces already, or painted: the centre square is cut as it is."""

    framed = True

    def find(self, picture: np.ndarray) -> list[Face]:
        height, width = picture.shape[:2]
        side = min(height, width)
        return [Face((width - side) / 2, (height - side) / 2, side, side)]

    def describe(self) -> dict[str, Any]:
        return {"class": "Whole"}


class Cascade(Detector):
    """A cascade of OpenCV's (Viola and Jones 2001), such as nagadomi's lbpcascade_animeface: light, and misses many."""

    def __init__(self, weights: Path) -> None:
        """Args: weights: the .xml file."""
        self.weights = Path(weights).expanduser()

    def check(self) -> None:
        self._cascade  # noqa: B018  opening it is the check

    def find(self, picture: np.ndarray) -> list[Face]:
        import cv2

        grey = cv2.equalizeHist(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
        found = self._cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5, minSize=(24, 24))
        return without_doubles([Face(float(x), float(y), float(w), float(h)) for x, y, w, h in found])

    def describe(self) -> dict[str, Any]:
        import hashlib

        return {"class": "Cascade", "weights": hashlib.sha256(self.weights.read_bytes()).hexdigest()}

    @cached_property
    def _cascade(self) -> Any:
        import cv2

        if not self.weights.is_file():
            raise UserError(f"--detector.weights: there is no file {self.weights}; fetch lbpcascade_animeface.xml")
        try:
            cascade = cv2.CascadeClassifier(str(self.weights))
        except (cv2.error, SystemError):  # of a file that is no XML, or another one
            cascade = None
        if cascade is None or cascade.empty():
            raise UserError(f"--detector.weights: {self.weights} is no cascade of OpenCV's")
        return cascade

    def __getstate__(self) -> dict[str, Any]:
        # What OpenCV makes of the file cannot be pickled.
        return {"weights": self.weights}


_REPOSITORIES = {"yolov3": "hysts/anime-face-detector-yolov3", "hrnetv2": "hysts/anime-face-detector-hrnetv2"}


class AnimeFaceDetector(Detector):
    """anime-face-detector (hysts): YOLOv3 finds boxes, HRNetV2 28 points in each, of which come 24 landmarks."""

    marks = True

    def __init__(self, faces: Path | None = None, points: Path | None = None, least: float = 0.5, device: str = "cpu"):
        """Args:
        faces: safetensors of the YOLOv3; None for what the hub's cache holds.
        points: of the HRNetV2; likewise.
        least: how sure it must be of a face.
        device: where to run.
        """
        self.faces = None if faces is None else Path(faces).expanduser()
        self.points = None if points is None else Path(points).expanduser()
        self.least = least
        self.device = device

    @staticmethod
    def cached(model: str) -> Path | None:
        """The weights that an earlier download left in the hub's cache."""
        from huggingface_hub import try_to_load_from_cache

        place = try_to_load_from_cache(_REPOSITORIES[model], "model.safetensors")
        return Path(place) if isinstance(place, str) else None

    def check(self) -> None:
        self._network  # noqa: B018  opening it is the check

    def find(self, picture: np.ndarray) -> list[Face]:
        import torch

        with torch.inference_mode():
            found = self._network(np.ascontiguousarray(picture[..., ::-1]))  # BGR
        faces = []
        for one in found:
            left, top, right, bottom, confidence = map(float, one["bbox"])
            points = one["keypoints"]
            placed = points28.landmarks(points)
            if confidence >= self.least and right > left and bottom > top:
                left_eye, right_eye = (_point(points[points28.EYES[side]].mean(0)) for side in ("left", "right"))
                box = (left, top, right - left, bottom - top)
                sure = tuple(placed[:, 2].clip(0, 1).tolist())
                faces.append(Face(*box, confidence, left_eye, right_eye, tuple(map(_point, placed)), sure))
        return without_doubles(faces)

    def describe(self) -> dict[str, Any]:
        import hashlib

        weights = {model: hashlib.sha256(place.read_bytes()).hexdigest() for model, place in self._weights().items()}
        return {"class": "AnimeFaceDetector", "weights": weights, "least": self.least}

    def _weights(self) -> dict[str, Path]:
        given = {"yolov3": self.faces, "hrnetv2": self.points}
        found = {model: place or self.cached(model) for model, place in given.items()}
        missing = [model for model, place in found.items() if place is None or not place.is_file()]
        if missing:
            places = " and ".join(_REPOSITORIES[model] for model in missing)
            raise UserError(
                f"--detector=AnimeFaceDetector: there are no weights of {' and '.join(missing)}: fetch "
                f"model.safetensors of {places} and name the files with --detector.faces and --detector.points; "
                "--detector=AnimeFace needs none"
            )
        return {model: place for model, place in found.items() if place is not None}

    @cached_property
    def _network(self) -> Any:
        from anime_face_detector import LandmarkDetector

        weights = self._weights()
        try:
            return LandmarkDetector(weights["hrnetv2"], "yolov3", weights["yolov3"], self.device)
        except Exception as error:  # whatever a file of another form leads it to
            raise UserError(
                f"--detector: {' and '.join(map(str, weights.values()))} are not its weights ({error})"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_network"}


def _point(place: np.ndarray) -> Point:
    return Point(float(place[0]), float(place[1]))
