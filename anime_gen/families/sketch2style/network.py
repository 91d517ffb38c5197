"""The encoder: from a sketch at any stage to what is known of the styles, leaves first."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anime_gen.blocks.layers import Norm, channels_by_side, halvings, initialise


class Encoder(nn.Module):
    """q(structure layers | sketch): a mean for each, and one deviation for all, as a StyleGAN2's are one w.

    Styles are whitened: over those that the generator draws, each number has mean 0 and deviation 1, and an encoder
    that knows nothing says just that.

    Args:
        layers: structure layers, K.
        style_width: D.
        image_size: side of a sketch.
        width: channels at half of it; they double with every halving.
        max_width: channels at most.
    """

    style_mean_KD: Tensor
    style_deviation_KD: Tensor

    def __init__(self, layers: int, style_width: int, image_size: int, width: int, max_width: int) -> None:
        super().__init__()
        self.shape = (layers, style_width)
        channels = channels_by_side(image_size, width, max_width)
        self.features = nn.Sequential(*halvings(channels, Norm.layer, inputs=1), nn.Flatten())
        initialise(self.features)
        self.moments = nn.Linear(16 * channels[-1], (layers + 1) * style_width)
        for parameter in self.moments.parameters():
            nn.init.zeros_(parameter)
        self.register_buffer("style_mean_KD", torch.zeros(self.shape))
        self.register_buffer("style_deviation_KD", torch.ones(self.shape))

    def forward(self, sketch_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        """Sketches, 1 on a line -> mean (B, K, D) and log-deviation (B, D) of whitened styles, as exact as those."""
        both_BN = self.moments(self.features(sketch_B1HW)).to(sketch_B1HW.dtype)
        layers, width = self.shape
        mean_BN, log_deviation_BD = both_BN.split([layers * width, width], 1)
        return mean_BN.unflatten(1, self.shape), log_deviation_BD.clamp(-5, 1)

    @torch.no_grad()
    def measure(self, mean_KD: Tensor, deviation_KD: Tensor) -> None:
        """What whitening goes by."""
        self.style_mean_KD.copy_(mean_KD)
        self.style_deviation_KD.copy_(deviation_KD.clamp(min=1e-4))

    def whitened(self, w_BKD: Tensor) -> Tensor:
        """Styles of the structure layers -> whitened ones."""
        return (w_BKD - self.style_mean_KD) / self.style_deviation_KD

    def styles(self, white_BKD: Tensor) -> Tensor:
        """And back."""
        return white_BKD * self.style_deviation_KD + self.style_mean_KD
