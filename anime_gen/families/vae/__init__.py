"""A conditional variational autoencoder: what GANs are compared with."""
