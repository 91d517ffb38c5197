"""Unconditional GANs: Radford's DCGAN, and the fully connected GAN that it is compared with."""
