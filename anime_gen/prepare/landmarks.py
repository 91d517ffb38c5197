"""Who places landmarks. A face that was found goes in, its 24 points come out; the command line can name the class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np

from anime_gen.prepare.face import Face, Point


class Placed(NamedTuple):
    """The suite's 24 landmarks of a face, in the order of `vocabulary.LANDMARKS`.

    `points` are in the picture's pixels: x to the right, y down, its corner is 0, 0. `confidence` is of each, in
    [0, 1]; 0 where the model does not know that landmark at all.
    """

    points: tuple[Point, ...]
    confidence: tuple[float, ...]


class Landmarks(ABC):
    """Places the landmarks of a face.

    Attributes:
        least: what it is less sure of than this, in the mean over all landmarks, is no face.
    """

    least: float = 0.0

    @abstractmethod
    def place(self, picture: np.ndarray, face: Face) -> Placed:
        """The landmarks of one face.

        Args:
            picture: uint8 (height, width, 3), RGB, upright.
            face: where it is; its eyes are known or not.
        """

    def check(self) -> None:  # noqa: B027  nothing to make ready is a fine answer
        """Makes what is needed ready, once, before processes begin to place.

        Raises:
            UserError: it cannot be had; the message says what to do.
        """

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """Everything that another program needs to place the same points."""
