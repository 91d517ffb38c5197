"""Orthogonal wavelet filters as dense matrices that act on one side of a picture, its mirrored border included.

A picture is filtered by A X A^T. At up to 256 pixels such a product costs no more than the convolution, it has every
derivative, and the border needs no padding: whatever a filter reads outside is a mirrored pixel, however far it reads.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

# Daubechies 1992 (Ten Lectures on Wavelets), the orthonormal low-pass filters with two vanishing moments (closed form)
# and with six, the least asymmetric of those; the tests derive them. Both sum to sqrt 2.
ROOT = math.sqrt(3)
SYM2 = tuple(tap / (4 * math.sqrt(2)) for tap in (1 - ROOT, 3 - ROOT, 3 + ROOT, 1 + ROOT))
SYM6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
    *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
    *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
)
# The tap of SYM6 that stands for its middle: its delay is 5.1 taps for flat areas, 4.9 on average. So samples of the
# upsampled picture lie on the pixels and half-way between them.
MIDDLE = 5

# Octaves of the four bands, lowest first: [0, pi/8], [pi/8, pi/4], [pi/4, pi/2], [pi/2, pi].
NUM_BANDS = 4


@cache
def upsampling(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """UPSAMPLE2X2 with H(z^-1) along a side: (2 side - 1, side). Row j lies j / 2 pixels from the first pixel's centre.

    Values stay values: each row sums to 1.
    """
    matrix = torch.zeros(2 * side - 1, side, dtype=torch.float64)
    for tap, weight in enumerate(SYM6):
        row = torch.arange((tap - MIDDLE) % 2, 2 * side - 1, 2)
        matrix[row, mirrored((row + MIDDLE - tap) // 2, side)] += math.sqrt(2) * weight
    return _constant(matrix, dtype, device)


@cache
def downsampling(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """DOWNSAMPLE2X2 with H(z) along a side: (side, 2 side + 10). Column j lies (j - MIDDLE) / 2 pixels from the first.

    Undoes `upsampling`, wherever its samples have not been moved; each row sums to 1.
    """
    matrix = torch.zeros(side, 2 * side + len(SYM6) - 2, dtype=torch.float64)
    row = torch.arange(side)
    for tap, weight in enumerate(SYM6):
        matrix[row, 2 * row + tap] = weight / math.sqrt(2)
    return _constant(matrix, dtype, device)


@cache
def bands(side: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """BANDPASS(H(z), b_i) of the four bands along a side, (4, side, side); they sum to the identity.

    The undecimated filter bank of SYM2: with L = |H|^2 / 2 and its complement 1 - L, both of zero phase, the bands are
    L(z) L(z^2) L(z^4), L(z) L(z^2) (1 - L(z^4)), L(z) (1 - L(z^2)) and 1 - L(z).
    """
    low = _convolve(torch.tensor(SYM2, dtype=torch.float64), torch.tensor(SYM2[::-1], dtype=torch.float64)) / 2
    below, taps = torch.ones(1, dtype=torch.float64), []
    for octave in range(NUM_BANDS - 1):
        spread = torch.zeros(2**octave * (len(low) - 1) + 1, dtype=torch.float64)
        spread[:: 2**octave] = low
        still_below = _convolve(below, spread)
        margin = (len(still_below) - len(below)) // 2
        taps.append(torch.nn.functional.pad(below, (margin, margin)) - still_below)
        below = still_below
    matrix = torch.zeros(NUM_BANDS, side, side, dtype=torch.float64)
    row = torch.arange(side)
    for band, weights in enumerate([below, *reversed(taps)]):
        for tap, weight in enumerate(weights):
            matrix[band, row, mirrored(row + tap - len(weights) // 2, side)] += weight
    return _constant(matrix, dtype, device)


def mirrored(position: Tensor, side: int) -> Tensor:
    """The pixel in [0, side) that an endless row of mirrors shows; the outermost pixels are the mirrors' axes."""
    return side - 1 - (position.remainder(2 * (side - 1)) - (side - 1)).abs()


def _convolve(first: Tensor, second: Tensor) -> Tensor:
    return torch.nn.functional.conv1d(first[None], second.flip(0)[None, None], padding=len(second) - 1)[0]


def _constant(matrix: Tensor, dtype: torch.dtype, device: torch.device) -> Tensor:
    # The cache outlives whoever asks first: made in inference mode, it could never take part in training.
    with torch.inference_mode(False):
        return matrix.to(dtype=dtype, device=device, copy=True)
