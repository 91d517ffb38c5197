"""CycleGAN, with and without landmarks. Read network, loss, pool, landmarks, assistance, module, in this order."""

from anime_gen.families.cyclegan.assistance import Landmarks
from anime_gen.families.cyclegan.module import CycleGAN
from anime_gen.families.cyclegan.network import EncoderDecoder, Patch, ResNet, Scalar, UNet

__all__ = ["CycleGAN", "EncoderDecoder", "Landmarks", "Patch", "ResNet", "Scalar", "UNet"]
