"""Networks that predict the target from noisy pictures: what they share, and the U-Net that is good on a CPU.

A network sees the noisy pictures, the number that its schedule tells of their noise, and a `Guide`: the sum of all
vectors that were told (tags, attributes, text) and of all latent images (landmarks, sketch).
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.blocks.layers import times
from anime_gen.contract import UserError
from anime_gen.families.diffusion.conditions import Guide


def sinusoidal(t_B: Tensor, width: int) -> Tensor:
    """Sines and cosines of t at geometric frequencies (Vaswani et al. 2017, section 3.5): (B, width)."""
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(width // 2, device=t_B.device) / (width // 2))
    angles = t_B.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class Backbone(nn.Module, ABC):
    """Predicts the target, (B, in_channels, H, W), from noisy pictures, or latents, of the same shape.

    Attributes:
        in_channels: 3 for pictures, as many as the latents have for latents.
        vector, latent: widths of the `Guide` it takes.
        patch: side of the squares of pixels that it sees as one.
        edges: names of weights that read what comes in or is told, or write what goes out.
    """

    in_channels: int
    vector: int
    latent: int
    patch: int
    edges: ClassVar[re.Pattern[str]]

    @abstractmethod
    def forward(self, x: Tensor, noise_label_B: Tensor, guide: Guide) -> Tensor:
        """(B, in_channels, H, W), the noise level's number by the schedule (B,), and what is told of the pictures."""

    @abstractmethod
    def check(self, image_size: int, factor: int = 1) -> None:
        """Raises UserError where pictures of that size, `factor` times that of their latents, do not fit."""

    def matrices(self) -> list[nn.Parameter]:
        """Weights from hidden features to hidden features: those that `Muon` is for."""
        return [one for name, one in self.named_parameters() if one.ndim > 1 and not self.edges.search(name)]


class Block(nn.Module):
    """Residual block, scaled and shifted by the embedding (Dhariwal & Nichol 2021, section 3, adaptive norm)."""

    def __init__(self, inputs: int, outputs: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulation = nn.Linear(embedding, 2 * outputs)
        self.norm2 = nn.GroupNorm(8, outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.conv2.weight)  # the block begins as its skip
        nn.init.zeros_(self.conv2.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        h = F.silu(self.norm2(h) * (1 + scale) + shift)
        return self.skip(x) + self.conv2(self.dropout(h))


class Attention(nn.Module):
    """Self-attention over the pixels, with a residual."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).reshape(b, 3, self.heads, c // self.heads, h * w).transpose(-1, -2)
        q, k, v = qkv.unbind(1)  # B, heads, H W, C / heads
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(-1, -2).reshape(b, c, h, w)
        return x + self.out(mixed)


class UNet(Backbone):
    """The suite's default: residual blocks with adaptive norms, attention at the coarsest resolution only.

    Time and the vector scale and shift every block; the latent image is added at each resolution, down and up.

    Args:
        channels: width at each resolution, the finest first; each further one is half the size.
        patch: the network sees squares of this many pixels as one, with all their values as channels: the resolution at
            which most of the work is done (Hoogeboom et al. 2023, "Simple diffusion", section 3.3).
        blocks: residual blocks at each resolution, as many on the way up as on the way down, each with a skip.
        dropout: share of a block's activations that training leaves out.
        attention: whether the coarsest resolution has self-attention.
        in_channels: 3 for pictures, as many as the latents have for latents.
    """

    edges = re.compile(r"^(stem|time|guides_\w+|conv_out)\.|\.modulation\.")

    def __init__(
        self,
        channels: list[int] | None = None,
        patch: int = 2,
        blocks: int = 1,
        dropout: float = 0.0,
        attention: bool = True,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        channels = channels or [64, 128, 128]
        if patch < 1:
            raise UserError(f"model.network.patch={patch}: give at least 1")
        if any(width % 8 for width in channels):
            raise UserError(f"model.network.channels={channels}: each must be a multiple of 8, the number of groups")
        self.in_channels = in_channels
        self.latent = channels[0]
        self.vector = 4 * channels[0]
        self.patch = patch
        self.time = nn.Sequential(nn.Linear(channels[0], self.vector), nn.SiLU(), nn.Linear(self.vector, self.vector))
        self.stem = nn.Conv2d(in_channels * patch**2, channels[0], 3, padding=1)

        self.down = nn.ModuleList()
        self.guides_down = nn.ModuleList()  # the latent image, projected for each stage
        self.downsample = nn.ModuleList()
        skips: list[int] = []
        width = channels[0]
        for level, out in enumerate(channels):
            self.guides_down.append(nn.Conv2d(self.latent, width, 1))
            stage = nn.ModuleList()
            for _ in times("model.network.blocks", blocks):
                stage.append(Block(width, out, self.vector, dropout))
                width = out
                skips.append(width)
            self.down.append(stage)
            last = level == len(channels) - 1
            self.downsample.append(nn.Identity() if last else nn.Conv2d(width, width, 3, stride=2, padding=1))

        self.middle1 = Block(width, width, self.vector, dropout)
        self.attention = Attention(width) if attention else nn.Identity()
        self.middle2 = Block(width, width, self.vector, dropout)

        self.up = nn.ModuleList()
        self.guides_up = nn.ModuleList()
        self.upsample = nn.ModuleList()
        for level, out in reversed(list(enumerate(channels))):
            self.guides_up.append(nn.Conv2d(self.latent, width, 1))
            stage = nn.ModuleList()
            for _ in times("model.network.blocks", blocks):
                stage.append(Block(width + skips.pop(), out, self.vector, dropout))
                width = out
            self.up.append(stage)
            self.upsample.append(nn.Conv2d(width, width, 3, padding=1) if level else nn.Identity())

        self.norm_out = nn.GroupNorm(8, width)
        self.conv_out = nn.Conv2d(width, in_channels * patch**2, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def check(self, image_size: int, factor: int = 1) -> None:
        halvings = len(self.down) - 1
        if image_size % (coarsest := factor * self.patch * 2**halvings):
            raise UserError(
                f"data.image_size={image_size}: patches of {factor * self.patch} pixels, halved {halvings} times, "
                f"need a multiple of {coarsest}; change it, or give a smaller model.network.patch or fewer channels"
            )

    def forward(self, x: Tensor, noise_label_B: Tensor, guide: Guide) -> Tensor:
        embedding = F.silu(self.time(sinusoidal(noise_label_B, self.latent)) + guide.vector_BE)
        guides = [guide.map_BCHW]
        for _ in range(len(self.down) - 1):
            guides.append(F.avg_pool2d(guides[-1], 2))

        x = self.stem(F.pixel_unshuffle(x, self.patch))
        skips: list[Tensor] = []
        last = len(self.down) - 1
        for level, stage in enumerate(self.down):
            x = x + self.guides_down[level](guides[level])
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, embedding)
                skips.append(x)
            if level < last:
                x = self.downsample[level](x)
        x = self.middle2(self.attention(self.middle1(x, embedding)), embedding)
        for i, stage in enumerate(self.up):
            x = x + self.guides_up[i](guides[last - i])
            for block in stage:  # type: ignore[attr-defined]
                x = block(torch.cat([x, skips.pop()], dim=1), embedding)
            if i < last:
                x = self.upsample[i](F.interpolate(x, scale_factor=2.0))
        return F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(x))), self.patch)
