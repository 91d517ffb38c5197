"""Distances between sets of features: pure functions, in float64 (but for `published_kid`).

Suffixes: N, M pictures; D features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# Entries of a pairwise matrix held at once (64 MB): memory does not grow with the number of pictures.
_ENTRIES = 2**23
_COLUMNS = 4096


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
    root_a = (vectors * _roots(values)) @ vectors.T
    middle = root_a @ cov_b @ root_a
    cross = _roots(torch.linalg.eigvalsh((middle + middle.T) / 2)).sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return torch.clamp(distance, min=0)


def _roots(values_D: Tensor) -> Tensor:
    """Of ascending eigenvalues; 0 of those that only rounding keeps from 0, for half of their digits would be noise."""
    return torch.where(values_D > len(values_D) * torch.finfo(values_D.dtype).eps * values_D[-1], values_D, 0.0).sqrt()


def whitening(real: Moments, directions: int) -> Tensor:
    """Axes along which features without a common unit are compared, (K, D): what maps them, less their mean, there.

    Each feature in units of its deviation over real pictures, then the principal directions of those, the widest
    first, in units of theirs. K is `directions`, or fewer where real pictures differ along fewer.
    """
    deviation_D = real.covariance_DD.diagonal().sqrt()
    unit_D = torch.where(deviation_D > 0, 1 / deviation_D, 0.0)
    values, vectors = torch.linalg.eigh(real.covariance_DD * unit_D * unit_D[:, None])
    wide = values > 1e-6 * values[-1]
    values, vectors = values[wide].flip(0)[:directions], vectors[:, wide].flip(1)[:, :directions]
    return (vectors / values.sqrt()).T * unit_D


def discriminant(plain: Moments, changed: Moments, ridge: float = 0.1) -> Tensor:
    """The axis (D,) along which two sets differ most for how much each varies (Fisher 1936), of no particular length.

    Features are taken in units of their deviation in the plain set, and the ridge (Friedman 1989, eq. 18) is in the
    same units: with as few pictures as these have, plain inverses follow chance.
    """
    deviation_D = plain.covariance_DD.diagonal().sqrt()
    unit_D = torch.where(deviation_D > 0, 1 / deviation_D, 0.0)
    within_DD = (plain.covariance_DD + changed.covariance_DD) / 2 * unit_D * unit_D[:, None]
    within_DD = within_DD + ridge * torch.eye(len(unit_D), dtype=within_DD.dtype, device=within_DD.device)
    return torch.linalg.solve(within_DD, (changed.mean_D - plain.mean_D) * unit_D) * unit_D


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
    n, m = len(x_ND), len(y_MD)
    between = torch.stack([_cubic(products, x_ND.shape[1]).sum() for _, products in _products(x_ND, y_MD)]).sum()
    return _cubic_within(x_ND) / (n * (n - 1)) + _cubic_within(y_MD) / (m * (m - 1)) - 2 * between / (n * m)


def published_kid(real_ND: Tensor, fake_MD: Tensor, subsets: int, size: int, seed: int) -> Tensor:
    """KID of random subsets as the published programs compute it, (subsets,) float64.

    `kernel_distance`, but in NumPy's float32: its rounding, some 1e-6 of the value, is part of published numbers. The
    subsets are those of torch-fidelity (`rng_seed`), drawn without replacement by the Mersenne twister, first of fake
    and then of real pictures. So the value depends on their order.

    Args:
        real_ND, fake_MD: features, N and M at least `size`.
    """
    fake, real = (side.float().cpu().numpy() for side in (fake_MD, real_ND))
    stream = np.random.RandomState(seed)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T * (1 / x.shape[1]) + 1) ** 3

    def within(x: np.ndarray) -> np.ndarray:
        square = kernel(x, x)
        return (square.sum(1) - square.diagonal()).sum()

    found = np.empty(subsets)
    for i in range(subsets):
        x = fake[stream.choice(len(fake), size, replace=False)]
        y = real[stream.choice(len(real), size, replace=False)]
        found[i] = (within(x) + within(y)) / (size * (size - 1)) - 2 * kernel(x, y).sum(0).sum() / (size * size)
    return torch.from_numpy(found)


def _cubic(products: Tensor, width: int) -> Tensor:
    """KID's kernel from inner products, in place."""
    return products.div_(width).add_(1).pow_(3)


def _cubic_within(x: Tensor) -> Tensor:
    """Sum of the cubic kernel over all pairs of different rows: it is symmetric, half of it is enough."""
    width = x.shape[1]
    total = x.new_zeros((), dtype=torch.float64)
    for rows, products in _products(x, x, upper=True):
        kernel = _cubic(products, width)
        square = kernel[:, : rows.stop - rows.start]
        total = total + 2 * kernel.sum() - square.sum() - square.diagonal().sum()
    return total


def gaussian_distance(x_ND: Tensor, y_MD: Tensor, sigma: float = 10.0) -> Tensor:
    """MMD^2 with the kernel exp(-|x - y|^2 / (2 sigma^2)), over all pairs, the same picture twice included (biased).

    Jayasumana et al. 2024, eq. 1 and section 4: CMMD is 1000 times this, of CLIP embeddings of length 1.

    Returns:
        float64 scalar, at least 0 up to rounding.
    """

    def mean(x: Tensor, y: Tensor) -> Tensor:
        kernels = [squared.div_(-2 * sigma**2).exp_().sum() for _, squared in _squared_distances(x, y)]
        return torch.stack(kernels).sum() / (len(x) * len(y))

    return mean(x_ND, x_ND) + mean(y_MD, y_MD) - 2 * mean(x_ND, y_MD)


def inception_scores(logits_NK: Tensor, splits: int, seed: int) -> Tensor:
    """exp of the mean over pictures of KL(p(y|x) || p(y)), for each split of the shuffled pictures, (splits,) float64.

    Salimans et al. 2016, section 4; the shuffle and the splits are torch-fidelity's (`rng_seed`, `isc_splits`).

    Args:
        logits_NK: unnormalised log probabilities, N at least `splits`.
    """
    n = len(logits_NK)
    order = torch.from_numpy(np.random.RandomState(seed).permutation(n))  # the published numbers
    found = []
    for i in range(splits):
        rows = order[i * n // splits : (i + 1) * n // splits].to(logits_NK.device)
        log_p = logits_NK[rows].double().log_softmax(1)
        p = log_p.exp()
        found.append((p * (log_p - p.mean(0).log())).sum(1).mean().exp())
    return torch.stack(found)


class Overlap(NamedTuple):
    """How two sets cover each other: float64 scalars, precision, recall and coverage in [0, 1]."""

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def overlap(real_ND: Tensor, fake_MD: Tensor, neighbours: int = 3, density_neighbours: int = 5) -> Overlap:
    """Precision and recall (Kynkäänniemi et al. 2019, eq. 1), density and coverage (Naeem et al. 2020, eqs. 3 and 4).

    A picture's ball reaches to its k-th nearest other picture of its own set. Precision: share of sampled pictures that
    lie in a real picture's ball; recall: the other way round; density: in how many real balls a sampled picture lies,
    over k; coverage: share of real pictures with a sampled one in their ball. The edge of a ball belongs to it for the
    first two and not for the others, as in both papers' programs.

    Args:
        real_ND, fake_MD: features, more of each than either k.
        neighbours: k of precision and recall.
        density_neighbours: k of density and coverage.
    """
    k = max(neighbours, density_neighbours) + 1  # a picture is its own nearest
    real_ball, fake_ball = (
        torch.cat([squared.topk(k, largest=False).values for _, squared in _squared_distances(x, x)])
        for x in (real_ND, fake_MD)
    )
    inside = torch.zeros(len(fake_MD), dtype=torch.bool, device=fake_MD.device)
    recalled, covered, density = [], [], []
    for rows, squared in _squared_distances(real_ND, fake_MD):
        inside = inside | (squared <= real_ball[rows, neighbours, None]).any(0)
        recalled.append((squared <= fake_ball[:, neighbours]).any(1))
        near = squared < real_ball[rows, density_neighbours, None]
        density.append(near.sum())
        covered.append(near.any(1))
    return Overlap(
        inside.double().mean(),
        torch.cat(recalled).double().mean(),
        torch.stack(density).sum().double() / (density_neighbours * len(fake_MD)),
        torch.cat(covered).double().mean(),
    )


def nearest(x_ND: Tensor, y_MD: Tensor) -> Tensor:
    """Euclidean distance of each x to its nearest y, (N,) float64, computed some rows at a time.

    By |x|^2 + |y|^2 - 2 x.y in float64, which is off by at most about 1e-6 where x equals y.
    """
    squared = [block.amin(1) for _, block in _squared_distances(x_ND, y_MD)]
    return torch.cat(squared).sqrt() if squared else x_ND.new_zeros(0, dtype=torch.float64)


def _squared_distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """|x - y|^2 of some rows and all columns at a time, float64, at least 0."""
    # Distances do not change when both sets move, and rounding is smallest around the middle.
    middle = y.mean(0, dtype=torch.float64)
    length_x, length_y = (
        torch.cat([(part.double() - middle).square().sum(1) for part in torch.split(z, _COLUMNS)]) for z in (x, y)
    )
    for rows, products in _products(x, y, middle):
        yield rows, products.mul_(-2).add_(length_x[rows, None]).add_(length_y).clamp_(min=0)


def _products(
    x: Tensor, y: Tensor, middle: Tensor | None = None, upper: bool = False
) -> Iterator[tuple[slice, Tensor]]:
    """Inner products of some rows with all columns at a time, float64.

    Features stay as they are: only what is multiplied at the moment is ever float64.

    Args:
        middle: subtracted from both first.
        upper: leave out the columns in front of the rows.
    """

    def moved(part: Tensor) -> Tensor:
        return part.double() if middle is None else part.double() - middle

    step = max(1, _ENTRIES // max(len(y), 1))
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        left, columns = moved(x[rows]), y[start:] if upper else y
        products = left.new_empty(len(left), len(columns))
        for first in range(0, len(columns), _COLUMNS):
            part = moved(columns[first : first + _COLUMNS])
            torch.mm(left, part.T, out=products[:, first : first + len(part)])
        yield rows, products
