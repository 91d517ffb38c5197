"""One step of one of several optimisers, for families whose networks play against each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn


def optimizer_step(
    module: L.LightningModule, optimizer: LightningOptimizer, loss: Tensor, network: nn.Module
) -> Tensor:
    """One step down `loss`; returns the L2 norm of the gradient over all of the network's parameters, a scalar."""
    optimizer.zero_grad()
    # What a penalty differentiates for the second time was made in float32, and stays so.
    with torch.autocast(module.device.type, enabled=False):
        module.manual_backward(loss)
    norm = nn.utils.get_total_norm([parameter.grad for parameter in network.parameters() if parameter.grad is not None])
    optimizer.step()
    # Or what runs next would meet this network's rounded weights of before the step.
    torch.clear_autocast_cache()
    return norm


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within, a backward pass works out no gradients for this network's parameters: nobody would use them."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
