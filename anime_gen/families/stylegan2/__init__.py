"""StyleGAN2 with adaptive augmentation (Karras et al. 2020a, 2020b), told labels as S5 tells them or as ADA does."""
