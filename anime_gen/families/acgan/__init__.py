"""GANs that are told labels: AC-GAN, projection, ReACGAN and the first conditional GAN."""
