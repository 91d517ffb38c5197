"""A KL-regularised autoencoder: a latent space for another family to work in."""

from anime_gen.families.autoencoder.module import Autoencoder

__all__ = ["Autoencoder"]
