"""A small conditional U-Net that is good on a CPU, leaves first.

Labels (tags, attributes) and time become one vector that scales and shifts every block; the landmarks become a latent
IMAGE that is added wherever the U-Net changes resolution, so that a point of the face stays a place in the picture
(S1).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.contract import Condition
from anime_gen.families.diffusion.guidance import Told


def sinusoidal(t_B: Tensor, width: int) -> Tensor:
    """Sines and cosines of t at geometric frequencies (Vaswani et al. 2017, section 3.5): (B, width)."""
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(width // 2, device=t_B.device) / (width // 2))
    angles = t_B.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def landmark_map(landmarks_BK2: Tensor, size: int, spread: float) -> Tensor:
    """Draws each landmark as a Gaussian of `spread` pixels in a channel of its own: (B, K, size, size) in [0, 1].

    Points that are not given (NaN) leave their channel empty.
    """
    centres = (torch.arange(size, device=landmarks_BK2.device) + 0.5) / size
    given_BK = ~landmarks_BK2.isnan().any(-1)
    points = landmarks_BK2.nan_to_num(0.0)
    bells = torch.exp(-0.5 * ((centres - points[..., None]) * size / spread).square())  # B, K, (x, y), size
    return bells[:, :, 1, :, None] * bells[:, :, 0, None, :] * given_BK[..., None, None]


class LabelEncoder(nn.Module):
    """Tags and attribute classes to one vector; a word that is not given adds nothing but says so."""

    def __init__(self, num_tags: int, attribute_sizes: list[int], width: int) -> None:
        super().__init__()
        self.tags = nn.Linear(2 * num_tags, width) if num_tags else None
        self.sizes = attribute_sizes
        # One more row in each group: the class is not given.
        self.attributes = nn.ModuleList(nn.Embedding(size + 1, width) for size in attribute_sizes)
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(width, width))
        self.null = nn.Parameter(torch.randn(width) * 0.02)

    def forward(self, condition: Condition, told_B: Tensor) -> Tensor:
        """(B, width); the null too where every word is open, as when nothing is asked of a sample."""
        parts = []
        said_B = torch.zeros_like(told_B)
        if self.tags is not None and condition.tags_BT is not None:
            given = ~condition.tags_BT.isnan()
            said_B = said_B | given.any(1)
            sign = torch.where(given, 2 * condition.tags_BT - 1, 0.0)
            parts.append(self.tags(torch.cat([sign, given.float()], dim=1)))
        if condition.attributes_BA is not None:
            said_B = said_B | (condition.attributes_BA >= 0).any(1)
            for group, table in enumerate(self.attributes):
                classes = condition.attributes_BA[:, group]
                parts.append(table(torch.where(classes < 0, self.sizes[group], classes)))
        encoded = self.mix(torch.stack(parts).sum(0))
        return torch.where((told_B & said_B)[:, None], encoded, self.null)


class LandmarkEncoder(nn.Module):
    """The 24 points to a latent image. Its null is learned: an empty map is a legal one."""

    def __init__(self, num_landmarks: int, width: int, spread: float, patch: int) -> None:
        super().__init__()
        self.spread = spread
        self.patch = patch
        self.layers = nn.Sequential(
            nn.Conv2d(num_landmarks * patch**2, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.null = nn.Parameter(torch.randn(1, width, 1, 1) * 0.02)

    def forward(self, landmarks_BK2: Tensor, told_B: Tensor, size: int) -> Tensor:
        """For pictures of `size` pixels (B, width, size / patch, size / patch)."""
        told_B = told_B & ~landmarks_BK2.isnan().any(-1).all(-1)
        encoded = self.layers(F.pixel_unshuffle(landmark_map(landmarks_BK2, size, self.spread), self.patch))
        return torch.where(told_B[:, None, None, None], encoded, self.null)


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
        out: Tensor = self.skip(x) + self.conv2(self.dropout(h))
        return out


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
        out: Tensor = x + self.out(mixed)
        return out


class UNet(nn.Module):
    """Predicts the target for noisy pictures.

    Args:
        channels: width at each resolution, the finest first; each further one is half the size.
        patch: the network sees squares of this many pixels as one, with all their values as channels: the resolution at
            which most of the work is done (Hoogeboom et al. 2023, "Simple diffusion", section 3.3).
        blocks: residual blocks at each resolution, as many on the way up as on the way down, each with a skip.
        dropout: share of a block's activations that training leaves out.
        attention: whether the coarsest resolution has self-attention.
        landmark_spread: standard deviation of a landmark's bell in pixels.
    """

    def __init__(
        self,
        num_tags: int,
        attribute_sizes: list[int],
        num_landmarks: int,
        channels: list[int],
        patch: int,
        blocks: int,
        dropout: float,
        attention: bool,
        landmark_spread: float,
    ) -> None:
        super().__init__()
        embedding = 4 * channels[0]
        self.time = nn.Sequential(nn.Linear(channels[0], embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.labels = LabelEncoder(num_tags, attribute_sizes, embedding) if num_tags or attribute_sizes else None
        self.landmarks = LandmarkEncoder(num_landmarks, channels[0], landmark_spread, patch) if num_landmarks else None
        self.patch = patch
        self.stem = nn.Conv2d(3 * patch**2, channels[0], 3, padding=1)

        self.down = nn.ModuleList()
        self.guides_down = nn.ModuleList()  # the landmark latent, projected for each stage
        self.downsample = nn.ModuleList()
        skips: list[int] = []
        width = channels[0]
        for level, out in enumerate(channels):
            self.guides_down.append(nn.Conv2d(channels[0], width, 1) if num_landmarks else nn.Identity())
            stage = nn.ModuleList()
            for _ in range(blocks):
                stage.append(Block(width, out, embedding, dropout))
                width = out
                skips.append(width)
            self.down.append(stage)
            last = level == len(channels) - 1
            self.downsample.append(nn.Identity() if last else nn.Conv2d(width, width, 3, stride=2, padding=1))

        self.middle1 = Block(width, width, embedding, dropout)
        self.attention = Attention(width) if attention else nn.Identity()
        self.middle2 = Block(width, width, embedding, dropout)

        self.up = nn.ModuleList()
        self.guides_up = nn.ModuleList()
        self.upsample = nn.ModuleList()
        for level, out in reversed(list(enumerate(channels))):
            self.guides_up.append(nn.Conv2d(channels[0], width, 1) if num_landmarks else nn.Identity())
            stage = nn.ModuleList()
            for _ in range(blocks):
                stage.append(Block(width + skips.pop(), out, embedding, dropout))
                width = out
            self.up.append(stage)
            self.upsample.append(nn.Conv2d(width, width, 3, padding=1) if level else nn.Identity())

        self.norm_out = nn.GroupNorm(8, width)
        self.conv_out = nn.Conv2d(width, 3 * patch**2, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, t_B: Tensor, condition: Condition, told: Told) -> Tensor:
        """(B, 3, H, W) noisy pictures at integer steps t (B,) -> (B, 3, H, W)."""
        embedding = self.time(sinusoidal(t_B, self.stem.out_channels))
        if self.labels is not None:
            embedding = embedding + self.labels(condition, told.labels_B)
        embedding = F.silu(embedding)
        guides: list[Tensor] = []
        if self.landmarks is not None and condition.landmarks_BK2 is not None:
            latent = self.landmarks(condition.landmarks_BK2, told.landmarks_B, x.shape[-1])
            guides = [latent]
            for _ in range(len(self.down) - 1):
                guides.append(F.avg_pool2d(guides[-1], 2))

        x = self.stem(F.pixel_unshuffle(x, self.patch))
        skips: list[Tensor] = []
        last = len(self.down) - 1
        for level, stage in enumerate(self.down):
            if guides:
                x = x + self.guides_down[level](guides[level])
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, embedding)
                skips.append(x)
            if level < last:
                x = self.downsample[level](x)
        x = self.middle2(self.attention(self.middle1(x, embedding)), embedding)
        for i, stage in enumerate(self.up):
            if guides:
                x = x + self.guides_up[i](guides[last - i])
            for block in stage:  # type: ignore[attr-defined]
                x = block(torch.cat([x, skips.pop()], dim=1), embedding)
            if i < last:
                x = self.upsample[i](F.interpolate(x, scale_factor=2.0))
        return F.pixel_shuffle(self.conv_out(F.silu(self.norm_out(x))), self.patch)
