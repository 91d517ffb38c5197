"""StyleGAN2's residual discriminator (Karras et al. 2020b, figure 7c), and heads that know of labels."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from anime_gen.contract import at_least_float32
from anime_gen.families.stylegan2.layers import Convolution, Dense, exact
from anime_gen.families.stylegan2.mapping import NormalisedApart


class ResidualBlock(nn.Module):
    """Two convolutions, the second one halving, beside a halving skip of 1x1; the sum is scaled by sqrt(1/2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.skip = Convolution(inputs, outputs, 1, half=True, active=False, gain=math.sqrt(0.5))
        self.first = Convolution(inputs, inputs, 3)
        self.second = Convolution(inputs, outputs, 3, half=True, gain=math.sqrt(0.5))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / 2, W / 2)."""
        return self.second(self.first(x_BCHW)) + self.skip(x_BCHW)


def with_deviation(x_BCHW: Tensor, group: int) -> Tensor:
    """One channel more: how much the pictures of a group differ (Karras et al. 2018, section 3).

    The deviation over the group, of every feature at every place, averaged over both. Pictures b, b + B / group, ...
    are a group; where B is no multiple of it, the largest divisor of B below it is the group.
    """
    batch, features, height, width = x_BCHW.shape
    group = next(size for size in range(min(group, batch), 0, -1) if batch % size == 0)
    x_GNCHW = at_least_float32(x_BCHW).view(group, batch // group, features, height, width)
    deviation_N = (x_GNCHW.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat(
        [x_BCHW, deviation_N.repeat(group).to(x_BCHW)[:, None, None, None].expand(-1, 1, height, width)], 1
    )


class Discriminator(nn.Module):
    """Pictures (B, 3, H, W) and labels (B, L) to logits (B,).

    Args:
        channels: at 4x4, 8x8, ... up to the picture's side.
        head: what is made of the last features, (x_BF, label_BL) -> (B,).
        group: pictures whose deviation is taken together.
    """

    def __init__(self, channels: list[int], head: nn.Module, group: int = 4) -> None:
        super().__init__()
        down = channels[::-1]
        self.from_rgb = Convolution(3, down[0], 1)
        self.blocks = nn.Sequential(*(ResidualBlock(before, after) for before, after in itertools.pairwise(down)))
        self.convolution = Convolution(down[-1] + 1, down[-1], 3)
        self.dense = Dense(16 * down[-1], down[-1], active=True)
        self.head = head
        self.group = group

    def forward(self, image_BCHW: Tensor, label_BL: Tensor, sources: int = 1) -> Tensor:
        """`sources`: of the pictures, as many from each, one source after the other; deviations are within each."""
        x_BCHW = self.blocks(self.from_rgb(image_BCHW)).to(self.dense.weight.dtype)
        with exact(image_BCHW):
            x_BCHW = torch.cat([with_deviation(of_one, self.group) for of_one in x_BCHW.chunk(sources)])
            # Not `flatten` of whatever memory layout: channels first, as the dense layer's weights are.
            x_BF = self.dense(self.convolution(x_BCHW).contiguous().flatten(1))
            logit_B: Tensor = self.head(x_BF, label_BL)
        return logit_B


class LabelSelect(nn.Module):
    """An output for each label; the score is that of the labels that are given (S5).

    With several labels it is the mean of theirs, and with none that of all: the source is silent of both. Labels may be
    probabilities. Data without labels has one output.
    """

    def __init__(self, features: int, labels: int) -> None:
        super().__init__()
        self.out = Dense(features, max(labels, 1))

    def forward(self, x_BF: Tensor, label_BL: Tensor) -> Tensor:
        score_BL: Tensor = self.out(x_BF)
        if not label_BL.shape[1]:
            return score_BL[:, 0]
        given_B1 = label_BL.sum(1, keepdim=True)
        share_BL = torch.where(given_B1 > 0, label_BL / given_B1.clamp(min=1e-8), 1 / label_BL.shape[1])
        return (score_BL * share_BL).sum(1)


class Projection(nn.Module):
    """The inner product of the features and the labels' vector (Miyato and Koyama 2018; Karras et al. 2020a).

    Args:
        features: numbers that come in.
        labels: numbers that say the labels; 0 for none, which leaves a dense layer with one output.
        layers: of the labels' mapping network.
    """

    def __init__(self, features: int, labels: int, layers: int) -> None:
        super().__init__()
        self.mapping = NormalisedApart(labels, features, layers, z=False) if labels else None
        self.out = Dense(features, features if labels else 1)

    def forward(self, x_BF: Tensor, label_BL: Tensor) -> Tensor:
        score_BF: Tensor = self.out(x_BF)
        if self.mapping is None:
            return score_BF[:, 0]
        class_BF: Tensor = self.mapping(None, label_BL)
        return (score_BF * class_BF).sum(1) / math.sqrt(score_BF.shape[1])


# --------------------------------------------------------------------------------------------------------------------
# The choices, as objects that a YAML can name


class Heads(ABC):
    """What a discriminator makes of its last features and the labels."""

    @abstractmethod
    def head(self, features: int, labels: int) -> nn.Module:
        """A new head, (x_BF, label_BL) -> logits (B,)."""


class LabelSelectHead(Heads):
    """`LabelSelect`: S5's."""

    def head(self, features: int, labels: int) -> nn.Module:
        return LabelSelect(features, labels)


class ProjectionHead(Heads):
    """`Projection`: as the ADA paper's code has it.

    Args:
        layers: of the labels' mapping network.
    """

    def __init__(self, layers: int = 8) -> None:
        self.layers = layers

    def head(self, features: int, labels: int) -> nn.Module:
        return Projection(features, labels, self.layers)
