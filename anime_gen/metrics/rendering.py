"""How pictures are rendered, whatever they show: sharpness, grain, compression, the traces of upsampling.

Networks that name what is shown are trained to forgive all that. These numbers need no training: they describe the
bands of each picture's Laplacian pyramid, and mean the same on painted, drawn and
photographed pictures.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from anime_gen.contract import UserError
from anime_gen.metrics.features import Network
from anime_gen.metrics.pyramid import FILTER, laplacian

LEVELS = 4
NUMBERS = 7  # of each level and colour
SMALLEST = 16  # pixels a side: the coarsest band has two
# Levels of 255 below which nothing is told apart: half a step of a byte, and of steps between pixels what an eye passes
# over: every place has one, and with half a step there a checkerboard that nobody sees would outweigh any blur.
_FLOOR, _STEP_FLOOR = 0.5, 8.0
# Pixels a step is over: to the next but one, which regular upsampling treats alike, so that its traces count once.
_STEP = 2


def describe(images: Tensor) -> Tensor:
    """3 colours x `LEVELS` x `NUMBERS` numbers of each picture, (B, 84) float32.

    Of a band: log of its root mean squared magnitude, mean log magnitude, log of the 0.9 quantile of its magnitude; of
    the level: log of the mean step to the right and below, and their mean logs, which even places move as much as
    edges do.

    Args:
        images: (B, 3, H, W) in 0..255, at least `SMALLEST` pixels a side.
    """
    columns = []
    for level, band in laplacian(images.float(), LEVELS):
        magnitude = band.abs().flatten(2)
        step = min(_STEP, *(side - 1 for side in level.shape[2:]))  # of `SMALLEST` pixels the coarsest has two a side
        right = (level[:, :, :, step:] - level[:, :, :, :-step]).abs().flatten(2)
        below = (level[:, :, step:] - level[:, :, :-step]).abs().flatten(2)
        columns += [
            (magnitude.square().mean(2) + _FLOOR**2).log() / 2,
            (magnitude + _FLOOR).log().mean(2),
            (magnitude.kthvalue(magnitude.shape[2] * 9 // 10, dim=2).values + _STEP_FLOOR).log(),
            (right.mean(2) + _STEP_FLOOR).log(),
            (below.mean(2) + _STEP_FLOOR).log(),
            (right + _STEP_FLOOR).log().mean(2),
            (below + _STEP_FLOOR).log().mean(2),
        ]
    return torch.stack(columns, 2).flatten(1)


class Rendering(Network[Tensor]):
    """`render`: those numbers as an extractor, on pictures as they are: no size is changed, which would render anew.

    The numbers have no common unit: distances are taken along the directions in which real pictures differ most, in
    units of how much they differ.
    """

    name = "render"
    num_features = LEVELS * 3 * NUMBERS
    resize = "none"
    weights_hash = "none"
    directions = 24
    chunk = 64

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def device(self) -> torch.device:
        place: Tensor = self._buffers["_place"]  # type: ignore[assignment]
        return place.device

    def see(self, images: Tensor) -> Tensor:
        if min(images.shape[2:]) < SMALLEST:
            raise UserError(f"{self.name}: pictures of at least {SMALLEST} px a side, not {tuple(images.shape[2:])}")
        return describe(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.look(images)

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "levels": LEVELS,
            "filter": FILTER,
            "floor": _FLOOR,
            "steps": f"over {_STEP}, floor {_STEP_FLOOR:g}",
        }
