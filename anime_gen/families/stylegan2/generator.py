"""StyleGAN2's generator: styles to pictures, every size adding to the last (Karras et al. 2020b, figures 2 and 7b)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from anime_gen.families.stylegan2.layers import GAIN, Dense, activated, exact
from anime_gen.families.stylegan2.modulation import demodulation, modulated
from anime_gen.families.stylegan2.resample import doubled
from anime_gen.noise import normal


def channels(base: int, most: int, image_size: int) -> list[int]:
    """Channels at 4x4, 8x8, ... up to the picture's side: base / side, at most `most`."""
    return [min(base // (4 << k), most) for k in range(image_size.bit_length() - 2)]


class StyledConvolution(nn.Module):
    """Modulated 3x3 convolution, demodulated; noise, bias and activation.

    Args:
        inputs: channels in.
        outputs: channels out.
        width: of w.
        side: of what comes out.
        double: double the side.
    """

    noise_HW: Tensor

    def __init__(self, inputs: int, outputs: int, width: int, side: int, double: bool = False) -> None:
        super().__init__()
        self.style = Dense(width, inputs, bias=1.0)
        self.weight = nn.Parameter(normal(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_HW", normal(side, side))
        self.doubles = double

    def forward(self, x_BCHW: Tensor, w_BW: Tensor, noise_B1HW: Tensor) -> Tensor:
        """(B, inputs, H, W) and standard normal noise (B or 1, 1, side, side) to (B, outputs, side, side)."""
        with exact(w_BW):
            style_BI = self.style(w_BW)
            # The activation's gain is put into what is added up before it.
            scale_BO11 = (GAIN * demodulation(self.weight, style_BI))[:, :, None, None]
        out_BCHW = modulated(x_BCHW, self.weight, style_BI, self.doubles)
        scale_BO11 = scale_BO11.to(out_BCHW.dtype)
        noise_B1HW = (GAIN * self.noise_strength * noise_B1HW).to(out_BCHW.dtype)
        out_BCHW = torch.addcmul(noise_B1HW, out_BCHW, scale_BO11)
        return activated(out_BCHW.add_((GAIN * self.bias)[:, None, None].to(out_BCHW.dtype)))


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to three channels, not demodulated."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.style = Dense(width, inputs, bias=1.0)
        self.weight = nn.Parameter(normal(3, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x_BCHW: Tensor, w_BW: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 3, H, W), float32 at least: small steps add up to the picture."""
        with exact(w_BW):
            style_BI = self.style(w_BW) / math.sqrt(self.weight.shape[1])
        out_BCHW = modulated(x_BCHW, self.weight, style_BI)
        return out_BCHW.to(torch.promote_types(out_BCHW.dtype, torch.float32)) + self.bias[:, None, None]


class Block(nn.Module):
    """One size: the last one doubled and convolved, convolved again, and its picture added to the last one's, doubled.

    The first, at 4x4, begins with a learned constant and has one convolution.

    Args:
        inputs: channels of the size before; 0 for the first.
        outputs: channels of this one.
        width: of w.
        side: of this one.
    """

    def __init__(self, inputs: int, outputs: int, width: int, side: int) -> None:
        super().__init__()
        self.constant = None if inputs else nn.Parameter(normal(outputs, side, side))
        self.first = StyledConvolution(inputs, outputs, width, side, double=True) if inputs else None
        self.second = StyledConvolution(outputs, outputs, width, side)
        self.to_rgb = ToRGB(outputs, width)

    @property
    def convolutions(self) -> list[StyledConvolution]:
        return [layer for layer in (self.first, self.second) if layer is not None]

    def forward(
        self, x_BCHW: Tensor | None, image_BCHW: Tensor | None, w_BLW: Tensor, noises: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Features and picture of this size. `w_BLW`: one w for each convolution, and one for the picture."""
        if self.first is not None:
            assert x_BCHW is not None
            x_BCHW = self.first(x_BCHW, w_BLW[:, 0], noises[0])
        else:
            assert self.constant is not None
            x_BCHW = self.constant.repeat(len(w_BLW), 1, 1, 1)
        x_BCHW = self.second(x_BCHW, w_BLW[:, -2], noises[-1])
        small_BCHW = self.to_rgb(x_BCHW, w_BLW[:, -1])
        if image_BCHW is None:
            return x_BCHW, small_BCHW
        with exact(image_BCHW):
            return x_BCHW, doubled(image_BCHW) + small_BCHW


class Synthesis(nn.Module):
    """w for every layer to pictures.

    Args:
        image_size: a power of 2, 8 or more.
        width: of w.
        channels: at 4x4, 8x8, ...
    """

    def __init__(self, image_size: int, width: int, channels: list[int]) -> None:
        super().__init__()
        inputs = [0, *channels[:-1]]
        self.blocks = nn.ModuleList(
            Block(before, after, width, 4 << k) for k, (before, after) in enumerate(zip(inputs, channels, strict=True))
        )
        self.image_size = image_size
        # One for each convolution, and one for the last picture: 14 at 256 px.
        self.num_ws = 2 * len(channels)

    def sides(self) -> list[int]:
        """Of the noise that each convolution takes, in order."""
        return [layer.noise_HW.shape[0] for block in self._blocks() for layer in block.convolutions]

    def _blocks(self) -> list[Block]:
        return [block for block in self.blocks if isinstance(block, Block)]

    def forward(self, w_BLW: Tensor, noises: list[Tensor] | None = None) -> Tensor:
        """Pictures (B, 3, H, W), about in [-1, 1].

        Args:
            w_BLW: (B, num_ws, W).
            noises: standard normal, (B or 1, 1, side, side) for each of `sides()`; None for the same of every picture.
        """
        at = 0
        x_BCHW: Tensor | None = None
        image_BCHW: Tensor | None = None
        for block in self._blocks():
            layers = block.convolutions
            constants = [layer.noise_HW[None, None] for layer in layers]
            drawn = constants if noises is None else noises[at : at + len(layers)]
            # The picture of one size and the first convolution of the next one share a w.
            x_BCHW, image_BCHW = block(x_BCHW, image_BCHW, w_BLW[:, at : at + len(layers) + 1], drawn)
            at += len(layers)
        assert image_BCHW is not None
        return image_BCHW


class Generator(nn.Module):
    """Mapping and synthesis, and the average w.

    Args:
        mapping: (z_BZ, label_BL) -> w_BW.
        synthesis: w_BLW -> pictures.
        width: of z and of w.
    """

    w_average: Tensor

    def __init__(self, mapping: nn.Module, synthesis: Synthesis, width: int) -> None:
        super().__init__()
        self.mapping = mapping
        self.synthesis = synthesis
        self.register_buffer("w_average", torch.zeros(width))

    def forward(self, z_BZ: Tensor, label_BL: Tensor, noises: list[Tensor] | None = None) -> Tensor:
        """Pictures (B, 3, H, W) of latents and labels, the same w for every layer."""
        w_BW: Tensor = self.mapping(z_BZ, label_BL)
        return self.synthesis(self.broadcast(w_BW), noises)

    def broadcast(self, w_BW: Tensor) -> Tensor:
        """(B, W) to (B, num_ws, W)."""
        return w_BW[:, None].expand(-1, self.synthesis.num_ws, -1)
