"""The network of S1 (bachelor thesis, Hanoi 2024), as the thesis describes it.

    DoubleConv 64 - Down 128 - Attention - Down 256 - Attention - Down 256
    bottleneck DoubleConv 512, 512, 256
    Up 128 - Attention - Up 64 - Attention - Up 64 - Conv 3

The GELU is its sigmoid form. The latent image of the landmarks is added to the projected text embedding; their sum
enters at the start and at every stage, and so does the time embedding. Where the thesis is silent this follows the
common U-Net of that layout: group norm with one group, max pooling, bilinear upsampling, residual first convolutions
in each stage, four heads with a feed-forward layer in each attention, time embedding of 256.
"""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.contract import UserError
from anime_gen.families.diffusion.conditions import Guide
from anime_gen.families.diffusion.network import Backbone, sinusoidal

TEXT, TIME = 512, 256


class SigmoidGELU(nn.Module):
    """x sigmoid(1.702 x) (Hendrycks & Gimpel 2016, section 2)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each normed, with a GELU between; `residual` adds the input before a last GELU."""

    def __init__(self, inputs: int, outputs: int, middle: int | None = None, residual: bool = False) -> None:
        super().__init__()
        middle = middle or outputs
        self.residual = residual
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, middle, 3, padding=1, bias=False),
            nn.GroupNorm(1, middle),
            SigmoidGELU(),
            nn.Conv2d(middle, outputs, 3, padding=1, bias=False),
            nn.GroupNorm(1, outputs),
        )
        self.last = SigmoidGELU()

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.layers(x)
        return self.last(x + h) if self.residual else h


class Enter(nn.Module):
    """Where time, text and the latent image enter a stage: each projected to its width, and added."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(TIME, width))
        self.text = nn.Linear(TEXT, width)
        self.image = nn.Conv2d(latent, width, 1)

    def forward(self, x: Tensor, time: Tensor, guide: Guide) -> Tensor:
        image = F.adaptive_avg_pool2d(guide.map_BCHW, (x.shape[-2], x.shape[-1]))
        return x + (self.time(time) + self.text(guide.vector_BE))[:, :, None, None] + self.image(image)


class Down(nn.Module):
    """Half the size, then two double convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.MaxPool2d(2), DoubleConv(inputs, inputs, residual=True), DoubleConv(inputs, outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Up(nn.Module):
    """Twice the size, the skip beside it, then two double convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            DoubleConv(inputs, inputs, residual=True), DoubleConv(inputs, outputs, middle=inputs // 2)
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)
        return self.layers(torch.cat([skip, x], dim=1))


class SelfAttention(nn.Module):
    """Every pixel attends to every other (pre-norm, four heads), then a feed-forward layer; both residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), SigmoidGELU(), nn.Linear(width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)  # B, H W, C
        normed = self.norm(tokens)
        tokens = tokens + self.attention(normed, normed, normed, need_weights=False)[0]
        tokens = tokens + self.feed_forward(tokens)
        return tokens.transpose(1, 2).reshape(x.shape)


class ThesisUNet(Backbone):
    """S1's U-Net. Sides must be multiples of 8 pixels; attention runs at 1/2 and 1/4 of the size, down and up.

    Args:
        in_channels: 3 for pictures, as many as the latents have for latents.
    """

    vector = TEXT
    latent = 64
    patch = 1
    edges = re.compile(r"^(stem|enter\w*|out)\.")

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.in_channels = in_channels
        latent = self.latent
        self.stem = DoubleConv(in_channels, 64)
        self.enter = Enter(64, latent)
        self.down = nn.ModuleList([Down(64, 128), Down(128, 256), Down(256, 256)])
        self.enter_down = nn.ModuleList([Enter(128, latent), Enter(256, latent), Enter(256, latent)])
        self.attend_down = nn.ModuleList([SelfAttention(128), SelfAttention(256), nn.Identity()])
        self.bottleneck = nn.Sequential(DoubleConv(256, 512), DoubleConv(512, 512), DoubleConv(512, 256))
        self.up = nn.ModuleList([Up(256 + 256, 128), Up(128 + 128, 64), Up(64 + 64, 64)])
        self.enter_up = nn.ModuleList([Enter(128, latent), Enter(64, latent), Enter(64, latent)])
        self.attend_up = nn.ModuleList([SelfAttention(128), SelfAttention(64), nn.Identity()])
        self.out = nn.Conv2d(64, in_channels, 1)

    def check(self, image_size: int, factor: int = 1) -> None:
        if image_size % (least := 8 * factor):
            raise UserError(
                f"data.image_size={image_size}: ThesisUNet halves it three times; give a multiple of {least}"
            )

    def forward(self, x: Tensor, noise_label_B: Tensor, guide: Guide) -> Tensor:
        time = sinusoidal(noise_label_B, TIME)
        x = self.enter(self.stem(x), time, guide)
        skips: list[Tensor] = []
        for down, enter, attend in zip(self.down, self.enter_down, self.attend_down, strict=True):
            skips.append(x)
            x = attend(enter(down(x), time, guide))
        x = self.bottleneck(x)
        for up, enter, attend in zip(self.up, self.enter_up, self.attend_up, strict=True):
            x = attend(enter(up(x, skips.pop()), time, guide))
        return self.out(x)
