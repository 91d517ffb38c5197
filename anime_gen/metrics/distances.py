"""Distances between sets of features: pure functions, float64 throughout.

Suffixes: N, M pictures; D features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_ROWS = 1024  # rows of a pairwise matrix held at once: 1024 x 50,000 float64 are 0.4 GB


class Moments(NamedTuple):
    """Mean and covariance of N pictures' features."""

    mean_D: Tensor
    covariance_DD: Tensor


def moments(n: Tensor | int, sum_D: Tensor, outer_DD: Tensor) -> Moments:
    """Mean and unbiased covariance (divisor N - 1) from sums that ranks can add up.

    Args:
        n: how many pictures, at least 2.
        sum_D: sum of f over pictures.
        outer_DD: sum of f f^T over pictures.
    """
    mean_D = sum_D.double() / n
    covariance_DD = (outer_DD.double() - n * torch.outer(mean_D, mean_D)) / (n - 1)
    return Moments(mean_D, covariance_DD)


def frechet_distance(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance of two Gaussians: |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)).

    Dowson & Landau 1982; Heusel et al. 2017, eq. 6. The trace is taken of (C_a^(1/2) C_b C_a^(1/2))^(1/2), which has
    the eigenvalues of (C_a C_b)^(1/2) but is symmetric: real by construction, where a general matrix root may return
    an imaginary part for the singular covariances of small N.

    Args:
        mean_a, mean_b: (D,).
        cov_a, cov_b: (D, D), symmetric, positive semi-definite up to rounding.

    Returns:
        float64 scalar, at least 0.
    """
    mean_a, cov_a, mean_b, cov_b = (part.double() for part in (mean_a, cov_a, mean_b, cov_b))
    values, vectors = torch.linalg.eigh(cov_a)
    root_a = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    middle = root_a @ cov_b @ root_a
    cross = torch.linalg.eigvalsh((middle + middle.T) / 2).clamp(min=0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return torch.clamp(distance, min=0)


def kernel_distance(x_ND: Tensor, y_MD: Tensor) -> Tensor:
    """Unbiased MMD^2 with KID's kernel k(x, y) = (x.y / D + 1)^3, over all pairs.

    Binkowski et al. 2018, section 4 (kernel) and Gretton et al. 2012, eq. 3 (estimator): the mean of k over x != x',
    plus that over y != y', minus twice that over all (x, y). All pairs instead of random subsets: the value depends
    neither on a seed nor on the order of the pictures.

    Args:
        x_ND, y_MD: features, N and M at least 2.

    Returns:
        float64 scalar; it may be slightly below 0.
    """
    x, y = x_ND.double(), y_MD.double()
    n, m = len(x), len(y)
    same_x, same_y = _kernel_sum(x, x) - _diagonal_sum(x), _kernel_sum(y, y) - _diagonal_sum(y)
    return same_x / (n * (n - 1)) + same_y / (m * (m - 1)) - 2 * _kernel_sum(x, y) / (n * m)


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    """Sum of the kernel over all pairs."""
    return torch.stack([(rows @ y.T / x.shape[1] + 1).pow(3).sum() for rows in torch.split(x, _ROWS)]).sum()


def _diagonal_sum(x: Tensor) -> Tensor:
    """Sum of the kernel of every picture with itself."""
    return (x.square().sum(1) / x.shape[1] + 1).pow(3).sum()


def nearest(x_ND: Tensor, y_MD: Tensor) -> Tensor:
    """Euclidean distance of each x to its nearest y, (N,) float64, computed some rows at a time.

    By |x|^2 + |y|^2 - 2 x.y in float64, which is off by at most about 1e-6 where x equals y.
    """
    x, y = x_ND.double(), y_MD.double()
    # Distances do not change when both sets move, and rounding is smallest around the middle.
    middle = y.mean(0)
    x, y = x - middle, y - middle
    length_M = y.square().sum(1)
    squared = [(length_M - 2 * rows @ y.T).amin(1) + rows.square().sum(1) for rows in torch.split(x, _ROWS)]
    return torch.cat(squared).clamp(min=0).sqrt() if squared else x.new_zeros(0)
