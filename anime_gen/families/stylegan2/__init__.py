"""StyleGAN2 with adaptive augmentation (Karras et al. 2020a, 2020b), told labels as S5 tells them or as ADA does."""

from anime_gen.families.stylegan2.discriminator import LabelSelectHead, ProjectionHead
from anime_gen.families.stylegan2.mapping import ApartMapping, JoinedMapping
from anime_gen.families.stylegan2.module import StyleGAN2

__all__ = ["ApartMapping", "JoinedMapping", "LabelSelectHead", "ProjectionHead", "StyleGAN2"]
