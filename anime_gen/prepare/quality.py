"""How good a picture of a face is, in numbers that do not depend on its contrast: pure functions of pixels."""

from __future__ import annotations

import numpy as np

# Luma of ITU-R BT.601, as JPEG has it.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def luma(picture: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) -> float32 (H, W), 0 to 255."""
    return picture @ _LUMA


def sharpness(picture: np.ndarray) -> float:
    """Root mean square of the finest level of a Laplacian pyramid, over that of the next one.

    A sharp drawing has about as much in the finest level as in the next one, whatever its size; blurred by two pixels,
    or enlarged four times, it has 0.4. (Burt and Adelson 1983, with OpenCV's filter.) 0 of a picture without any edge.

    Args:
        picture: uint8 (H, W, 3), at least 8 pixels a side.
    """
    import cv2

    fine = luma(picture)
    middle = cv2.pyrDown(fine)
    coarse = cv2.pyrDown(middle)
    first = fine - cv2.pyrUp(middle, dstsize=fine.shape[::-1])
    second = middle - cv2.pyrUp(coarse, dstsize=middle.shape[::-1])
    below = float(np.sqrt(np.square(second).mean()))
    return float(np.sqrt(np.square(first).mean())) / below if below > 1e-3 else 0.0


def blockiness(picture: np.ndarray) -> float:
    """By how much steps between JPEG's blocks exceed those within them, as a share; about 0 without blocks.

    The steps are summed by their place modulo 8, and the largest place is compared with the median of the others, in
    each direction: where the grid begins does not matter. (After Wang, Bovik and Evans 2000.)

    Args:
        picture: uint8 (H, W, 3), not resized since it was decoded; of less than 16 pixels nothing is known, and 0 said.
    """
    grey = luma(picture)
    if min(grey.shape) < 16:
        return 0.0
    excess = []
    for steps in (np.abs(np.diff(grey, axis=1)).mean(0), np.abs(np.diff(grey, axis=0)).mean(1)):
        by_place = np.array([steps[place::8].mean() for place in range(8)])
        usual = float(np.median(by_place))
        excess.append(float(by_place.max()) / usual - 1 if usual > 1e-3 else 0.0)
    return min(excess)


def flatness(picture: np.ndarray) -> float:
    """The share of pixels within 2 levels of their right and lower neighbours: large in texts and plain areas."""
    grey = luma(picture)
    across, down = np.abs(np.diff(grey, axis=1))[:-1], np.abs(np.diff(grey, axis=0))[:, :-1]
    return float(((across <= 2) & (down <= 2)).mean())


def contrast(picture: np.ndarray) -> float:
    """Standard deviation of the luma, in levels of 255."""
    return float(luma(picture).std())
