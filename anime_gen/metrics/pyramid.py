"""The Laplacian pyramid (Burt and Adelson 1983): a picture as bands of frequency, each with half the pixels a side."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

FILTER = "binomial-5"
_BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def halved(image_BCHW: Tensor) -> Tensor:
    """The next coarser level: smoothed by the binomial filter, every second pixel. (B, C, ceil(H / 2), ceil(W / 2))."""
    return _smoothed(image_BCHW)[:, :, ::2, ::2]


def doubled(image_BCHW: Tensor, height: int, width: int) -> Tensor:
    """That level on the finer one's pixels, (B, C, height, width): between two pixels their mean, smoothed alike."""
    count, channels = image_BCHW.shape[:2]
    apart = image_BCHW.new_zeros(count, channels, 2 * image_BCHW.shape[2], 2 * image_BCHW.shape[3])
    apart[:, :, ::2, ::2] = 4 * image_BCHW
    # What lies beyond the border has pixels at every second place, too.
    return _smoothed(apart, mode="reflect" if min(image_BCHW.shape[2:]) > 1 else "replicate")[:, :, :height, :width]


def _smoothed(image_BCHW: Tensor, mode: str = "replicate") -> Tensor:
    taps = image_BCHW.new_tensor(_BINOMIAL).expand(image_BCHW.shape[1], 1, 5)
    x = F.pad(image_BCHW, (2, 2, 2, 2), mode=mode)
    x = F.conv2d(x, taps[:, :, None], groups=len(taps))
    return F.conv2d(x, taps[:, :, :, None], groups=len(taps))


def laplacian(image_BCHW: Tensor, levels: int) -> list[tuple[Tensor, Tensor]]:
    """(level, band) of each scale, the finest first: band = level - what the next coarser level makes of it."""
    found = []
    for _ in range(levels):
        coarser = halved(image_BCHW)
        found.append((image_BCHW, image_BCHW - doubled(coarser, *image_BCHW.shape[2:])))
        image_BCHW = coarser
    return found
