"""Adversarial losses, layers, labels and augmentation: what several families are built of."""

from anime_gen.blocks.adversarial import DRAGAN, R1, Hinge, LeastSquares, NonSaturating, WassersteinGP

__all__ = ["DRAGAN", "R1", "Hinge", "LeastSquares", "NonSaturating", "WassersteinGP"]
