"""Radford's convolutional pair and the fully connected pair, leaves first.

Generators map z (B, Z) to pictures (B, 3, H, W) in [-1, 1]; discriminators map pictures to logits (B,), float32.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, member
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from anime_gen.contract import UserError


class Norm(Enum):
    """What normalises a discriminator's hidden layers. `Norm.layer(channels)` makes the module."""

    batch = member(nn.BatchNorm2d)
    instance = member(partial(nn.InstanceNorm2d, affine=True))
    layer = member(partial(nn.GroupNorm, 1))  # one group over (C, H, W): Gulrajani's replacement for batch
    none = member(nn.Identity)

    def __call__(self, channels: int) -> nn.Module:
        """Maps (B, channels, H, W) to the same shape."""
        module: nn.Module = self.value(channels)
        return module

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        return getattr, (Norm, self.name)  # Enum pickles by value, and a `partial` equals no other


# --------------------------------------------------------------------------------------------------------------------
# Convolutional (Radford et al. 2016, figure 1 and section 3)


class ConvGenerator(nn.Module):
    """z -> 4x4 -> twice as large again and again: ConvTranspose-BatchNorm-ReLU, and tanh at the end."""

    def __init__(self, z_dim: int, channels: list[int]) -> None:
        """`channels` are those at 4x4, 8x8, ... up to half the picture's side."""
        super().__init__()
        # No bias where BatchNorm follows: it would be subtracted again.
        layers: list[nn.Module] = [nn.ConvTranspose2d(z_dim, channels[0], kernel_size=4, bias=False)]
        for before, after in pairwise(channels):
            layers += [nn.BatchNorm2d(before), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(channels[-1]), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(channels[-1], 3, kernel_size=4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z_BZ: Tensor) -> Tensor:
        image_BCHW: Tensor = self.layers(z_BZ[:, :, None, None])
        return image_BCHW


class ConvDiscriminator(nn.Module):
    """Half as large again and again down to 4x4: Conv-norm-LeakyReLU, without a norm on the first and the last."""

    def __init__(self, channels: list[int], norm: Norm) -> None:
        """`channels` are those at half the picture's side, a quarter, ... down to 4x4."""
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels[0], kernel_size=4, stride=2, padding=1)]
        layers += [nn.LeakyReLU(0.2, inplace=True)]
        for before, after in pairwise(channels):
            convolution = nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1, bias=norm is Norm.none)
            layers += [convolution, norm(after), nn.LeakyReLU(0.2, inplace=True)]
        layers += [nn.Conv2d(channels[-1], 1, kernel_size=4)]
        self.layers = nn.Sequential(*layers)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        logits_B: Tensor = self.layers(image_BCHW).flatten()
        return logits_B.float()  # a loss adds up what bfloat16 would round away


def initialise(module: nn.Module) -> None:
    """Radford's weights: N(0, 0.02) for convolutions, N(1, 0.02) for a norm's scale, 0 for every bias (section 4).

    The scale of a norm is the DCGAN authors' code rather than their text.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d | nn.GroupNorm):
            nn.init.normal_(layer.weight, 1.0, 0.02)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


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
        return logits_B.float()


# --------------------------------------------------------------------------------------------------------------------
# The pairs, as objects that a YAML can name


class Networks(ABC):
    """A kind of generator and the discriminator that goes with it, for any picture size."""

    # Does one picture's logit depend on the other pictures of its batch?
    mixes_batch: bool = False

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
        if not 1 <= width <= max_width:
            raise UserError(f"networks: width is {width} and max_width {max_width}; give 1 <= width <= max_width")
        self.width = width
        self.max_width = max_width
        self.norm = norm
        self.mixes_batch = norm is Norm.batch

    def _channels(self, image_size: int) -> list[int]:
        """Channels at half the side, a quarter, ... , 4x4."""
        if image_size not in (16, 32, 64, 128, 256):
            raise UserError(f"image_size is {image_size}; DCGAN's convolutions make 16, 32, 64, 128 or 256 pixels")
        return [min(self.width << k, self.max_width) for k in range(image_size.bit_length() - 3)]

    def generator(self, z_dim: int, image_size: int) -> nn.Module:
        generator = ConvGenerator(z_dim, self._channels(image_size)[::-1])
        initialise(generator)
        return generator.to(memory_format=torch.channels_last)

    def discriminator(self, image_size: int) -> nn.Module:
        discriminator = ConvDiscriminator(self._channels(image_size), self.norm)
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
        self.mixes_batch = batch_norm and layers > 1  # the discriminator's first layer has none

    def generator(self, z_dim: int, image_size: int) -> nn.Module:
        return DenseGenerator(z_dim, self.hidden, self.layers, image_size, self.batch_norm)

    def discriminator(self, image_size: int) -> nn.Module:
        return DenseDiscriminator(self.hidden, self.layers, image_size, self.batch_norm)


def normalise_spectrally(module: nn.Module) -> None:
    """Divides every convolution's and linear layer's weight by its largest singular value. Miyato et al. 2018.

    The singular value is that of the weight flattened to (out, rest), followed by one power iteration a training
    forward pass. A BatchNorm in between rescales again: only without one is the network 1-Lipschitz up to the
    factor by which a convolution differs from its flattened weight.
    """
    for layer in list(module.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spectral_norm(layer)
