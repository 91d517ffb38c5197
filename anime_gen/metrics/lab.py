"""Colours as the eye tells them apart: sRGB to CIE L*a*b*, and the distance of two colours there."""

from __future__ import annotations

import torch
from torch import Tensor

# Linear sRGB to CIE XYZ (IEC 61966-2-1).
_XYZ_OF_RGB = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))


def srgb_to_lab(images: Tensor) -> Tensor:
    """CIE 1976 L*a*b* under D65, the white of sRGB itself (the sum of the matrix' columns): white is (100, 0, 0).

    Args:
        images: uint8 (..., 3, H, W).

    Returns:
        float64, same shape: L* in 0..100, a* and b* within about -110..100.
    """
    rgb = images.double() / 255
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = linear.new_tensor(_XYZ_OF_RGB)
    xyz = torch.einsum("ij,...jhw->...ihw", matrix / matrix.sum(1, keepdim=True), linear)
    root = torch.where(xyz > (6 / 29) ** 3, xyz.clamp(min=1e-9) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -3)


def delta_e(a: Tensor, b: Tensor) -> Tensor:
    """CIE 1976 colour difference of every pixel: Euclidean distance in L*a*b*; about 2.3 is just noticeable.

    Args:
        a, b: uint8 (..., 3, H, W).

    Returns:
        float64 (..., H, W).
    """
    return (srgb_to_lab(a) - srgb_to_lab(b)).square().sum(-3).sqrt()
