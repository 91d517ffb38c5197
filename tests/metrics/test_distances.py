import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anime_gen.metrics import distances

seeds = st.integers(0, 2**32 - 1)


def gaussian(seed: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(seed)
    root = torch.randn(width, width, generator=stream, dtype=torch.float64)
    return torch.randn(width, generator=stream, dtype=torch.float64), root @ root.T


@settings(max_examples=25)
@given(seeds, st.integers(1, 24))
def test_frechet_is_that_of_scipys_root(seed, width):
    (mean_a, cov_a), (mean_b, cov_b) = gaussian(seed, width), gaussian(seed + 1, width)
    root = scipy.linalg.sqrtm(cov_a.numpy() @ cov_b.numpy()).real
    wanted = ((mean_a - mean_b) ** 2).sum() + np.trace(cov_a.numpy() + cov_b.numpy() - 2 * root)
    found = distances.frechet_distance(mean_a, cov_a, mean_b, cov_b)
    assert found.item() == pytest.approx(float(wanted), rel=1e-7, abs=1e-7)
    assert distances.frechet_distance(mean_b, cov_b, mean_a, cov_a).item() == pytest.approx(found.item(), rel=1e-9)


def test_frechet_of_independent_gaussians():
    # Covariances that commute: |m|^2 + sum (s_a - s_b)^2.
    mean_a, mean_b = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, 3.5])
    scale_a, scale_b = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([3.0, 2.0, 0.5])
    found = distances.frechet_distance(mean_a, scale_a.square().diag(), mean_b, scale_b.square().diag())
    assert found.item() == pytest.approx(4.25 + 4 + 0.25, rel=1e-12)
    assert found.dtype == torch.float64


@pytest.mark.parametrize("pictures", [5, 100])
def test_frechet_to_itself_is_zero_even_with_a_singular_covariance(pictures):
    x = torch.randn(pictures, 16, dtype=torch.float64)
    own = distances.moments(len(x), x.sum(0), x.T @ x)
    assert distances.frechet_distance(*own, *own).item() == pytest.approx(0, abs=1e-6)


@given(seeds)
def test_moments_are_those_of_torch(seed):
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 3
    mean, covariance = distances.moments(9, x.sum(0), x.T @ x)
    torch.testing.assert_close(mean, x.mean(0))
    torch.testing.assert_close(covariance, torch.cov(x.T))


@settings(max_examples=25)
@given(seeds, st.integers(2, 7), st.integers(2, 7), st.integers(1, 5))
def test_kernel_distance_is_the_sum_over_pairs(seed, n, m, width):
    stream = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, width, generator=stream).double(), torch.randn(m, width, generator=stream).double()

    def kernel(a, b):
        return float((a @ b / width + 1) ** 3)

    wanted = (
        sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
        + sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
        - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)
    )
    assert distances.kernel_distance(x, y).item() == pytest.approx(wanted, rel=1e-9, abs=1e-9)


def test_kernel_distance_is_unbiased():
    torch.manual_seed(0)
    found = [distances.kernel_distance(*torch.randn(2, 20, 4)).item() for _ in range(400)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 20
    assert min(found) < 0


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_nearest(monkeypatch, rows):
    monkeypatch.setattr(distances, "_ENTRIES", rows * 25)
    torch.manual_seed(0)
    x, y = torch.randn(10, 6), torch.randn(25, 6)
    x[4] = y[7]
    found = distances.nearest(x, y)
    torch.testing.assert_close(found, torch.cdist(x.double(), y.double()).amin(1), rtol=1e-9, atol=1e-6)
    assert found[4] < 1e-6


def test_chunks_change_nothing(monkeypatch):
    torch.manual_seed(0)
    x, y = torch.randn(50, 6), torch.randn(30, 6) + 0.5
    whole = distances.kernel_distance(x, y).item()
    monkeypatch.setattr(distances, "_ENTRIES", 7 * 30)
    assert distances.kernel_distance(x, y).item() == pytest.approx(whole, rel=1e-12)


def test_overlap_is_that_of_all_pairs(monkeypatch):
    monkeypatch.setattr(distances, "_ENTRIES", 7 * 30)
    torch.manual_seed(0)
    x, y = torch.randn(40, 3).double(), torch.randn(30, 3).double() + 1.5
    between, within = torch.cdist(x, y), [torch.cdist(z, z).sort(1).values for z in (x, y)]
    found = distances.overlap(x, y, 2, 4)
    inside = between <= within[0][:, 2, None]
    assert found.precision.item() == pytest.approx(inside.any(0).double().mean().item())
    assert found.recall.item() == pytest.approx((between <= within[1][:, 2]).any(1).double().mean().item())
    near = between < within[0][:, 4, None]
    assert found.density.item() == pytest.approx(near.sum().item() / 4 / 30)
    assert found.coverage.item() == pytest.approx(near.any(1).double().mean().item())
    assert 0 < found.precision < 1
    assert 0 < found.coverage < 1


@settings(max_examples=25)
@given(seeds, st.integers(2, 12))
def test_no_axis_tells_two_sets_further_apart_than_the_discriminant(seed, width):
    (mean_a, cov_a), (mean_b, cov_b) = gaussian(seed, width), gaussian(seed + 1, width)
    cov_a, cov_b = (cov + torch.eye(width, dtype=torch.float64) for cov in (cov_a, cov_b))

    def apart(axis):
        return float((axis @ (mean_b - mean_a)) ** 2 / (axis @ (cov_a + cov_b) @ axis))

    a, b = distances.Moments(mean_a, cov_a), distances.Moments(mean_b, cov_b)
    found = distances.discriminant(a, b, ridge=0)
    assert (mean_b - mean_a) @ found > 0
    stream = torch.Generator().manual_seed(seed)
    for step in (0.01, 0.1, 1, 10):
        away = torch.randn(width, generator=stream, dtype=torch.float64) * found.norm() / width**0.5
        assert apart(found + step * away) <= apart(found) * (1 + 1e-9)
    # The unit of a feature says nothing, and one that never differs counts for nothing.
    unit = torch.cat([torch.logspace(-3, 3, width - 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)])
    c, d = (distances.Moments(one.mean_D * unit, one.covariance_DD * unit * unit[:, None]) for one in (a, b))
    ridged = distances.discriminant(c, d)
    assert ridged[-1] == 0
    scaled = distances.discriminant(*(distances.Moments(2 * m, 4 * v) for m, v in (c, d)))
    torch.testing.assert_close(2 * scaled, ridged)
