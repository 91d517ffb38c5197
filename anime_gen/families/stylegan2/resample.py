"""Doubling and halving with the low-pass filter [1, 3, 3, 1] (Zhang 2019; Karras et al. 2020b, appendix B).

All maps are linear and keep the mean: the filter sums to 1, and to 4 where zeros are put between pixels. Borders are
zero. Each is one depthwise convolution, which is as fast on pictures whose channels lie side by side in memory
(`channels_last`) as it is slow on others.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor

_TAPS = (0.125, 0.375, 0.375, 0.125)


@functools.cache
def _taps(gain: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The filter, (4, 4). Made once: sending it to an accelerator waits for all that is under way there."""
    with torch.inference_mode(False):
        taps_4 = torch.tensor(_TAPS, dtype=dtype, device=device)
        return gain * torch.outer(taps_4, taps_4)


def _filter(x_BCHW: Tensor, gain: float) -> Tensor:
    """The filter for each channel, (C, 1, 4, 4)."""
    return _taps(gain, x_BCHW.dtype, x_BCHW.device).expand(x_BCHW.shape[1], 1, 4, 4)


def blurred(x_BCHW: Tensor, padding: int, gain: float = 1.0) -> Tensor:
    """The picture through the filter, (B, C, H + 2 * padding - 3, W + 2 * padding - 3)."""
    return F.conv2d(x_BCHW, _filter(x_BCHW, gain), padding=padding, groups=x_BCHW.shape[1])


def doubled(x_BCHW: Tensor) -> Tensor:
    """Zeros between the pixels, then the filter: (B, C, 2H, 2W)."""
    return F.conv_transpose2d(x_BCHW, _filter(x_BCHW, 4.0), stride=2, padding=1, groups=x_BCHW.shape[1])


def halved(x_BCHW: Tensor) -> Tensor:
    """The filter, then every second pixel: (B, C, H / 2, W / 2)."""
    return F.conv2d(x_BCHW, _filter(x_BCHW, 1.0), stride=2, padding=1, groups=x_BCHW.shape[1])


def convolved_and_doubled(x_BCHW: Tensor, weight_OIKK: Tensor) -> Tensor:
    """`doubled` and then a 3x3 convolution whose borders are zero, in the other order: (B, O, 2H, 2W).

    A transposed convolution does not multiply the zeros, and the filter then runs over the outputs' channels.
    """
    wide_BOHW = F.conv_transpose2d(x_BCHW, weight_OIKK.transpose(0, 1), stride=2)
    return blurred(wide_BOHW, padding=1, gain=4.0)


def convolved_and_halved(x_BCHW: Tensor, weight_OIKK: Tensor, bias_O: Tensor | None = None) -> Tensor:
    """The filter, then a 3x3 convolution of stride 2: (B, O, H / 2, W / 2)."""
    return F.conv2d(blurred(x_BCHW, padding=2), weight_OIKK, bias_O, stride=2)
