"""What an autoencoder is trained on. Pictures are (B, 3, H, W) in [-1, 1]; every function gives a float32 scalar."""

from __future__ import annotations

import torch
from torch import Tensor

# From darkest to brightest in pictures of [-1, 1].
DATA_RANGE = 2.0


def absolute_error(made: Tensor, image: Tensor) -> Tensor:
    """Mean |difference| (L1): of two likely places for a line it takes one, where L2 takes a grey one between."""
    return (made - image).abs().mean()


def edge_error(made: Tensor, image: Tensor) -> Tensor:
    """Mean |difference| of the steps between neighbouring pixels, across and down: blurred lines cost more.

    The gradient difference loss of Mathieu et al. 2016 (eq. 6, alpha 1) without its inner absolute values, so that a
    dark line on light skin is not a light line on dark skin.
    """
    across = (made.diff(dim=-1) - image.diff(dim=-1)).abs().mean()
    down = (made.diff(dim=-2) - image.diff(dim=-2)).abs().mean()
    return (across + down) / 2


def kl_to_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) summed over the latents of a picture, mean over B (Kingma & Welling 2014, B)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(1).mean()


def psnr(made: Tensor, image: Tensor) -> Tensor:
    """Peak signal to noise ratio in dB, 10 log10(range^2 / mean squared error), mean over pictures; more is better."""
    squared_B = (made - image).square().flatten(1).mean(1)
    return 10 * torch.log10(DATA_RANGE**2 / squared_B.clamp(min=1e-10)).mean()
