"""The image pool: a discriminator also sees what its generator made earlier, or the two chase each other."""

from __future__ import annotations

import torch
from torch import Tensor

from anime_gen.contract import at_least_float32


class ImagePool:
    """Shrivastava et al. 2017, section 2.3, in the form of Zhu et al. 2017, section 4: the last 50 made pictures.

    Each picture that comes either goes straight on, or changes places with a random one of the pool: an even chance.
    While the pool is filling, pictures go straight on and stay in it. Draws come from torch's global stream.

    Args:
        size: pictures it holds; 0: it keeps nothing, and all go straight on.
    """

    def __init__(self, size: int = 50) -> None:
        self.size = size
        self.pictures = torch.zeros(0)

    def __call__(self, made_BCHW: Tensor) -> Tensor:
        """As many pictures of the same shape; the pool has changed."""
        made_BCHW = made_BCHW.detach()
        if not self.size:
            return made_BCHW
        if not len(self.pictures):
            self.pictures = at_least_float32(made_BCHW[:0])
        self.pictures = self.pictures.to(made_BCHW.device)
        room = self.size - len(self.pictures)
        self.pictures = torch.cat([self.pictures, at_least_float32(made_BCHW[:room])])
        if room >= len(made_BCHW):
            return made_BCHW
        # The next pictures change places; of a batch larger than the pool the last ones go straight on.
        late_BCHW = made_BCHW[room : room + self.size]
        # Distinct places: two pictures of one batch cannot change places with the same one.
        places = torch.randperm(self.size)[: len(late_BCHW)]
        (rows,) = torch.where(torch.rand(len(places)) < 0.5)
        # Chosen on the host, or every step would wait for the device to say how many there are.
        places, rows = places[rows].to(late_BCHW.device), rows.to(late_BCHW.device)
        shown_BCHW = late_BCHW.index_copy(0, rows, self.pictures[places].to(late_BCHW.dtype))
        self.pictures[places] = late_BCHW[rows].to(self.pictures)
        return torch.cat([made_BCHW[:room], shown_BCHW, made_BCHW[room + self.size :]])
