"""Differentiable augmentation of what a discriminator sees."""

from anime_gen.blocks.augment.ada import ADA
from anime_gen.blocks.augment.diffaugment import DiffAugment

__all__ = ["ADA", "DiffAugment"]
