"""Adversarial losses, layers, labels and augmentation: what several families are built of."""
