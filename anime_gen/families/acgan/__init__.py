"""GANs that are told labels: AC-GAN, projection, ReACGAN and the first conditional GAN."""

from anime_gen.families.acgan.game import AuxiliaryClassifier, Concatenation, DataToData, Projection
from anime_gen.families.acgan.module import ACGAN
from anime_gen.families.acgan.network import Residual, Strided

__all__ = ["ACGAN", "AuxiliaryClassifier", "Concatenation", "DataToData", "Projection", "Residual", "Strided"]
