"""Layers with equalised learning rates (Karras et al. 2018, section 4.1), and the activation.

Weights are drawn from N(0, 1) and scaled by 1 / sqrt(inputs) whenever they are used, so that Adam's steps are as large
for every layer in proportion to its weights.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.families.stylegan2.resample import convolved_and_halved, halved
from anime_gen.noise import normal

SLOPE = 0.2
GAIN = math.sqrt(2)  # keeps the variance of what passes the activation


def activated(x: Tensor) -> Tensor:
    """Leaky ReLU, in place. Its gain of sqrt(2) is the caller's: it may be put into the weights, which is cheaper."""
    return F.leaky_relu(x, SLOPE, inplace=True)


class Dense(nn.Module):
    """x W^T + b, (..., inputs) -> (..., outputs).

    Args:
        inputs: numbers in.
        outputs: numbers out.
        bias: of the outputs at first; None for no bias.
        rate: factor of the learning rate. The mapping network's is 0.01 (Karras et al. 2019, appendix C).
        active: pass it through the activation, with its gain.
    """

    def __init__(
        self, inputs: int, outputs: int, bias: float | None = 0.0, rate: float = 1.0, active: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(outputs, inputs) / rate)
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs,), bias / rate))
        self.rate = rate
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        gain = GAIN if self.active else 1.0
        weight = self.weight * (gain * self.rate / math.sqrt(self.weight.shape[1]))
        out = F.linear(x, weight, None if self.bias is None else self.bias * (gain * self.rate))
        return activated(out) if self.active else out


class Convolution(nn.Module):
    """A convolution and the activation: (B, inputs, H, W) -> (B, outputs, H, W), or half as large.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel: 1 or 3.
        half: halve the side, through the low-pass filter.
        active: pass it through the activation. Otherwise there is no bias either.
        gain: of what comes out, beside the activation's.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, half: bool = False, active: bool = True, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if active else None
        self.halves = half
        self.gain = gain * (GAIN if active else 1.0)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        kernel = self.weight.shape[-1]
        weight = self.weight * (self.gain / math.sqrt(self.weight[0].numel()))
        bias = None if self.bias is None else self.bias * self.gain
        if not self.halves:
            out_BCHW = F.conv2d(x_BCHW, weight, bias, padding=kernel // 2)
        elif kernel == 1:
            out_BCHW = F.conv2d(halved(x_BCHW), weight, bias)
        else:
            out_BCHW = convolved_and_halved(x_BCHW, weight, bias)
        return out_BCHW if self.bias is None else activated(out_BCHW)


def exact(tensor: Tensor) -> torch.autocast:
    """Within, nothing is rounded to bfloat16: what is small but moves everything, such as styles and logits."""
    return torch.autocast(tensor.device.type, enabled=False)


def normalised(x_BN: Tensor) -> Tensor:
    """Each row divided by its root mean square (Karras et al. 2018, equation 2, for a vector)."""
    return x_BN * (x_BN.square().mean(1, keepdim=True) + 1e-8).rsqrt()
