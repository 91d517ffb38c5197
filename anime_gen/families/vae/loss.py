"""The two halves of the evidence lower bound, in nats a picture. Both are float32 scalars, means over the batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Of the squared error: no decoder fits pictures of 256 shades more closely.
LEAST_VARIANCE = (2 / 255) ** 2 / 12


def divergence(mean_BZ: Tensor, log_variance_BZ: Tensor, of_mean_BZ: Tensor, of_log_variance_BZ: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(of_mean, of_variance)), diagonal. To N(0, I): Kingma and Welling 2014, appendix B."""
    ratio_BZ = (log_variance_BZ - of_log_variance_BZ).exp()
    distance_BZ = (mean_BZ - of_mean_BZ).square() / of_log_variance_BZ.exp()
    return 0.5 * (ratio_BZ + distance_BZ - 1 + of_log_variance_BZ - log_variance_BZ).sum(1).mean()


def negative_log_likelihood(made_BCHW: Tensor, image_BCHW: Tensor) -> Tensor:
    """-log N(x; made, sigma^2 I) with the one sigma that fits the batch best: sigma^2 is its mean squared error.

    The optimal sigma-VAE (Rybkin et al. 2021, section 3.2). With it the weight between error and divergence is learned,
    and not a beta that somebody chose: D / 2 (log(2 pi sigma^2) + 1) for pictures of D numbers.
    """
    variance = (made_BCHW - image_BCHW).square().mean().clamp(min=LEAST_VARIANCE)
    return image_BCHW[0].numel() / 2 * (torch.log(2 * math.pi * variance) + 1)
