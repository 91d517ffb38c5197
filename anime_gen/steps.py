"""One step of one of several optimisers, for families whose networks play against each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn


def descend(module: L.LightningModule, optimizer: LightningOptimizer, loss: Tensor, network: nn.Module) -> Tensor:
    """One step down `loss`; returns the L2 norm of the gradient over all of the network's parameters, a scalar."""
    optimizer.zero_grad()
    module.manual_backward(loss)
    norm = nn.utils.get_total_norm([parameter.grad for parameter in network.parameters() if parameter.grad is not None])
    optimizer.step()
    return norm


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within, a backward pass works out no gradients for this network's parameters: nobody would use them."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
