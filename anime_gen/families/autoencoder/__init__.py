"""A KL-regularised autoencoder: a latent space for another family to work in."""
