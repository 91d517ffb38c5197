"""What a hand has drawn so far: drawing processes simulated on whole line art.

Huang et al. 2023 (AniFaceDrawing) train on such; how they make theirs is not published, and this is a way of our own.
Lines are taken apart at a size where they do not all touch. Everything is drawn on the CPU.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from scipy.ndimage import label
from torch import Tensor

from anime_gen.contract import at_least_float32

# Pixels along a side, at least, of lines that are taken apart.
SIDE = 128
# Deviation of the filter that finds a line, in pixels of the picture.
SIGMA = 0.4
GREY = (0.299, 0.587, 0.114)
# Ink of a pixel that belongs to a line.
LEAST_INK = 0.1
# Places along a side of what changes slowly over a picture.
PLACES = 4
# The least ink of a light pen.
LIGHT = 0.6
# How far a rough hand is off, in halves of a picture: 1 / 64 of its side.
WOBBLE = 1 / 32


def line_arts(image_BCHW: Tensor) -> Tensor:
    """The lines of pictures in [-1, 1]: (B, 1, side, side) on the CPU, 1 on a line.

    As `anime_gen.conditions.sketch.line_art` (Winnemoeller et al. 2012, "XDoG", eq. 5 and 7, and the same constants),
    but for the width of the filters: that of a pen in a picture of 256 pixels finds the borders of single pixels in one
    of 32, and dots along them.
    """
    sharpness, threshold, slope, ratio = 20.0, 0.72, 12.0, 1.6
    size = image_BCHW.shape[-1]
    side = max(SIDE, size)
    image_BCHW = at_least_float32(image_BCHW).cpu().to(torch.get_default_dtype())
    grey_BHW = torch.einsum("bchw,c->bhw", (image_BCHW + 1) / 2, torch.tensor(GREY))
    grey_B1HW = F.interpolate(grey_BHW[:, None], (side, side), mode="bicubic", align_corners=False).clamp(0, 1)
    near, far = (_blurred(grey_B1HW, sigma * side / size) for sigma in (SIGMA, ratio * SIGMA))
    excess = (1 + sharpness) * near - sharpness * far - threshold * far + 0.05
    return torch.tanh(slope * (-excess).clamp(min=0))


def _blurred(x_B1HW: Tensor, sigma: float) -> Tensor:
    """Through a Gaussian of this deviation in pixels."""
    reach = math.ceil(3 * sigma)
    taps_N = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    taps_N = (taps_N / taps_N.sum()).to(x_B1HW)
    x_B1HW = F.pad(x_B1HW, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(x_B1HW, taps_N[None, None, None]), taps_N[None, None, :, None])


def begun(ink_B1HW: Tensor, share_B: Tensor, stream: torch.Generator | None = None) -> Tensor:
    """The strokes that are drawn first, in an order that is new for each picture: (B, 1, H, W).

    A stroke is a piece of connected line. It has its turn, and so has each part of the picture: the sum decides, so
    that long lines are drawn part by part, and one side of a face perhaps long before the other.

    Args:
        ink_B1HW: whole line art.
        share_B: of the line that is drawn by now, 0 to 1.
        stream: of the order; None: torch's global one.
    """
    turn_BHW = slowly(len(ink_B1HW), 1, ink_B1HW.shape[-1], stream)[:, 0]
    drawn = []
    for ink_HW, turn_HW, share in zip(ink_B1HW[:, 0], turn_BHW, share_B.tolist(), strict=True):
        on_line_HW = ink_HW > LEAST_INK
        pieces_HW, count = label(on_line_HW.numpy(), [[1, 1, 1]] * 3)
        turn_HW = turn_HW + torch.rand(count + 1, generator=stream)[torch.from_numpy(pieces_HW).long()]
        turns_N = turn_HW[on_line_HW].sort().values
        by_now = round(share * len(turns_N))
        now = turns_N[by_now - 1] if by_now else -1.0
        drawn.append(torch.where(on_line_HW & (turn_HW <= now), ink_HW, 0.0))
    return torch.stack(drawn)[:, None]


def roughly(ink_B1HW: Tensor, share: float) -> Tensor:
    """A share of them by a rough hand: lines waver, every other drawing's are thick, and pens are dark or light."""
    count, side = len(ink_B1HW), ink_B1HW.shape[-1]
    rough_B, thick_B, light_B = torch.rand(3, count)[:, :, None, None, None].to(ink_B1HW)
    away_BHW2 = WOBBLE * (2 * slowly(count, 2, side) - 1).permute(0, 2, 3, 1)
    at_N = (torch.arange(side) + 0.5) * 2 / side - 1
    place_HW2 = torch.stack(torch.meshgrid(at_N, at_N, indexing="xy"), -1)
    wavering = F.grid_sample(ink_B1HW, (place_HW2 + away_BHW2).to(ink_B1HW), align_corners=False)
    wavering = torch.where(thick_B < 0.5, F.max_pool2d(wavering, 3, 1, 1), wavering)
    return torch.where(rough_B < share, wavering * (1 - (1 - LIGHT) * light_B), ink_B1HW)


def slowly(count: int, channels: int, side: int, stream: torch.Generator | None = None) -> Tensor:
    """Numbers from 0 to 1 that change slowly over a picture, (count, channels, side, side)."""
    few = torch.rand(count, channels, PLACES, PLACES, generator=stream)
    return F.interpolate(few, (side, side), mode="bilinear", align_corners=False)
