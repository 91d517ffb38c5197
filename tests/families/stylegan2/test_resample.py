"""Resampling against loops that are slow and obviously right, in value, gradient and second gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anime_gen.families.stylegan2.resample import (
    blurred,
    convolved_and_doubled,
    convolved_and_halved,
    doubled,
    halved,
)

TAPS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


def slow_filter(x: Tensor, padding: int, step: int = 1) -> Tensor:
    """The sum over 4x4 places, one output pixel at a time."""
    height, width = x.shape[2:]
    rows = []
    for i in range(0, height + 2 * padding - 3, step):
        row = []
        for j in range(0, width + 2 * padding - 3, step):
            total = x.new_zeros(x.shape[:2])
            for a, down in enumerate(TAPS):
                for b, right in enumerate(TAPS):
                    y, z = i + a - padding, j + b - padding
                    if 0 <= y < height and 0 <= z < width:
                        total = total + down * right * x[:, :, y, z]
            row.append(total)
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)


def slow_doubled(x: Tensor) -> Tensor:
    """Zeros between the pixels, and four times the filter: two before, one behind."""
    full = torch.stack([x, torch.zeros_like(x)], -1).flatten(-2)
    full = torch.stack([full, torch.zeros_like(full)], -2).flatten(-3, -2)
    return 4 * slow_filter(full, 2)[..., :-1, :-1]


def slow_convolution(x: Tensor, weight: Tensor, padding: int, step: int = 1) -> Tensor:
    height, width = x.shape[2:]
    size = weight.shape[-1]
    rows = []
    for i in range(0, height + 2 * padding - size + 1, step):
        row = []
        for j in range(0, width + 2 * padding - size + 1, step):
            total = x.new_zeros(len(x), len(weight))
            for a in range(size):
                for b in range(size):
                    y, z = i + a - padding, j + b - padding
                    if 0 <= y < height and 0 <= z < width:
                        total = total + x[:, :, y, z] @ weight[:, :, a, b].T
            row.append(total)
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)


def agree(fast: Callable[..., Tensor], slow: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Values, gradients, and gradients of the gradients' squares."""
    results = []
    for function in (fast, slow):
        leaves = [part.clone().requires_grad_() for part in inputs]
        out = function(*leaves)
        weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view(out.shape)
        first = torch.autograd.grad((weights * out.square()).sum(), leaves, create_graph=True)
        second = torch.autograd.grad(sum(part.square().sum() for part in first), leaves)
        results.append([out, *first, *second])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def picture(channels: int = 2, side: int = 4) -> Tensor:
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    ("fast", "slow"),
    [
        (lambda x: blurred(x, 2), lambda x: slow_filter(x, 2)),
        (halved, lambda x: slow_filter(x, 1, 2)),
        (doubled, slow_doubled),
    ],
    ids=["blurred", "halved", "doubled"],
)
def test_filters(fast: Callable[[Tensor], Tensor], slow: Callable[[Tensor], Tensor]) -> None:
    agree(fast, slow, picture())


def test_convolutions() -> None:
    weight = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    agree(convolved_and_halved, lambda x, w: slow_convolution(slow_filter(x, 2), w, 0, 2), picture(), weight)


def test_convolution_after_doubling_is_doubling_before_it() -> None:
    """With the kernel turned round, as a transposed convolution has it, inside of the border."""
    weight = torch.randn(3, 2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    out = convolved_and_doubled(picture(side=6), weight)
    wanted = slow_convolution(doubled(picture(side=6)), weight.flip(2, 3), 1)
    torch.testing.assert_close(out[..., 2:-2, 2:-2], wanted[..., 2:-2, 2:-2])


def test_brightness_stays() -> None:
    flat = torch.ones(1, 1, 8, 8, dtype=torch.float64)
    for out in (blurred(flat, 2), doubled(flat), halved(flat)):
        torch.testing.assert_close(out[..., 2:-2, 2:-2], torch.ones_like(out[..., 2:-2, 2:-2]))
