"""Muon for hidden matrices and AdamW for the rest, as one optimiser.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the scale of its steps is that of Liu et
al. 2025, "Muon is scalable for LLM training", so that one learning rate does for both. torch's own takes matrices only:
here a convolution (out, in, height, width) is one of out rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import overload

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

# Jordan et al., "Newton-Schulz": the polynomial a x + b x^3 + c x^5 of singular values, and how often it is applied.
_COEFFICIENTS, _STEPS = (3.4445, -4.7750, 2.0315), 5
MOMENTUM = 0.95
# Liu et al. 2025, equation 4: steps of AdamW have entries of about this root mean square.
_RMS = 0.2


def orthogonalised(matrix_RC: Tensor) -> Tensor:
    """The nearest matrix whose singular values are all about 1 (0.7 to 1.2): every direction moves alike, rare ones too.

    Never in less than float32: machines without bfloat16 train the same network.
    """
    x = matrix_RC.to(torch.promote_types(matrix_RC.dtype, torch.float32))
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / (x.norm() + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(_STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide else x.T


class Muon(torch.optim.Optimizer):
    """Steps of one size in every direction of a matrix; AdamW for what is no matrix.

    Args:
        matrices: weights of two dimensions or more, whose first is of outputs.
        others: embeddings, scales, shifts, the first and the last layer.
        lr: of both.
        betas: AdamW's.
        weight_decay: of both, decoupled.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        groups = [{"params": list(matrices), "matrices": True}, {"params": list(others), "matrices": False}]
        super().__init__(groups, {"lr": lr, "betas": betas, "weight_decay": weight_decay, "eps": 1e-8})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of all weights that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            trained = [weight for weight in group["params"] if weight.grad is not None]
            if group["matrices"]:
                for weight in trained:
                    self._turn(weight, group["lr"], group["weight_decay"])
            else:
                self._adapt(trained, group)
        return loss

    def _turn(self, weight: nn.Parameter, lr: float, weight_decay: float) -> None:
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        momentum: Tensor = state["momentum"]
        momentum.lerp_(weight.grad, 1 - MOMENTUM)
        ahead = weight.grad.lerp(momentum, MOMENTUM).flatten(1)  # Nesterov's
        step = orthogonalised(ahead) * (_RMS * max(ahead.shape) ** 0.5)
        weight.mul_(1 - lr * weight_decay).sub_(step.view(weight.shape).to(weight.dtype), alpha=lr)

    def _adapt(self, weights: list[nn.Parameter], group: dict[str, object]) -> None:
        for weight in weights:
            state = self.state[weight]
            if not state:
                state |= {"step": torch.zeros(()), "mean": torch.zeros_like(weight), "square": torch.zeros_like(weight)}
        states = [self.state[weight] for weight in weights]
        beta1, beta2 = group["betas"]  # type: ignore[misc]
        adamw(
            list(weights),
            [weight.grad for weight in weights if weight.grad is not None],
            [state["mean"] for state in states],
            [state["square"] for state in states],
            [],
            [state["step"] for state in states],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
