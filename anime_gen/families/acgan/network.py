"""Two pairs of networks, leaves first: Radford's strided convolutions, and the residual pair of Jin et al. 2017.

A trunk maps numbers (B, N) to pictures (B, 3, H, W) in [-1, 1]. Features map pictures to (B, F); what is made of them
is a game's affair.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from anime_gen.blocks.labels import Words, label_embedding
from anime_gen.blocks.layers import BATCHES, ROWS, ConvGenerator, Norm, channels_by_side, halvings, initialise, times
from anime_gen.contract import UserError
from anime_gen.noise import normal_


class Features(NamedTuple):
    """The part of a discriminator that looks."""

    network: nn.Module  # (B, 3, H, W) -> (B, width)
    width: int


class SumOverPlaces(nn.Module):
    """(B, C, H, W) -> (B, C)."""

    def forward(self, map_BCHW: Tensor) -> Tensor:
        return map_BCHW.sum((2, 3))


# --------------------------------------------------------------------------------------------------------------------
# Residual (Jin et al. 2017, figures 3 and 4, after SRResNet). With the default widths and 128 px these are their sizes;
# smaller pictures begin smaller and end sooner.


class SkippedBlock(nn.Module):
    """x + conv-BatchNorm-ReLU-conv-BatchNorm (Ledig et al. 2017, figure 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ResidualGenerator(nn.Module):
    """A dense layer to an eighth of the side, residual blocks under one long skip, three doublings by pixel shuffle."""

    def __init__(self, inputs: int, image_size: int, width: int, blocks: int) -> None:
        super().__init__()
        side = image_size // 8
        self.begin = nn.Sequential(
            nn.Linear(inputs, width * side**2, bias=False),
            nn.Unflatten(1, (width, side, side)),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(
            *[SkippedBlock(width) for _ in times("networks: blocks", blocks)],
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        doublings: list[nn.Module] = []
        for _ in range(3):
            doublings += [nn.Conv2d(width, 4 * width, 3, padding=1, bias=False), nn.PixelShuffle(2)]
            doublings += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        self.end = nn.Sequential(*doublings, nn.Conv2d(width, 3, 9, padding=4), nn.Tanh())

    def forward(self, latent_BN: Tensor) -> Tensor:
        coarse_BCHW = self.begin(latent_BN)
        return self.end(coarse_BCHW + self.blocks(coarse_BCHW))


class PlainBlock(nn.Module):
    """x + conv-LeakyReLU-conv, then LeakyReLU: no BatchNorm, which a gradient penalty does not go with.

    The sum begins as x (`residual_features` sees to it).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.last = nn.Conv2d(channels, channels, 3, padding=1)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(x + self.last(self.activation(self.first(x))))


def residual_features(image_size: int, width: int) -> Features:
    """A halving to `width` channels, then two residual blocks and a halving again and again, down to 2x2."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
    for _ in range(image_size.bit_length() - 3):
        layers += [PlainBlock(width), PlainBlock(width)]
        layers += [nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        width *= 2
    network = nn.Sequential(*layers, nn.Flatten())
    # Without BatchNorm nothing mends the scale: torch's own weights, quieter in each of so many layers, would pass on
    # next to nothing of the picture.
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            normal_(layer.weight, std=math.sqrt(2 / (1 + 0.2**2) / layer.weight[0].numel()))  # He et al. 2015
    for block in network:
        if isinstance(block, PlainBlock):
            nn.init.zeros_(block.last.weight)
    return Features(network, 4 * width)


# --------------------------------------------------------------------------------------------------------------------
# The pairs, as objects that a YAML can name


class Networks(ABC):
    """A kind of generator and the features that go with it, for any picture size."""

    @abstractmethod
    def generator(self, inputs: int, image_size: int) -> nn.Module:
        """A new trunk, (B, inputs) -> (B, 3, image_size, image_size), initialised."""

    @abstractmethod
    def features(self, image_size: int) -> Features:
        """New features, initialised."""


class Strided(Networks):
    """DCGAN's pair (Radford et al. 2016). The generator has BatchNorm.

    Args:
        width: channels next to the picture; they double with every halving of its side.
        max_width: channels at most.
        norm: of the discriminator's hidden layers. A gradient penalty goes with all but BatchNorm.
        pool: sum the features over the 4x4 places, as Miyato and Koyama 2018 do, instead of keeping each place apart.

    Raises:
        UserError: the picture's side is not 16, 32, 64, 128 or 256, or a width is not positive.
    """

    def __init__(self, width: int = 64, max_width: int = 512, norm: Norm = Norm.none, pool: bool = False) -> None:
        self.width = width
        self.max_width = max_width
        self.norm = norm
        self.pool = pool

    def generator(self, inputs: int, image_size: int) -> nn.Module:
        generator = ConvGenerator(inputs, channels_by_side(image_size, self.width, self.max_width)[::-1])
        initialise(generator)
        return generator.to(memory_format=torch.channels_last)

    def features(self, image_size: int) -> Features:
        channels = channels_by_side(image_size, self.width, self.max_width)
        network = nn.Sequential(*halvings(channels, self.norm), SumOverPlaces() if self.pool else nn.Flatten())
        initialise(network)
        return Features(network.to(memory_format=torch.channels_last), channels[-1] * (1 if self.pool else 16))


class Residual(Networks):
    """The pair of Jin et al. 2017 (MakeGirlsMoe): an SRResNet that draws, and residual blocks that look: ten at 128 px.

    Args:
        width: channels of the generator.
        blocks: its residual blocks.
        discriminator_width: channels of the discriminator at half the picture's side.

    Raises:
        UserError: the picture's side is not 16, 32, 64, 128 or 256, or a number is not positive.
    """

    def __init__(self, width: int = 64, blocks: int = 16, discriminator_width: int = 32) -> None:
        if min(width, blocks, discriminator_width) < 1:
            raise UserError(
                f"networks: width is {width}, blocks {blocks} and discriminator_width {discriminator_width}; "
                "all must be at least 1"
            )
        self.width = width
        self.blocks = blocks
        self.discriminator_width = discriminator_width

    def generator(self, inputs: int, image_size: int) -> nn.Module:
        if image_size not in (16, 32, 64, 128, 256):
            raise UserError(f"image_size is {image_size}; the residual pair makes 16, 32, 64, 128 or 256 pixels")
        return ResidualGenerator(inputs, image_size, self.width, self.blocks).to(memory_format=torch.channels_last)

    def features(self, image_size: int) -> Features:
        network, width = residual_features(image_size, self.discriminator_width)
        return Features(network.to(memory_format=torch.channels_last), width)


class Generator(nn.Module):
    """z and what is told, side by side (Odena et al. 2017, section 3), to a picture.

    It remembers the latest labels of its training: its BatchNorms are measured on faces as they were asked for, and
    what a user leaves open is taken from them.

    Args:
        words: of the data.
        z_dim: width of the latent z ~ N(0, I).
        label_width: numbers that the labels become beside z.
        networks: which trunk makes the picture.
        image_size: its side in pixels.
    """

    remembered_NL: Tensor

    def __init__(self, words: Words, z_dim: int, label_width: int, networks: Networks, image_size: int) -> None:
        super().__init__()
        self.label_embedding = label_embedding(words, label_width)
        self.trunk = networks.generator(z_dim + label_width, image_size)
        self.register_buffer("remembered_NL", torch.zeros(BATCHES * ROWS, words.codes))

    def forward(self, z_BZ: Tensor, code_BL: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) of latents and of labels as `labels.code` writes them."""
        return self.trunk(torch.cat([z_BZ, self.label_embedding(code_BL)], dim=1))

    @torch.no_grad()
    def remember(self, code_BL: Tensor) -> None:
        """Keeps a batch's labels, and forgets as many of the oldest."""
        self.remembered_NL.copy_(torch.cat([code_BL, self.remembered_NL])[: len(self.remembered_NL)])
