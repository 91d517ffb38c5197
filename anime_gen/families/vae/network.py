"""Encoder, decoder and prior, leaves first: Radford's strided convolutions, all told the labels.

LayerNorm stands for DCGAN's BatchNorm: a picture is encoded and drawn by itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anime_gen.blocks.labels import Words, label_embedding
from anime_gen.blocks.layers import ConvGenerator, Norm, channels_by_side, halvings, initialise

# Units that the prior reads the labels with.
HIDDEN = 128


class Encoder(nn.Module):
    """q(z | x, y): picture and labels to the mean and log-variance of a normal distribution."""

    def __init__(self, words: Words, z_dim: int, label_width: int, image_size: int, width: int, max_width: int) -> None:
        super().__init__()
        channels = channels_by_side(image_size, width, max_width)
        self.features = nn.Sequential(*halvings(channels, Norm.layer), nn.Flatten())
        initialise(self.features)
        self.label_embedding = label_embedding(words, label_width)
        self.moments = nn.Linear(16 * channels[-1] + label_width, 2 * z_dim)

    def forward(self, image_BCHW: Tensor, code_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, H, W) and `labels.code` -> mean and log-variance, both (B, Z) and as exact as the picture."""
        both = torch.cat([self.features(image_BCHW), self.label_embedding(code_BL)], dim=1)
        mean_BZ, log_variance_BZ = self.moments(both).to(image_BCHW.dtype).chunk(2, dim=1)
        return mean_BZ, log_variance_BZ.clamp(-30, 20)


class Decoder(nn.Module):
    """All that draws: the prior p(z | y) of the labels, and the mean of p(x | z, y).

    With the same N(0, I) for all labels, the encoder tells the colour of the hair by z although the labels tell it, and
    a z that is drawn blindly contradicts them: after 38,400 pictures at 32 px the judge saw the colour that was asked
    for in 39 % of the samples.
    """

    def __init__(self, words: Words, z_dim: int, label_width: int, image_size: int, width: int, max_width: int) -> None:
        super().__init__()
        self.prior = nn.Sequential(nn.Linear(words.codes, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 2 * z_dim))
        for parameter in self.prior[2].parameters():
            nn.init.zeros_(parameter)  # begins as N(0, I)
        self.label_embedding = label_embedding(words, label_width)
        channels = channels_by_side(image_size, width, max_width)
        self.trunk = ConvGenerator(z_dim + label_width, channels[::-1], Norm.layer)
        initialise(self.trunk)

    def moments(self, code_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of p(z | y) for `labels.code`, both (B, Z) and as exact as the code."""
        mean_BZ, log_variance_BZ = self.prior(code_BL).to(code_BL.dtype).chunk(2, dim=1)
        return mean_BZ, log_variance_BZ.clamp(-30, 20)

    def forward(self, z_BZ: Tensor, code_BL: Tensor) -> Tensor:
        """Latents (B, Z) and `labels.code` -> pictures (B, 3, H, W) in [-1, 1]."""
        return self.trunk(torch.cat([z_BZ, self.label_embedding(code_BL)], dim=1))
