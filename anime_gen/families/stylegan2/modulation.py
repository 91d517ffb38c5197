"""Modulated convolution (Karras et al. 2020b, section 2.2)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from anime_gen.families.stylegan2.resample import convolved_and_doubled


def demodulation(weight_OIKK: Tensor, style_BI: Tensor) -> Tensor:
    """1 / sqrt(sum over inputs and places of (s_i w_oik)^2), (B, O): equation 3's denominator.

    The sum over places is the same for all pictures, so that no weights have to be made for each of them.
    """
    power_OI = weight_OIKK.square().sum((2, 3))
    return (style_BI.square() @ power_OI.T + 1e-8).rsqrt()


def modulated(x_BCHW: Tensor, weight_OIKK: Tensor, style_BI: Tensor, double: bool = False) -> Tensor:
    """A convolution whose weights s_i w_oik are each picture's own (equation 1): (B, O, H, W), or twice as large.

    Scaling the inputs by the style is the same as scaling the weights, and one convolution serves the whole batch.

    Args:
        x_BCHW: (B, I, H, W).
        weight_OIKK: kernels of 1x1 or 3x3.
        style_BI: scales of the inputs.
        double: double the side first, through the low-pass filter.
    """
    scaled_BCHW = x_BCHW * style_BI[:, :, None, None].to(x_BCHW.dtype)
    if double:
        return convolved_and_doubled(scaled_BCHW, weight_OIKK)
    return F.conv2d(scaled_BCHW, weight_OIKK, padding=weight_OIKK.shape[-1] // 2)
