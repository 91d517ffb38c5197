"""A conditional variational autoencoder: what GANs are compared with."""

from anime_gen.families.vae.module import VAE

__all__ = ["VAE"]
