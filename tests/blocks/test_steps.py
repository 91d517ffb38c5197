"""One step of one of several optimisers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import torch
from torch import nn

from anime_gen.blocks.steps import frozen, optimizer_step


def module() -> Any:
    return SimpleNamespace(device=torch.device("cpu"), manual_backward=lambda loss: loss.backward())


def test_what_runs_after_a_step_meets_the_new_weights() -> None:
    """Autocast rounds a weight once and keeps that: without care the other network would play against an old one."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    optimizer = cast(Any, torch.optim.SGD(layer.parameters(), lr=0.5))
    with torch.autocast("cpu", torch.bfloat16):
        norm = optimizer_step(module(), optimizer, layer(torch.ones(1, 1)).float().sum(), layer)
        assert layer(torch.ones(1, 1)).item() == 0.5
    assert norm.item() == 1


def test_second_derivatives_stay_in_float32() -> None:
    """A penalty made without autocast is differentiated again without it."""
    seen: list[torch.dtype] = []
    network = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = cast(Any, torch.optim.SGD(network.parameters(), lr=0.1))
    with torch.autocast("cpu", torch.bfloat16):
        with torch.autocast("cpu", enabled=False):
            x = torch.randn(4, 3, requires_grad=True)
            (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
        own = module()

        def backward(loss: torch.Tensor) -> None:
            seen.append(torch.mm(torch.ones(1, 1), torch.ones(1, 1)).dtype)  # as the second derivative's own products
            loss.backward()

        own.manual_backward = backward
        optimizer_step(own, optimizer, slope.square().sum(), network)
    assert seen == [torch.float32]


def test_a_frozen_network_passes_gradients_on_and_keeps_none() -> None:
    layer, x = nn.Linear(2, 2), torch.ones(1, 2, requires_grad=True)
    with frozen(layer):
        layer(x).sum().backward()
    assert layer.weight.grad is None
    assert x.grad is not None
    assert layer.weight.requires_grad
