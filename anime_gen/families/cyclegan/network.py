"""Networks that map pictures to pictures, and networks that judge their patches, leaves first.

A generator maps (B, 3 + K, H, W), a picture in [-1, 1] and K maps of its landmarks, to (B, 3, H, W) in [-1, 1]. A
discriminator maps (B, 3 + K, H, W) to logits of any shape: one a patch, or one a picture. Weights are laid out channel
by channel, as InstanceNorm wants its pictures, whatever convolutions like better.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from itertools import pairwise

import torch
from torch import Tensor, nn

from anime_gen.blocks.layers import Norm, channels_by_side, halvings, initialise, times
from anime_gen.contract import UserError


def relu() -> nn.Module:
    """The usual one."""
    return nn.ReLU(inplace=True)


def leaky() -> nn.Module:
    """With a slope of 0.2 below zero."""
    return nn.LeakyReLU(0.2, inplace=True)


class Activation(Enum):
    """What bends hidden layers."""

    relu = "relu"
    leaky = "leaky"

    def module(self) -> nn.Module:
        """A new layer."""
        match self:
            case Activation.relu:
                return relu()
            case Activation.leaky:
                return leaky()


class Doubling(Enum):
    """How a decoder doubles the side."""

    resize = "resize"  # no checkerboard (Odena et al. 2016)
    transpose = "transpose"  # as in Zhu et al. 2017 and S3

    def module(self, before: int, after: int) -> nn.Module:
        """Maps (B, before, H, W) to (B, after, 2H, 2W)."""
        match self:
            case Doubling.resize:
                convolution = nn.Conv2d(before, after, 3, padding=1, padding_mode="reflect")
                return nn.Sequential(nn.Upsample(scale_factor=2), convolution)
            case Doubling.transpose:
                return nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)


class Residual(nn.Module):
    """x + conv-norm-act-conv-norm with mirrored borders (Johnson et al. 2016, as Zhu et al. 2017, section 7.2)."""

    def __init__(self, channels: int, norm: Norm, activation: Activation) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            norm.module(channels),
            activation.module(),
            nn.Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            norm.module(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class UNetwork(nn.Module):
    """Halvings, doublings, and at every size what came in beside what comes out; the picture itself at the end.

    Args:
        inputs: channels of what comes in.
        channels: at half the picture's side, a quarter, ...
        norm: of all layers but the first and the last two.
    """

    def __init__(self, inputs: int, channels: list[int], norm: Norm) -> None:
        super().__init__()
        first = nn.Sequential(nn.Conv2d(inputs, channels[0], 4, stride=2, padding=1), leaky())
        self.down = nn.ModuleList([first])
        for before, after in pairwise(channels):
            self.down.append(
                nn.Sequential(nn.Conv2d(before, after, 4, stride=2, padding=1), norm.module(after), leaky())
            )
        self.up = nn.ModuleList()
        for deep, (before, after) in enumerate(pairwise([*channels[::-1], channels[0]])):
            both = 2 * before if deep else before  # at the bottom nothing stands beside it
            last = deep == len(channels) - 1
            self.up.append(
                nn.Sequential(
                    nn.ConvTranspose2d(both, after, 4, stride=2, padding=1),
                    nn.Identity() if last else norm.module(after),
                    relu(),
                )
            )
        self.end = nn.Conv2d(channels[0] + inputs, 3, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, 3, H, W) in [-1, 1]."""
        seen = [x_BCHW]
        for stage in self.down:
            seen.append(stage(seen[-1]))
        x = seen.pop()
        for stage in self.up:
            x = torch.cat([stage(x), seen.pop()], dim=1)
        return self.end(x).tanh()


# --------------------------------------------------------------------------------------------------------------------
# The choices, as objects that a YAML can name


class Generators(ABC):
    """A kind of network that maps pictures to pictures, for any picture size."""

    @abstractmethod
    def generator(self, image_size: int, inputs: int) -> nn.Module:
        """A new network, (B, inputs, H, W) -> (B, 3, H, W), initialised.

        Raises:
            UserError: it cannot make pictures of that size.
        """


class ResNet(Generators):
    """Zhu et al. 2017, section 7.2: two halvings, residual blocks, two doublings; 7x7 convolutions at both ends.

    Theirs has width 64, 6 blocks at 128 px and 9 at 256.

    Args:
        width: channels at the picture's own size.
        blocks: residual blocks at a quarter of its side.
        doubling: of the decoder.
        activation: of the hidden layers.
        norm: of the hidden layers.

    Raises:
        UserError: width or blocks is not positive.
    """

    def __init__(
        self,
        width: int = 64,
        blocks: int = 6,
        doubling: Doubling = Doubling.transpose,
        activation: Activation = Activation.relu,
        norm: Norm = Norm.instance,
    ) -> None:
        if min(width, blocks) < 1:
            raise UserError(f"generators: width is {width} and blocks {blocks}; both must be at least 1")
        self.width = width
        self.blocks = blocks
        self.doubling = doubling
        self.activation = activation
        self.norm = norm

    def generator(self, image_size: int, inputs: int) -> nn.Module:
        if image_size % 4 or image_size < 16:
            raise UserError(f"image_size is {image_size}; this generator takes multiples of 4 from 16 on")
        width, norm, activation = self.width, self.norm, self.activation
        layers: list[nn.Module] = [nn.Conv2d(inputs, width, 7, padding=3, padding_mode="reflect")]
        layers += [norm.module(width), activation.module()]
        for before, after in pairwise((width, 2 * width, 4 * width)):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), norm.module(after), activation.module()]
        layers += [Residual(4 * width, norm, activation) for _ in times("generators: blocks", self.blocks)]
        for before, after in pairwise((4 * width, 2 * width, width)):
            layers += [self.doubling.module(before, after), norm.module(after), activation.module()]
        layers += [nn.Conv2d(width, 3, 7, padding=3, padding_mode="reflect"), nn.Tanh()]
        network = nn.Sequential(*layers)
        initialise(network)
        return network


class UNet(Generators):
    """Halvings to a few pixels and doublings back, with skips between equal sizes. Isola et al. 2017, section 3.2.1.

    Two things are not theirs: it ends before a single pixel, whose InstanceNorm is a constant, and one convolution more
    sees the picture itself. There is no dropout. Much cheaper than `ResNet`, whose work is at the larger sizes.

    Args:
        width: channels at half the picture's side; they double with every halving.
        max_width: channels at most.
        norm: of the hidden layers.

    Raises:
        UserError: a width is not positive.
    """

    def __init__(self, width: int = 64, max_width: int = 512, norm: Norm = Norm.instance) -> None:
        if not 1 <= width <= max_width:
            raise UserError(f"generators: width is {width} and max_width {max_width}; give 1 <= width <= max_width")
        self.width = width
        self.max_width = max_width
        self.norm = norm

    def generator(self, image_size: int, inputs: int) -> nn.Module:
        if image_size % 8 or image_size < 16:
            raise UserError(f"image_size is {image_size}; this generator takes multiples of 8 from 16 on")
        # As often as the side is even and 4 pixels or more remain: 16 twice, 32 three times, 96 four times.
        sides = [image_size]
        while sides[-1] % 2 == 0 and sides[-1] >= 8:
            sides.append(sides[-1] // 2)
        channels = [min(self.width << k, self.max_width) for k in range(len(sides) - 1)]
        network = UNetwork(inputs, channels, self.norm)
        initialise(network)
        return network


class EncoderDecoder(Generators):
    """S3's baseline: Conv-BatchNorm-LeakyReLU down to 4x4 and up again, with nothing around the bottleneck.

    Args:
        width: channels at half the picture's side; they double with every halving.
        max_width: channels at most.
        norm: of the hidden layers.

    Raises:
        UserError: the picture's side is not 16, 32, 64, 128 or 256, or a width is not positive.
    """

    def __init__(self, width: int = 64, max_width: int = 512, norm: Norm = Norm.batch) -> None:
        self.width = width
        self.max_width = max_width
        self.norm = norm

    def generator(self, image_size: int, inputs: int) -> nn.Module:
        channels = channels_by_side(image_size, self.width, self.max_width)
        layers = halvings(channels, self.norm, inputs)
        for before, after in pairwise([*channels[::-1], 3]):
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)]
            layers += [nn.Tanh()] if after == 3 else [self.norm.module(after), nn.LeakyReLU(0.2, inplace=True)]
        network = nn.Sequential(*layers)
        initialise(network)
        return network


class Discriminators(ABC):
    """A kind of network that says how real pictures look, for any picture size."""

    @abstractmethod
    def discriminator(self, image_size: int, inputs: int) -> nn.Module:
        """A new network, (B, inputs, H, W) -> logits, initialised."""


def seen_by_patch(layers: int) -> int:
    """Side of the square of pixels that one logit sees behind that many layers of stride 2: 7, 16, 34, 70, 142 ...

    4x4 convolutions, two of stride 1 behind those of stride 2; none: 7 pixels.
    """
    side = 1 + 3 + 3
    for _ in range(layers):
        side = 2 * side + 2
    return side


class Patch(Discriminators):
    """PatchGAN (Isola et al. 2017; Zhu et al. 2017, section 7.2): one logit for each patch.

    Their patches of 70 pixels were made for 256. Here a patch is the largest that sees at most `share` of the picture's
    side: 16 pixels at 32, 34 at 64, 70 at 128 and 256.

    Args:
        width: channels of the first layer; they double to eight times as many.
        share: of the picture's side that a patch sees at most.
        norm: of all layers but the first and the last.

    Raises:
        UserError: width is not positive, or no patch is that small.
    """

    def __init__(self, width: int = 64, share: float = 0.6, norm: Norm = Norm.instance) -> None:
        if width < 1 or share <= 0:
            raise UserError(f"discriminators: width is {width} and share {share}; both must be above 0")
        self.width = width
        self.share = share
        self.norm = norm

    def layers(self, image_size: int) -> int:
        """How many layers of stride 2 a discriminator of such pictures has: three at most, as in the papers."""
        fitting = [layers for layers in range(1, 4) if seen_by_patch(layers) <= self.share * image_size]
        if not fitting:
            raise UserError(
                f"discriminators: the smallest patch sees 16 pixels, more than a share of {self.share} of "
                f"{image_size}; set --model.discriminators.share={17 / image_size:.2f}"
            )
        return fitting[-1]

    def discriminator(self, image_size: int, inputs: int) -> nn.Module:
        halvings_, width = self.layers(image_size), self.width
        channels = [min(width << k, 8 * width) for k in range(halvings_ + 1)]
        layers: list[nn.Module] = [nn.Conv2d(inputs, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for k, (before, after) in enumerate(pairwise(channels), 1):
            layers += [nn.Conv2d(before, after, 4, stride=2 if k < halvings_ else 1, padding=1)]
            layers += [self.norm.module(after), nn.LeakyReLU(0.2, inplace=True)]
        network = nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 4, padding=1))
        initialise(network)
        return network


class Scalar(Discriminators):
    """One logit for the whole picture, as S3 has it: DCGAN's halvings to 4x4, then one 4x4 convolution.

    Args:
        width: channels at half the picture's side; they double with every halving.
        max_width: channels at most.
        norm: of all layers but the first and the last.

    Raises:
        UserError: the picture's side is not 16, 32, 64, 128 or 256, or a width is not positive.
    """

    def __init__(self, width: int = 64, max_width: int = 512, norm: Norm = Norm.instance) -> None:
        self.width = width
        self.max_width = max_width
        self.norm = norm

    def discriminator(self, image_size: int, inputs: int) -> nn.Module:
        channels = channels_by_side(image_size, self.width, self.max_width)
        network = nn.Sequential(*halvings(channels, self.norm, inputs), nn.Conv2d(channels[-1], 1, 4), nn.Flatten(0))
        initialise(network)
        return network


def part_judge(width: int = 32) -> nn.Module:
    """A local discriminator of squares (B, 3, P, P): a logit for every second pixel, each of which sees 12 by 12."""
    network = nn.Sequential(
        nn.Conv2d(3, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        Norm.instance.module(2 * width),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 1, 3, padding=1),
    )
    initialise(network)
    return network
