"""Unconditional GANs: Radford's DCGAN, and the fully connected GAN that it is compared with."""

from anime_gen.families.dcgan.module import DCGAN
from anime_gen.families.dcgan.network import Convolutional, FullyConnected

__all__ = ["DCGAN", "Convolutional", "FullyConnected"]
