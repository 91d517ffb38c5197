"""A diffusion transformer (Peebles & Xie 2023, "Scalable diffusion models with transformers"), small."""

from __future__ import annotations

import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.blocks.layers import times
from anime_gen.contract import UserError
from anime_gen.families.diffusion.conditions import Guide
from anime_gen.families.diffusion.network import Backbone, sinusoidal


def places(side: int, width: int, device: torch.device) -> Tensor:
    """Fixed 2-D sine and cosine places (section 3.2): (side * side, width), half of it for y and half for x."""
    steps = torch.arange(side, device=device) * (64 / side)  # the same places at every resolution
    one = sinusoidal(steps, width // 2)
    rows, columns = one[:, None].expand(-1, side, -1), one[None].expand(side, -1, -1)
    return torch.cat([rows, columns], dim=-1).reshape(side * side, width)


class TransformerBlock(nn.Module):
    """Attention and a feed-forward layer, both with adaLN-Zero (section 3.2)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.qkv = nn.Linear(width, 3 * width)
        # Queries and keys of length 1, and one scale for their products: a norm with weights of its own would be
        # float32 beside bfloat16, which has no fused kernel.
        self.norm = nn.RMSNorm(width // heads, elementwise_affine=False)
        self.scale = nn.Parameter(torch.ones(width // heads))
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.modulation = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.modulation.weight)  # the block begins as the identity
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        b, n, width = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(embedding)[:, None].chunk(6, dim=-1)
        h = self.norm1(x) * (1 + scale1) + shift1
        qkv = self.qkv(h).view(b, n, 3, self.heads, width // self.heads).transpose(1, 3)  # B, heads, 3, N, C / heads
        q, k, v = qkv.unbind(2)
        h = F.scaled_dot_product_attention(self.norm(q) * self.scale.to(q.dtype), self.norm(k), v)
        x = x + gate1 * self.out(h.transpose(1, 2).reshape(b, n, width))
        h = self.norm2(x) * (1 + scale2) + shift2
        return x + gate2 * self.feed_forward(h)


class DiT(Backbone):
    """Patches as tokens; time and the vector modulate every block, the latent image is added to the tokens.

    Args:
        width, depth, heads: of the transformer.
        patch: pixels (of latents: places) along a side of a token.
        in_channels: 3 for pictures, as many as the latents have for latents.
    """

    edges = re.compile(r"^(stem|time|out)\.|(^|\.)modulation\.")

    def __init__(self, width: int = 192, depth: int = 8, heads: int = 4, patch: int = 4, in_channels: int = 3) -> None:
        super().__init__()
        if min(width, heads, patch) < 1:
            raise UserError(
                f"model.network: width is {width}, heads {heads} and patch {patch}; each must be at least 1"
            )
        if width % (4 * heads):
            raise UserError(f"model.network.width={width}: give a multiple of 4 * heads, {4 * heads}")
        self.in_channels = in_channels
        self.vector = self.latent = width
        self.patch = patch
        self.stem = nn.Linear(in_channels * patch**2, width)
        self.time = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(TransformerBlock(width, heads) for _ in times("model.network.depth", depth))
        self.norm_out = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, in_channels * patch**2)
        for layer in (self.modulation, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def check(self, image_size: int, factor: int = 1) -> None:
        if image_size % (factor * self.patch):
            latents = f" times the latents' factor {factor}" if factor > 1 else ""
            raise UserError(
                f"data.image_size={image_size}: give a multiple of model.network.patch={self.patch}{latents}"
            )

    def forward(self, x: Tensor, noise_label_B: Tensor, guide: Guide) -> Tensor:
        side = x.shape[-1] // self.patch
        tokens = self.stem(F.pixel_unshuffle(x, self.patch).flatten(2).transpose(1, 2))
        tokens = tokens + places(side, tokens.shape[-1], x.device) + guide.map_BCHW.flatten(2).transpose(1, 2)
        embedding = F.silu(self.time(sinusoidal(noise_label_B, 256)) + guide.vector_BE)
        for block in self.blocks:
            tokens = block(tokens, embedding)
        shift, scale = self.modulation(embedding)[:, None].chunk(2, dim=-1)
        tokens = self.out(self.norm_out(tokens) * (1 + scale) + shift)
        return F.pixel_shuffle(tokens.transpose(1, 2).unflatten(2, (side, side)), self.patch)
