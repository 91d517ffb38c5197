"""The conditional VAE: the Lightning side."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from anime_gen.blocks.labels import Words, code, partly_hidden
from anime_gen.contract import Batch, Condition, GenerativeModule, Preview, UserError, at_least_float32
from anime_gen.families.vae.loss import divergence, negative_log_likelihood
from anime_gen.families.vae.network import Decoder, Encoder
from anime_gen.noise import Noise, normal_like


class VAE(GenerativeModule):
    """Kingma and Welling 2014, told labels by all its parts (Sohn et al. 2015), with a learned variance.

    A sample is the decoder's mean: the noise that the likelihood would
    add is no part of a picture.

    Args:
        image_size, num_tags, attribute_sizes: linked from the data.
        width: channels next to the picture; they double with every halving of its side.
        max_width: channels at most.
        z_dim: width of the latent.
        label_width: numbers that the labels become.
        label_dropout: share of the faces whose labels are told in part only in training, so that some may stay open.
        lr: Adam's learning rate.
        betas: Adam's.
        max_gradient_norm: the gradient of all parameters is scaled down to at most this L2 norm.

    Raises:
        UserError: the data has no labels, or a size or share cannot be.
    """

    def __init__(
        self,
        image_size: int,
        num_tags: int = 0,
        attribute_sizes: list[int] | None = None,
        width: int = 64,
        max_width: int = 512,
        z_dim: int = 64,
        label_width: int = 64,
        label_dropout: float = 0.2,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        max_gradient_norm: float = 1.0,
    ) -> None:
        super().__init__(image_size)
        if z_dim < 1 or label_width < 1:
            raise UserError(f"model.z_dim={z_dim}, model.label_width={label_width}: both must be at least 1")
        if not 0 <= label_dropout <= 1:
            raise UserError(f"model.label_dropout={label_dropout}: give a share from 0 to 1")
        self.save_hyperparameters()
        self.words = Words.of(num_tags, attribute_sizes)
        self.z_dim = z_dim
        self.label_dropout = label_dropout
        self.lr, self.betas = lr, betas
        self.max_gradient_norm = max_gradient_norm
        sizes = (self.words, z_dim, label_width, image_size, width, max_width)
        self.encoder = Encoder(*sizes).to(memory_format=torch.channels_last)
        self.decoder = Decoder(*sizes).to(memory_format=torch.channels_last)

    def needs_for(self, settings: Any) -> frozenset[str]:
        return self.words.needs

    @property
    def averaged(self) -> nn.Module:
        return self.decoder

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """One draw of the posterior, decoded.

        Returns:
            `loss`, the negative lower bound in nats for each number of a picture; detached: its halves in nats a
            picture, and the likelihood's deviation.
        """
        image_BCHW = batch.image_BCHW
        code_BL = code(partly_hidden(batch.condition, self.label_dropout), self.words)
        mean_BZ, log_variance_BZ = self.encoder(image_BCHW, code_BL)
        z_BZ = mean_BZ + (0.5 * log_variance_BZ).exp() * normal_like(mean_BZ)
        made_BCHW = at_least_float32(self.decoder(z_BZ, code_BL))
        error = negative_log_likelihood(made_BCHW, image_BCHW)
        kl = divergence(mean_BZ, log_variance_BZ, *self.decoder.moments(code_BL))
        deviation = (made_BCHW - image_BCHW).detach().square().mean().sqrt()
        return {
            "loss": (error + kl) / image_BCHW[0].numel(),
            "negative_log_likelihood": error.detach(),
            "divergence": kl.detach(),
            "deviation": deviation,
        }

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        nn.utils.clip_grad_norm_(self.parameters(), self.max_gradient_norm)

    def configure_optimizers(self) -> Any:
        if self.trainer.gradient_clip_val:
            raise UserError("the VAE clips its gradients itself: give --model.max_gradient_norm")
        return torch.optim.Adam(self.parameters(), self.lr, self.betas)

    def generate(self, condition: Condition, noise: Noise, settings: Any, preview: Preview) -> Tensor:
        code_BL = code(condition, self.words)
        mean_BZ, log_variance_BZ = self.decoder.moments(code_BL)
        z_BZ = mean_BZ + (0.5 * log_variance_BZ).exp() * noise.normal(self.z_dim)
        return self.decoder(z_BZ, code_BL)
