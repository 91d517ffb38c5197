"""Sliced Wasserstein distance of patches (Karras et al. 2018, section 5): do pictures look alike from close by?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.protocol import SIDES, Role, Score, check_size
from anime_gen.metrics.pyramid import FILTER, laplacian
from anime_gen.noise import normal

SIDE = 7  # pixels of a patch
COARSEST = 16  # pixels a side of the last level, at least


def sides(image_size: int) -> list[int]:
    """Pixels a side of the levels that patches are taken of, the finest first: down to `COARSEST`."""
    found = [image_size]
    while -(-found[-1] // 2) >= COARSEST:
        found.append(-(-found[-1] // 2))
    return found


def patches(band_NCHW: Tensor, places_P2: Tensor) -> Tensor:
    """`SIDE` x `SIDE` pixels from each place (top, left) of each picture, (N * P, C, SIDE * SIDE)."""
    windows = band_NCHW.unfold(2, SIDE, 1).unfold(3, SIDE, 1)  # (N, C, H - 6, W - 6, 7, 7)
    top_P, left_P = places_P2.unbind(1)
    return windows[:, :, top_P, left_P].movedim(2, 1).flatten(3).flatten(0, 1)


def normalised(patches_MCP: Tensor) -> Tensor:
    """A set of patches with mean 0 and deviation 1 in each colour, (M, C * P) float64."""
    x = patches_MCP.double()
    mean, deviation = x.mean((0, 2), keepdim=True), x.std((0, 2), keepdim=True, correction=0)
    return ((x - mean) / deviation.clamp(min=1e-6)).flatten(1)


def sliced_wasserstein(x_ND: Tensor, y_MD: Tensor, directions_DK: Tensor) -> Tensor:
    """Mean over directions of the Wasserstein distance between the projections of two sets (Rabin et al. 2011).

    Where there are more of one, its quantiles are read at those of the other.

    Args:
        x_ND, y_MD: points.
        directions_DK: of length 1.
    """
    few, many = sorted((x_ND, y_MD), key=len)
    place = (torch.arange(len(few), dtype=torch.float64, device=few.device) + 0.5) / len(few) * len(many) - 0.5
    low = place.floor().long().clamp(0, len(many) - 1)
    high = (low + 1).clamp(max=len(many) - 1)
    part = (place - low)[:, None]
    found = []
    for some_DK in torch.split(directions_DK, 32, dim=1):
        a, b = ((points @ some_DK).sort(0).values for points in (few, many))
        found.append((a - (b[low] * (1 - part) + b[high] * part)).abs().mean(0))
    return torch.cat(found).mean()


class SlicedWasserstein(Score):
    """`swd_<px>`: 1000 times the distance between patches of a band of the Laplacian pyramid, for each level.

    Karras et al. 2018, section 5: the finest says whether grain and edges are right, the coarser ones larger shapes.
    They draw 128 patches of each of 16,384 pictures; here every picture gives `patches` at the same random places, so
    that neither the order of the pictures nor the number of ranks counts, and at most `pictures` of a side are kept.
    """

    def __init__(
        self, image_size: int, patches: int = 32, directions: int = 128, pictures: int = 4096, seed: int = 0
    ) -> None:
        super().__init__()
        if image_size < COARSEST:
            raise UserError(f"swd: pictures of at least {COARSEST} px a side, not {image_size}")
        self.image_size, self.seed = image_size, seed
        self.patches, self.directions, self.pictures = patches, directions, pictures
        for side in SIDES:
            self.add_state(side.value, [], dist_reduce_fx="cat")
            self.add_state(f"{side.value}_n", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"swd_{side}": False for side in sides(self.image_size)}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role not in SIDES:
            return
        check_size("swd", images, self.image_size)
        counter = f"{role.value}_n"
        before = int(getattr(self, counter))
        setattr(self, counter, getattr(self, counter) + len(images))
        # Picture i of rank r of w is picture r + i w of all: the same ones are kept on any number of ranks.
        spread = torch.distributed.is_available() and torch.distributed.is_initialized()
        rank, world = (torch.distributed.get_rank(), torch.distributed.get_world_size()) if spread else (0, 1)
        mine = -(-(self.pictures - rank) // world)
        kept = images[: max(0, mine - before)].to(self.device)
        # Four bytes in each "float": torchmetrics stands in for a rank that saw nothing with an empty float32 vector.
        if len(kept):
            getattr(self, role.value).append(_packed(kept))

    def compute(self) -> dict[str, Tensor]:
        """All levels. Raises: UserError: no picture on a side."""
        pixels = 3 * self.image_size**2
        both = []
        for side in SIDES:
            rows = self._rows(side.value, -(-pixels // 4)).view(torch.uint8)[:, :pixels]
            both.append(rows.reshape(-1, 3, self.image_size, self.image_size))
        real, fake = both
        self._sizes = {"num_real": len(real), "num_fake": len(fake)}
        if not (len(real) and len(fake)):
            raise UserError("swd needs at least one real and one sampled picture: score more pictures")
        stream = torch.Generator().manual_seed(self.seed)
        levels = sides(self.image_size)
        places = [
            torch.randint(side - SIDE + 1, (self.patches, 2), generator=stream).to(self.device) for side in levels
        ]
        toward_DK = normal(3 * SIDE**2, self.directions, generator=stream).double().to(self.device)
        toward_DK = toward_DK / toward_DK.norm(dim=0)
        real_sets, fake_sets = (self._patches(pictures, places) for pictures in (real, fake))
        return {
            name: 1000 * sliced_wasserstein(normalised(real), normalised(fake), toward_DK)
            for name, real, fake in zip(self.names, real_sets, fake_sets, strict=True)
        }

    @staticmethod
    def _patches(pictures_NCHW: Tensor, places: list[Tensor]) -> list[Tensor]:
        """Of each level, (N * P, 3, SIDE * SIDE)."""
        found: list[list[Tensor]] = [[] for _ in places]
        for some in torch.split(pictures_NCHW, 64):
            for level, ((_, band), at) in enumerate(zip(laplacian(some.float(), len(places)), places, strict=True)):
                found[level].append(patches(band, at))
        return [torch.cat(parts) for parts in found]

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "estimator": f"per set and colour normalised {SIDE}x{SIDE} patches, times 1000",
            "filter": FILTER,
            "patches": self.patches,
            "directions": self.directions,
            "at_most": self.pictures,
            "seed": self.seed,
            "dtype": "float64",
        }


def _packed(images: Tensor) -> Tensor:
    rows = images.flatten(1)
    return torch.nn.functional.pad(rows, (0, -rows.shape[1] % 4)).contiguous().view(torch.float32).flatten()
