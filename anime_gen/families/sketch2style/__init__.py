"""From a sketch at any stage to a portrait, through the styles of a trained StyleGAN2 (S4)."""

from anime_gen.families.sketch2style.module import Sketch2Style

__all__ = ["Sketch2Style"]
