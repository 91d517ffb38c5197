"""Radford's convolutional pair and the fully connected pair, leaves first.

Generators map z (B, Z) to pictures (B, 3, H, W) in [-1, 1]; discriminators map pictures to logits (B,), float32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise

import torch
from torch import Tensor, nn

from anime_gen.blocks.layers import ConvGenerator, Norm, channels_by_side, halvings, initialise
from anime_gen.contract import UserError, at_least_float32

# --------------------------------------------------------------------------------------------------------------------
# Convolutional (Radford et al. 2016, figure 1 and section 3)


class ConvDiscriminator(nn.Module):
    """Half as large again and again down to 4x4, without a norm on the first convolution and the last."""

    def __init__(self, channels: list[int], norm: Norm) -> None:
        """`channels` are those at half the picture's side, a quarter, ... down to 4x4."""
        super().__init__()
        self.layers = nn.Sequential(*halvings(channels, norm), nn.Conv2d(channels[-1], 1, kernel_size=4))

    def forward(self, image_BCHW: Tensor) -> Tensor:
        logits_B: Tensor = self.layers(image_BCHW).flatten()
        return at_least_float32(logits_B)  # a loss adds up what bfloat16 would round away


# --------------------------------------------------------------------------------------------------------------------
# Fully connected (Goodfellow et al. 2014, section 5; S2's first model), with torch's own initial weights. BatchNorm
# came later; it sits where Radford's networks have it, so that the two pairs differ in their connections alone.


def perceptron(widths: list[int], outputs: int, activation: nn.Module, norm_from: int | None) -> nn.Sequential:
    """Hidden layers from each of `widths` to the next, then a linear layer to `outputs`.

    Hidden layers from number `norm_from` on have BatchNorm; None for no layer. The activation has no state.
    """
    stack: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        normalised = norm_from is not None and number >= norm_from
        stack += [nn.Linear(before, after, bias=not normalised)]
        stack += [nn.BatchNorm1d(after), activation] if normalised else [activation]
    return nn.Sequential(*stack, nn.Linear(widths[-1], outputs))


class DenseGenerator(nn.Module):
    """z -> hidden layers with ReLU -> every pixel, and tanh."""

    def __init__(self, z_dim: int, hidden: int, layers: int, image_size: int, batch_norm: bool) -> None:
        super().__init__()
        self.image_size = image_size
        widths = [z_dim, *[hidden] * layers]
        self.layers = perceptron(widths, 3 * image_size**2, nn.ReLU(), norm_from=0 if batch_norm else None)

    def forward(self, z_BZ: Tensor) -> Tensor:
        image_BN: Tensor = self.layers(z_BZ).tanh()
        return image_BN.view(-1, 3, self.image_size, self.image_size)


class DenseDiscriminator(nn.Module):
    """Every pixel -> hidden layers with LeakyReLU -> one logit."""

    def __init__(self, hidden: int, layers: int, image_size: int, batch_norm: bool) -> None:
        super().__init__()
        widths = [3 * image_size**2, *[hidden] * layers]
        self.layers = perceptron(widths, 1, nn.LeakyReLU(0.2), norm_from=1 if batch_norm else None)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        logits_B: Tensor = self.layers(image_BCHW.flatten(1)).flatten()
        return at_least_float32(logits_B)


# --------------------------------------------------------------------------------------------------------------------
# The pairs, as objects that a YAML can name


class Networks(ABC):
    """A kind of generator and the discriminator that goes with it, for any picture size."""

    @abstractmethod
    def generator(self, z_dim: int, image_size: int) -> nn.Module:
        """A new generator, initialised."""

    @abstractmethod
    def discriminator(self, image_size: int) -> nn.Module:
        """A new discriminator, initialised."""


class Convolutional(Networks):
    """Radford's pair. Channels double with every halving of the side: `width` at half the side, at most `max_width`.

    The weights lie in channels-last order, which is 15 to 25 % faster here on a CPU.

    Args:
        width: channels next to the picture. 128 in the paper, at 64 px.
        max_width: channels at most. 1024 in the paper.
        norm: of the discriminator's hidden layers; the generator has BatchNorm. BatchNorm is Radford's; a gradient
            penalty needs another, and spectral normalisation needs none.

    Raises:
        UserError: the picture's side is not 16, 32, 64, 128 or 256, or a width is not positive.
    """

    def __init__(self, width: int = 64, max_width: int = 512, norm: Norm = Norm.batch) -> None:
        channels_by_side(32, width, max_width)  # refuses what no size allows
        self.width = width
        self.max_width = max_width
        self.norm = norm

    def generator(self, z_dim: int, image_size: int) -> nn.Module:
        generator = ConvGenerator(z_dim, channels_by_side(image_size, self.width, self.max_width)[::-1])
        initialise(generator)
        return generator.to(memory_format=torch.channels_last)

    def discriminator(self, image_size: int) -> nn.Module:
        discriminator = ConvDiscriminator(channels_by_side(image_size, self.width, self.max_width), self.norm)
        initialise(discriminator)
        return discriminator.to(memory_format=torch.channels_last)


class FullyConnected(Networks):
    """The multi-layer perceptrons of S2's first model: they know no neighbourhoods.

    S2 gives no numbers; these are ours.

    Args:
        hidden: units of each hidden layer.
        layers: hidden layers, in each network.
        batch_norm: BatchNorm in both networks. Without it, a pair of this size shows a handful of faces here.

    Raises:
        UserError: a number is not positive.
    """

    def __init__(self, hidden: int = 512, layers: int = 3, batch_norm: bool = True) -> None:
        if hidden < 1 or layers < 1:
            raise UserError(f"networks: hidden is {hidden} and layers {layers}; both must be at least 1")
        self.hidden = hidden
        self.layers = layers
        self.batch_norm = batch_norm

    def generator(self, z_dim: int, image_size: int) -> nn.Module:
        return DenseGenerator(z_dim, self.hidden, self.layers, image_size, self.batch_norm)

    def discriminator(self, image_size: int) -> nn.Module:
        return DenseDiscriminator(self.hidden, self.layers, image_size, self.batch_norm)
