"""A seed means the same numbers on every processor."""

import ast
import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from anime_gen.noise import APART, Near, Noise, SameFirstWeights, normal, normal_, normal_like, uniform_

ROOT = Path(__file__).resolve().parent.parent


def test_normal_numbers_are_standard_normal_and_the_streams_own():
    stream = torch.Generator().manual_seed(3)
    first, second = (normal(50_000, generator=stream) for _ in range(2))
    assert first.dtype == torch.float32
    assert not torch.equal(first, second)
    torch.testing.assert_close(first, normal(50_000, generator=torch.Generator().manual_seed(3)), rtol=0, atol=0)
    for one in (first, second):
        assert abs(float(one.mean())) < 4 / math.sqrt(50_000)
        assert abs(float(one.var()) - 1) < 4 * math.sqrt(2 / 50_000)
        # Kolmogorov-Smirnov, 1 in 1000.
        steps = (torch.arange(50_000) + 0.5) / 50_000
        assert float((torch.special.ndtr(one.double().sort().values) - steps).abs().max()) < 1.95 / math.sqrt(50_000)


def test_training_noise_follows_torchs_seed():
    torch.manual_seed(1)
    first = normal(3, 4)
    torch.manual_seed(1)
    assert torch.equal(first, normal(3, 4))
    assert not torch.equal(first, normal(3, 4))


def test_float64_has_the_same_numbers():
    """Or a run in float64 would be another run."""
    x = normal(5, generator=torch.Generator().manual_seed(0))
    try:
        torch.set_default_dtype(torch.float64)
        y = normal(5, generator=torch.Generator().manual_seed(0))
    finally:
        torch.set_default_dtype(torch.float32)
    assert y.dtype == torch.float64
    assert torch.equal(x.double(), y)


def test_values_do_not_depend_on_the_memory_format():
    x = torch.zeros(2, 3, 4, 5)
    torch.manual_seed(0)
    contiguous = normal_like(x)
    torch.manual_seed(0)
    assert torch.equal(contiguous, normal_like(x.to(memory_format=torch.channels_last)))


def test_in_place_mean_deviation_and_bounds():
    x = normal_(torch.empty(100_000), 2.0, 0.5)
    assert float(x.mean()) == pytest.approx(2.0, abs=0.01)
    assert float(x.std()) == pytest.approx(0.5, abs=0.01)
    y = uniform_(torch.empty(100_000), -3.0, 1.0)
    assert -3 <= float(y.min()) < -2.99
    assert 0.99 < float(y.max()) < 1


def test_a_picture_depends_on_its_own_seed_only():
    both = Noise([7, 8])
    first, second = both.normal(3, 2), both.normal(4)
    alone = Noise([8])
    assert torch.equal(alone.normal(3, 2)[0], first[1])
    assert torch.equal(alone.normal(4)[0], second[1])


def layers() -> list[nn.Module]:
    with SameFirstWeights():
        return [
            nn.Conv2d(3, 8, 3),
            nn.ConvTranspose2d(3, 8, 3),
            nn.Linear(5, 6),
            nn.Embedding(7, 8),
            nn.MultiheadAttention(8, 2),
            nn.TransformerEncoderLayer(8, 2, 16),
            spectral_norm(nn.Linear(3, 3)),
        ]


def test_first_weights_are_distributed_as_torchs():
    torch.manual_seed(0)
    with SameFirstWeights():
        ours = nn.Linear(400, 300)
    assert float(ours.weight.abs().max()) == pytest.approx(400**-0.5, rel=1e-3)
    assert float(ours.weight.std()) == pytest.approx(400**-0.5 / math.sqrt(3), rel=1e-2)


def digest() -> str:
    """Of everything that is drawn."""
    torch.manual_seed(5)
    drawn = [normal(10_001), normal_(torch.empty(5_000), 0.3, 0.02), uniform_(torch.empty(10_001), -0.037, 0.037)]
    drawn += [Noise([1, 2**62]).normal(3, 64, 64), torch.rand(1000), torch.randperm(1000)]
    with SameFirstWeights():
        drawn.append(torch.randn(1000))
    # The singular vectors that spectral_norm works out of what it draws are computed, not drawn.
    drawn += [
        part for layer in layers() for name, part in layer.state_dict().items() if not name.endswith(("_u", "_v"))
    ]
    found = hashlib.sha256()
    for part in drawn:
        found.update(np.ascontiguousarray(part.numpy()).tobytes())
    return found.hexdigest()


# Drawn once; where it differs, seeds mean other numbers than they did, and every picture of a seed is another one.
DRAWN = "66224d0d65b35cc54a148acb6f4e80c843a08b75c0ff01b8b3793966574fb813"


def test_seeds_mean_what_they_did():
    assert digest() == DRAWN


NORMAL = re.compile(
    r"randn|\bnormal_|standard_normal|torch\.normal|\.uniform_\(|kaiming|xavier|orthogonal_|trunc_normal"
)


def owner(node: ast.Attribute) -> str:
    return node.value.id if isinstance(node.value, ast.Name) else ""


def test_nothing_else_draws_normal_numbers():
    """What other pages may do is call this one."""
    ours = {"normal", "normal_", "normal_like", "uniform_"}
    for path in (ROOT / "anime_gen").rglob("*.py"):
        if path.name == "noise.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and NORMAL.search(f"{owner(node)}.{node.attr}("):
                on_numpy = node.attr == "standard_normal"  # the exported pipeline, which stands alone
                assert on_numpy, f"{path.relative_to(ROOT)}:{node.lineno} draws with .{node.attr}: use anime_gen.noise"
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("torch"):
                assert not ours & {alias.name for alias in node.names}


def test_a_stream_near_another_is_like_it_and_normal():
    origin, near, other, apart = Noise([3, Near(3, 8), Near(3, 9), 4]).normal(20_000)
    assert abs(float(near.var()) - 1) < 0.05
    assert not torch.equal(near, other)
    correlation = torch.corrcoef(torch.stack([origin, near, other, apart]))
    assert abs(float(correlation[0, 1]) - (1 - APART) ** 0.5) < 0.02
    assert abs(float(correlation[0, 3])) < 0.03
    assert torch.equal(near, Noise([Near(3, 8)]).normal(20_000)[0])
