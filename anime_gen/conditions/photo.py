"""A picture of the other domain, which a family translates. It is the picture of another source: no column has it."""

from __future__ import annotations

import torch
from torch import Tensor

from anime_gen.conditions.kind import Facts, Field, Kind


class Photo(Field):
    """float32 (B, 3, H, W) in [-1, 1]."""

    name = "source_BCHW"

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (3, facts.image_size, facts.image_size)

    def example(self, count: int, facts: Facts) -> Tensor:
        return torch.rand(count, *self.shape(facts)) * 2 - 1


class PhotoKind(Kind):
    name = "photo"
    plural = "photos"
    place = 5
    fields = (Photo(),)
