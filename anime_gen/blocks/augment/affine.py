"""Homogeneous matrices, one a picture: (B, 3, 3) moves points of the plane, (B, 4, 4) moves colours.

Each takes its parameters as (B,) floats and is exactly the identity where they are neutral. They are those of Karras
et al. 2020 (Training Generative Adversarial Networks with Limited Data), appendix B (the pseudocode of the pipeline).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def translate2d(x_B: Tensor, y_B: Tensor) -> Tensor:
    """(x, y) -> (x + x_B, y + y_B); y points down."""
    matrix_B33 = _identity(x_B, 3)
    matrix_B33[:, 0, 2] = x_B
    matrix_B33[:, 1, 2] = y_B
    return matrix_B33


def scale2d(x_B: Tensor, y_B: Tensor) -> Tensor:
    """(x, y) -> (x_B x, y_B y)."""
    matrix_B33 = _identity(x_B, 3)
    matrix_B33[:, 0, 0] = x_B
    matrix_B33[:, 1, 1] = y_B
    return matrix_B33


def rotate2d(angle_B: Tensor) -> Tensor:
    """Turns the x axis towards the y axis by radians: clockwise on a screen, where y points down."""
    matrix_B33 = _identity(angle_B, 3)
    cosine_B, sine_B = angle_B.cos(), angle_B.sin()
    matrix_B33[:, 0, 0] = cosine_B
    matrix_B33[:, 0, 1] = -sine_B
    matrix_B33[:, 1, 0] = sine_B
    matrix_B33[:, 1, 1] = cosine_B
    return matrix_B33


def brighten(amount_B: Tensor) -> Tensor:
    """TRANSLATE3D(b, b, b): adds to every channel."""
    matrix_B44 = _identity(amount_B, 4)
    matrix_B44[:, :3, 3] = amount_B[:, None]
    return matrix_B44


def stretch_contrast(factor_B: Tensor) -> Tensor:
    """SCALE3D(c, c, c): scales every colour's distance to mid-grey, which is 0."""
    matrix_B44 = _identity(factor_B, 4)
    matrix_B44.diagonal(dim1=1, dim2=2)[:, :3] *= factor_B[:, None]
    return matrix_B44


def flip_luma(whether_B: Tensor) -> Tensor:
    """I - 2 v v^T i with the luma axis v = (1, 1, 1) / sqrt 3: light turns dark and hue stays, where `whether` is 1."""
    return _identity(whether_B, 4) - 2 * whether_B[:, None, None] * _luma(whether_B)


def rotate_hue(angle_B: Tensor) -> Tensor:
    """ROTATE3D(v, theta): colours turn about the luma axis by radians. Rodrigues: I + sin K + (1 - cos) K^2."""
    cross = torch.zeros(4, 4, dtype=angle_B.dtype, device=angle_B.device)
    cross[:3, :3] = _circulant(angle_B) / math.sqrt(3)  # K y = v x y
    angle_B11 = angle_B[:, None, None]
    return _identity(angle_B, 4) + angle_B11.sin() * cross + (1 - angle_B11.cos()) * (cross @ cross)


def saturate(factor_B: Tensor) -> Tensor:
    """v v^T + s (I - v v^T): scales every colour's distance to its own grey."""
    identity_B44 = _identity(factor_B, 4)
    across_B44 = identity_B44 - _luma(factor_B)
    across_B44[:, 3, 3] = 0
    return identity_B44 + (factor_B[:, None, None] - 1) * across_B44


def is_identity(matrix_BNN: Tensor) -> Tensor:
    """(B,) bool: matrices that change nothing at all."""
    return (matrix_BNN == _identity(matrix_BNN[:, 0, 0], matrix_BNN.shape[1])).flatten(1).all(dim=1)


def _identity(like_B: Tensor, size: int) -> Tensor:
    return torch.eye(size, dtype=like_B.dtype, device=like_B.device).repeat(len(like_B), 1, 1)


def _luma(like_B: Tensor) -> Tensor:
    """v v^T of the luma axis, (4, 4), 0 where a homogeneous coordinate takes part."""
    projection = torch.zeros(4, 4, dtype=like_B.dtype, device=like_B.device)
    projection[:3, :3] = 1 / 3
    return projection


def _circulant(like_B: Tensor) -> Tensor:
    """[[0, -1, 1], [1, 0, -1], [-1, 1, 0]]: sqrt 3 times the cross product with the luma axis, as a matrix."""
    identity = torch.eye(3, dtype=like_B.dtype, device=like_B.device)
    return identity.roll(1, dims=0) - identity.roll(1, dims=1)
