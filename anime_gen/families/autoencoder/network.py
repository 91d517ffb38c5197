"""The convolutional autoencoder, leaves first: the blocks of Rombach et al. 2022 (appendix G), small."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from anime_gen.blocks.layers import times
from anime_gen.contract import UserError
from anime_gen.noise import normal_like


class Residual(nn.Module):
    """x + two normed 3x3 convolutions; begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        last = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Network(nn.Module):
    """Encoder, decoder, and what normalises the latents.

    The first halving takes squares of 2 x 2 pixels as channels, and the last doubling gives them back: convolutions at
    the full size would cost as much as all others together.

    Args:
        latent_channels: C of the latents.
        factor: pixels along a side of one place of the latents: 2, 4, 8 ...
        width: channels at half the picture's size; twice as many at each further halving, up to four times.
        blocks: residual blocks at each size.
    """

    latent_mean_C: Tensor
    latent_square_C: Tensor

    def __init__(self, latent_channels: int, factor: int, width: int, blocks: int) -> None:
        super().__init__()
        if factor < 2 or factor & (factor - 1):
            raise UserError(f"model.factor={factor}: give a power of two from 2 on")
        if width < 8 or width % 8:
            raise UserError(f"model.width={width}: give a multiple of 8, the number of groups")
        widths = [width * min(2**level, 4) for level in range(factor.bit_length() - 1)]
        encoder: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1)]
        decoder: list[nn.Module] = []  # from the picture inwards
        before = width
        for level, here in enumerate(widths):
            if level:
                encoder.append(nn.Conv2d(before, here, 3, stride=2, padding=1))
                decoder += [nn.Conv2d(here, before, 3, padding=1), nn.Upsample(scale_factor=2.0)]
            encoder += [Residual(here) for _ in times("model.blocks", blocks)]
            decoder += [Residual(here) for _ in times("model.blocks", blocks)]
            before = here
        last = [nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, 12, 3, padding=1), nn.PixelShuffle(2)]
        encoder += [nn.GroupNorm(8, before), nn.SiLU(), nn.Conv2d(before, 2 * latent_channels, 3, padding=1)]
        self.encoder = nn.Sequential(*encoder)
        self.decoder = nn.Sequential(nn.Conv2d(latent_channels, before, 3, padding=1), *decoder[::-1], *last)
        # Of the encoder's means over the training pictures seen lately.
        self.register_buffer("latent_mean_C", torch.zeros(latent_channels))
        self.register_buffer("latent_square_C", torch.ones(latent_channels))

    def posterior(self, image_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z | picture), both (B, latent_channels, H / factor, W / factor), as exact as the
        picture: autocast would round what the errors and the noise levels are made of."""
        mean, log_variance = self.encoder(image_BCHW).to(image_BCHW.dtype).chunk(2, dim=1)
        return mean, log_variance.clamp(-30, 20)

    def forward(self, image_BCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(pictures made again from a draw of the posterior, its mean, its log-variance)."""
        mean, log_variance = self.posterior(image_BCHW)
        z = mean + (0.5 * log_variance).exp() * normal_like(mean)
        return self.decoder(z).to(image_BCHW.dtype), mean, log_variance

    @torch.no_grad()
    def measure(self, moments_2C: Tensor, share: float) -> None:
        """Moves the latents' mean and mean square towards a batch's, (2, latent_channels), by a share of the way."""
        self.latent_mean_C.lerp_(moments_2C[0].to(self.latent_mean_C), share)
        self.latent_square_C.lerp_(moments_2C[1].to(self.latent_square_C), share)

    def _scales(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each channel, (C, 1, 1)."""
        mean = self.latent_mean_C
        deviation = (self.latent_square_C - mean.square()).clamp(min=1e-8).sqrt()
        return mean[:, None, None], deviation[:, None, None]

    def encode(self, image_BCHW: Tensor) -> Tensor:
        """The posterior's mean, normalised. A draw would only add noise that is far below the first noise level."""
        mean, deviation = self._scales()
        return (self.posterior(image_BCHW)[0] - mean) / deviation

    def decode(self, latent_BCHW: Tensor) -> Tensor:
        """Pictures of normalised latents."""
        mean, deviation = self._scales()
        image_BCHW: Tensor = self.decoder(latent_BCHW * deviation + mean)
        return image_BCHW.to(latent_BCHW.dtype)


def moments(latent_BCHW: Tensor) -> Tensor:
    """Mean and mean square of each channel: (2, C), float32."""
    flat_CN = latent_BCHW.detach().transpose(0, 1).flatten(1)
    return torch.stack([flat_CN.mean(1), flat_CN.square().mean(1)])
