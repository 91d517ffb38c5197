"""Differentiable augmentation of what a discriminator sees."""
