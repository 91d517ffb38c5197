"""Radford's stacks of strided convolutions and what goes with them: network blocks that three families share."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from anime_gen.contract import UserError
from anime_gen.noise import Noise, normal_

# Latents that BatchNorm's statistics are measured on: batches, and pictures in each.
BATCHES, ROWS = 4, 64
# More than any network has.
MOST_LAYERS = 1000


def times(name: str, count: int) -> range:
    """For each of the layers that the setting `name` asks for.

    Raises:
        UserError: there are so many that building them would not end, or fewer than none.
    """
    if not 0 <= count <= MOST_LAYERS:
        raise UserError(f"{name} is {count}; give 0 to {MOST_LAYERS}")
    return range(count)


def bell(x: Tensor) -> Tensor:
    """exp(-x) of x >= 0, and 0 where that is less than 1e-16: the height of a Gaussian at x half squared deviations.

    The further tail is nothing beside its peak, even in float64, and dear: it ends in denormal numbers, each of which
    costs a processor as much as a hundred others. In the landmarks of a default step of diffusion they took a third of
    the time, and in those of a DiT more.
    """
    return F.threshold(torch.exp(-x), 1e-16, 0.0)


class InstanceNorm(nn.GroupNorm):
    """Each channel of each picture by itself (Ulyanov et al. 2016), learned scale and shift: a group for each channel.

    torch's own InstanceNorm2d rearranges what comes in, runs BatchNorm over it and rearranges back: a whole step of
    CycleGAN is 4 to 15 percent faster on a CPU this way. GroupNorm in turn is four times slower on channels-last
    bfloat16, so the picture is laid out channel by channel first.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        # On an accelerator autocast makes float32 of it, which every layer behind would have to carry.
        return super().forward(x_BCHW.contiguous()).to(x_BCHW.dtype)


class Norm(Enum):
    """What normalises hidden layers."""

    batch = "batch"
    instance = "instance"
    layer = "layer"
    none = "none"

    def module(self, channels: int) -> nn.Module:
        """Maps (B, channels, H, W) to the same shape."""
        match self:
            case Norm.batch:
                return nn.BatchNorm2d(channels)
            case Norm.instance:
                return InstanceNorm(channels)
            case Norm.layer:
                return nn.GroupNorm(1, channels)  # one group over (C, H, W): Gulrajani's replacement for batch
            case Norm.none:
                return nn.Identity()


def channels_by_side(image_size: int, width: int, max_width: int) -> list[int]:
    """Channels at half the picture's side, a quarter, ... down to 4x4: they double with every halving, to `max_width`.

    Raises:
        UserError: the picture's side is not 16, 32, 64, 128 or 256, or a width is not positive.
    """
    if not 1 <= width <= max_width:
        raise UserError(f"networks: width is {width} and max_width {max_width}; give 1 <= width <= max_width")
    if image_size not in (16, 32, 64, 128, 256):
        raise UserError(f"image_size is {image_size}; strided convolutions make 16, 32, 64, 128 or 256 pixels")
    return [min(width << k, max_width) for k in range(image_size.bit_length() - 3)]


class ConvGenerator(nn.Module):
    """z -> 4x4 -> twice as large again and again: ConvTranspose-norm-ReLU, and tanh at the end.

    Radford et al. 2016, figure 1, with `Norm.batch`. Maps (B, Z) to pictures (B, 3, H, W) in [-1, 1].
    """

    def __init__(self, z_dim: int, channels: list[int], norm: Norm = Norm.batch) -> None:
        """`channels` are those at 4x4, 8x8, ... up to half the picture's side."""
        super().__init__()
        bias = norm is Norm.none  # a norm would subtract it again, and has its own
        layers: list[nn.Module] = [nn.ConvTranspose2d(z_dim, channels[0], kernel_size=4, bias=bias)]
        for before, after in pairwise(channels):
            layers += [norm.module(before), nn.ReLU(inplace=True)]
            layers += [nn.ConvTranspose2d(before, after, kernel_size=4, stride=2, padding=1, bias=bias)]
        layers += [norm.module(channels[-1]), nn.ReLU(inplace=True)]
        layers += [nn.ConvTranspose2d(channels[-1], 3, kernel_size=4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z_BZ: Tensor) -> Tensor:
        return self.layers(z_BZ[:, :, None, None])


def halvings(channels: list[int], norm: Norm, inputs: int = 3) -> list[nn.Module]:
    """Half as large again and again down to 4x4: Conv-norm-LeakyReLU, no norm on the first. Radford et al. 2016.

    Args:
        channels: at half the picture's side, a quarter, ... down to 4x4.
        norm: of all layers but the first.
        inputs: channels of what comes in.

    Returns:
        Layers that map pictures (B, inputs, H, W) to (B, channels[-1], 4, 4).
    """
    layers: list[nn.Module] = [nn.Conv2d(inputs, channels[0], kernel_size=4, stride=2, padding=1)]
    layers += [nn.LeakyReLU(0.2, inplace=True)]
    for before, after in pairwise(channels):
        convolution = nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1, bias=norm is Norm.none)
        layers += [convolution, norm.module(after), nn.LeakyReLU(0.2, inplace=True)]
    return layers


def initialise(module: nn.Module) -> None:
    """Radford's weights: N(0, 0.02) for convolutions, N(1, 0.02) for a norm's scale, 0 for every bias (section 4).

    The scale of a norm is the DCGAN authors' code rather than their text.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d | nn.GroupNorm):
            normal_(layer.weight, 1.0, 0.02)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def normalise_spectrally(module: nn.Module) -> None:
    """Divides every convolution's and linear layer's weight by its largest singular value. Miyato et al. 2018.

    The singular value is that of the weight flattened to (out, rest), followed by one power iteration a training
    forward pass. A BatchNorm in between rescales again: only without one is the network 1-Lipschitz up to the
    factor by which a convolution differs from its flattened weight.
    """
    for layer in list(module.modules()):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            spectral_norm(layer)


def _batch_norms(network: nn.Module) -> list[nn.BatchNorm1d | nn.BatchNorm2d]:
    return [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d)]


def mixes_batch(network: nn.Module) -> bool:
    """Does one picture's result depend on the other pictures of its batch?"""
    return bool(_batch_norms(network))


@torch.no_grad()
def measure_statistics(generator: nn.Module, draw: Callable[[Noise], object], device: torch.device) -> None:
    """Sets every BatchNorm's running mean and variance to their averages over fixed latents. Others: no effect.

    The running statistics that training leaves behind belong to the last few training batches of one rank, and to the
    weights of those steps. Neither the averaged weights nor another rank's copy have seen them, so a picture made with
    them would depend on more than weights and seed. "Standing statistics" (Brock et al. 2019, appendix A) do not: they
    are measured with the very weights that sample, and are the same whatever they were before. After 1,400 steps of
    DCGAN at 32 px, averaged weights with the trained network's statistics gave washed-out pictures (standard deviation
    of a pixel 0.39); with their own they gave 0.42, and the training pictures have 0.43.

    Leaves the generator in eval mode.

    Args:
        generator: the network whose BatchNorms are meant.
        draw: runs it on a latent of each stream; called BATCHES times with ROWS streams, always the same.
        device: where the generator is.
    """
    norms = _batch_norms(generator)
    if norms:
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # torch's way to say: the plain average since the reset
        generator.train()
        for first in range(0, BATCHES * ROWS, ROWS):
            draw(Noise(range(first, first + ROWS), device))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    generator.eval()
