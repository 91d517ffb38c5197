"""Muon for hidden matrices and AdamW for the rest, as one optimiser.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the scale of its steps is that of Liu et
al. 2025, "Muon is scalable for LLM training", so that one learning rate does for both. torch's own takes matrices only:
here a convolution (out, in, height, width) is one of out rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# Jordan et al., "Newton-Schulz": the polynomial a x + b x^3 + c x^5 of singular values, and how often it is applied.
_COEFFICIENTS, _STEPS = (3.4445, -4.7750, 2.0315), 5
MOMENTUM = 0.95
# Liu et al. 2025, section 2.2: steps of AdamW have entries of about this root mean square.
_RMS = 0.2


def orthogonalised(matrix_RC: Tensor) -> Tensor:
    """The nearest matrix whose singular values are all about 1 (0.7 to 1.2): all directions move alike, rare ones too.

    Never in less than float32: machines without bfloat16 train the same network.
    """
    x = matrix_RC.to(torch.promote_types(matrix_RC.dtype, torch.float32))
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / (x.norm() + 1e-7)
    a, b, c = _COEFFICIENTS
    # x -> (a + b x x' + c (x x')^2) x, again and again. The brackets are polynomials of x x', and small: only they are
    # multiplied with each other, and x once at the end, for a third of the work in float32.
    square = x @ x.T
    factor = None
    for left in reversed(range(_STEPS)):
        once = torch.addmm(square, square, square, beta=b, alpha=c)
        once.diagonal().add_(a)
        factor = once if factor is None else once @ factor
        if left:
            square = once @ square @ once
    assert factor is not None
    x = factor @ x
    return x if wide else x.T


class Muon(torch.optim.AdamW):
    """Steps of one size in every direction of a matrix; AdamW's for what is no matrix.

    Args:
        matrices: weights of two dimensions or more, whose first is of outputs.
        others: embeddings, scales, shifts, the first and the last layer.
        lr: of both.
        betas: AdamW's.
        weight_decay: of both, decoupled.
        fused: AdamW's.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        fused: bool = False,
    ) -> None:
        groups = [{"params": list(others)}, {"params": list(matrices)}]
        super().__init__(groups, lr, betas, weight_decay=weight_decay, fused=fused)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of all weights that have a gradient. Returns what the closure gives."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        matrices = self.param_groups[1]
        gradients = [weight.grad for weight in matrices["params"]]
        for weight, gradient in zip(matrices["params"], gradients, strict=True):
            if gradient is not None:
                self._turn(weight, gradient, matrices["lr"], matrices["weight_decay"])
                weight.grad = None  # AdamW passes over what has none
        super().step()
        for weight, gradient in zip(matrices["params"], gradients, strict=True):
            weight.grad = gradient
        return loss

    def _turn(self, weight: nn.Parameter, gradient: Tensor, lr: float, weight_decay: float) -> None:
        state = self.state[weight]
        if not state:
            # AdamW looks for a count of steps in whatever it loads.
            state |= {"step": torch.zeros((), device=weight.device), "momentum": torch.zeros_like(weight)}
        state["step"] += 1
        momentum: Tensor = state["momentum"]
        momentum.lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM).flatten(1)  # Nesterov's
        step = orthogonalised(ahead) * (_RMS * max(ahead.shape) ** 0.5)
        weight.mul_(1 - lr * weight_decay).sub_(step.view(weight.shape).to(weight.dtype), alpha=lr)
