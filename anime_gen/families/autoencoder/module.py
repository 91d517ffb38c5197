"""The autoencoder: the Lightning side."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anime_gen.blocks.cooldown import cooled_adam
from anime_gen.contract import Batch, Condition, LatentSpace, Preview, UserError
from anime_gen.families.autoencoder.loss import absolute_error, edge_error, kl_to_normal, psnr
from anime_gen.families.autoencoder.network import Network, moments
from anime_gen.noise import Noise

# The latents' mean and deviation are those of about so many training pictures: enough to be exact (each has 64 places
# at 32 px), and few enough to follow latents that shrink while they are trained.
MEASURED_IMAGES = 2000


class Autoencoder(LatentSpace):
    """The first stage of latent diffusion (Rombach et al. 2022, section 3.1) with the KL regulariser, without a GAN.

    Args:
        image_size: side of a picture in pixels; the data decides it.
        latent_channels: numbers at each place of the latents.
        factor: pixels along a side of such a place, a power of two.
        width: channels of the networks at half the picture's size.
        blocks: residual blocks at each size.
        kl: weight of the KL divergence, per value of a picture as the other errors are (LDM's 1e-6).
        edges: weight of the error of the steps between neighbouring pixels.
        lr, betas: Adam's.
        cooldown: last part of the run, as a fraction of its steps, in which the learning rate falls to 0.

    Raises:
        UserError: no latents, a factor that is no power of two or does not divide the picture, or a negative weight.
    """

    def __init__(
        self,
        image_size: int,
        latent_channels: int = 8,
        factor: int = 4,
        width: int = 64,
        blocks: int = 1,
        kl: float = 1e-6,
        edges: float = 1.0,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        cooldown: float = 0.5,
    ) -> None:
        super().__init__(image_size)
        self.save_hyperparameters()
        for name, value, least in (("latent_channels", latent_channels, 1), ("blocks", blocks, 0), ("kl", kl, 0),
                                   ("edges", edges, 0)):  # fmt: skip
            if value < least:
                raise UserError(f"model.{name}={value}: give at least {least}")
        if lr <= 0:
            raise UserError(f"model.lr={lr}: give a number above 0")
        if not 0 < cooldown <= 1:
            raise UserError(f"model.cooldown={cooldown}: give a fraction of the run, above 0 and up to 1")
        self.network = Network(latent_channels, factor, width, blocks).to(memory_format=torch.channels_last)
        if image_size % factor:
            raise UserError(f"data.image_size={image_size}: give a multiple of model.factor={factor}")
        self.latent_channels, self.factor = latent_channels, factor
        self.kl, self.edges = kl, edges
        self.lr, self.betas, self.cooldown = lr, betas, cooldown

    @property
    def averaged(self) -> nn.Module:
        return self.network

    def encode(self, image_BCHW: Tensor) -> Tensor:
        return self.network.encode(image_BCHW.contiguous(memory_format=torch.channels_last))

    def decode(self, latent_BCHW: Tensor) -> Tensor:
        return self.network.decode(latent_BCHW.contiguous(memory_format=torch.channels_last))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One reconstruction.

        Returns:
            `loss`, and detached: its parts, `psnr` (dB), and the latents' deviation before they are normalised.
        """
        image = batch.image_BCHW.contiguous(memory_format=torch.channels_last)
        made, mean, log_variance = self.network(image)
        error, edges, kl = absolute_error(made, image), edge_error(made, image), kl_to_normal(mean, log_variance)
        # LDM sums both over a picture; this is that sum over the number of its values.
        loss = error + self.edges * edges + self.kl * kl / image[0].numel()
        moments_2C = self.trainer.strategy.reduce(moments(mean), reduce_op="mean")
        images = len(image) * self.trainer.world_size
        self.network.measure(moments_2C, images / min(max(self.images_shown, images), MEASURED_IMAGES))
        scalars = {"error": error, "edges": edges, "kl": kl, "psnr": psnr(made, image), "latent_deviation": mean.std()}
        return {"loss": loss, **{name: value.detach() for name, value in scalars.items()}}

    def configure_optimizers(self) -> Any:
        return cooled_adam(self.trainer, self.network.parameters(), self.lr, self.betas, self.cooldown)

    def generate(self, condition: Condition, noise: Noise, settings: Any, preview: Preview) -> Tensor:
        """Decodes z ~ N(0, I). Real latents are not independent of each other, so these are no faces."""
        side = self.image_size // self.factor
        return self.decode(noise.normal(self.latent_channels, side, side))
