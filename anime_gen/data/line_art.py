"""Line art of a picture, where nobody drew one."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

# Lines are found at this size: in a small picture they are narrower than a pixel.
LINE_ART_SIZE = 256


def line_art(pixels: np.ndarray, size: int) -> np.ndarray:
    """Dark lines on white paper (Winnemoeller et al. 2012, "XDoG", eq. 5 and 7, with its sharp threshold).

    Args:
        pixels: uint8 (H, H, 3), at least 256 pixels wide for lines as fine as a pen's.
        size: of the result.

    Returns:
        uint8 (size, size), 255 paper, 0 line.
    """
    sigma, ratio, sharpness, threshold, slope = 1.2, 1.6, 20.0, 0.72, 12.0
    grey = Image.fromarray(pixels).convert("L")
    if grey.width != LINE_ART_SIZE:
        grey = grey.resize((LINE_ART_SIZE, LINE_ART_SIZE), Image.Resampling.BICUBIC)
    near, far = (
        np.asarray(grey.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255 for radius in (sigma, sigma * ratio)
    )
    difference = (1 + sharpness) * near - sharpness * far
    # A line is darker than its surroundings; a dark surface as such is not, so the local mean is what is compared to.
    # The last term keeps the grain of dark surfaces out.
    excess = difference - threshold * far + 0.05
    paper = np.where(excess >= 0, 1.0, 1 + np.tanh(slope * excess))
    lines = Image.fromarray((paper.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    return np.asarray(lines.resize((size, size), Image.Resampling.BOX))
