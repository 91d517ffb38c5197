"""A light network that places landmarks by heatmaps, trained on painted faces alone; its weights ship with the suite.

For each landmark it tells a distribution over a grid of cells (Tompson et al. 2014). The point is the mean of the
distribution around its peak, and the confidence is how much of it lies there: how sure the network is, which it learned
from painted faces, to be within some two cells.
"""

from __future__ import annotations

import hashlib
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.contract import UserError
from anime_gen.files import read_tensors
from anime_gen.prepare.crop import Square, cut
from anime_gen.prepare.face import Face, Point
from anime_gen.prepare.landmarks import Landmarks, Placed
from anime_gen.vocabulary import LANDMARK_MIRROR, NUM_LANDMARKS, OUTER_EYE_CORNERS

SHIPPED = Path(__file__).with_name("heatmap.safetensors")
SIZE, CELLS = 64, 32  # pixels of what it looks at, and cells of its grid in a row
REACH = 3  # cells around a peak that count as near it
# The side of the first square, of the box's; and of the second one, of the points' larger extent.
_FIRST, _SECOND = 1.5, 1.6


class _Block(nn.Module):
    """x + two convolutions of x: (B, C, H, W) to the same shape (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return F.relu(x_BCHW + self.layers(x_BCHW))


class _Half(nn.Sequential):
    """(B, inputs, H, W) to (B, outputs, H / 2, W / 2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class _Twice(nn.Module):
    """What is deep, (B, inputs, H, W), made twice as large, with what is fine, (B, outputs, 2 H, 2 W), added to it."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1)
        self.block = _Block(outputs)

    def forward(self, deep_BCHW: Tensor, fine_BCHW: Tensor) -> Tensor:
        larger = F.interpolate(self.narrow(deep_BCHW), scale_factor=2.0, mode="bilinear")
        whole: Tensor = self.block(larger + fine_BCHW)
        return whole


class HeatmapNet(nn.Module):
    """An hourglass (Newell et al. 2016): down to 4 x 4, where it sees the whole face, and up again with what was fine.

    Args:
        widths: channels at a half, a quarter, an eighth and a sixteenth of the picture's side.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (32, 48, 80, 96)) -> None:
        super().__init__()
        before = (3, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(_Half(inputs, width), _Block(width)) for inputs, width in zip(before, widths, strict=True)
        )
        self.deepest = _Block(widths[-1])
        self.up = nn.ModuleList(_Twice(deep, fine) for fine, deep in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.tell = nn.Conv2d(widths[0], NUM_LANDMARKS, 1)

    def forward(self, x_B3HW: Tensor) -> Tensor:
        """Pictures in [-1, 1], (B, 3, SIZE, SIZE), to logits of the cells, (B, K, CELLS, CELLS)."""
        fine = []
        for layer in self.down:
            x_B3HW = layer(x_B3HW)
            fine.append(x_B3HW)
        x = self.deepest(fine.pop())
        for layer in self.up:
            x = layer(x, fine.pop())
        told: Tensor = self.tell(x)
        return told


def heat(logits_BKHW: Tensor) -> Tensor:
    """Distributions over the cells: each (H, W) sums to 1."""
    return logits_BKHW.flatten(2).softmax(2).reshape(logits_BKHW.shape)


def read_off(heat_BKHW: Tensor) -> tuple[Tensor, Tensor]:
    """Distributions over cells to places and confidences.

    Args:
        heat_BKHW: not negative; each (H, W) sums to 1.

    Returns:
        (B, K, 2) x, y as shares of the picture's side, and (B, K): what lies within `REACH` cells of the peak.
    """
    side = heat_BKHW.shape[-1]
    peak_BK = heat_BKHW.flatten(2).argmax(2)
    line = torch.arange(side, device=heat_BKHW.device)
    near_BKW = ((line - (peak_BK % side)[..., None]).abs() <= REACH).to(heat_BKHW.dtype)
    near_BKH = ((line - (peak_BK // side)[..., None]).abs() <= REACH).to(heat_BKHW.dtype)
    near_BKHW = heat_BKHW * near_BKH[..., :, None] * near_BKW[..., None, :]
    mass_BK = near_BKHW.sum((2, 3))
    centres = (line + 0.5) / side
    x_BK = (near_BKHW.sum(2) * centres).sum(2) / mass_BK
    y_BK = (near_BKHW.sum(3) * centres).sum(2) / mass_BK
    return torch.stack([x_BK, y_BK], 2), mass_BK


class Heatmaps(Landmarks):
    """The suite's own network; it needs no download."""

    def __init__(self, weights: Path = SHIPPED, least: float = 0.8, device: str = "cpu") -> None:
        """Args:
        weights: a file that `make landmarks` wrote.
        least: how sure it must be, in the mean over the landmarks, that what it looks at is a face.
        device: where to run.
        """
        if not 0 <= least <= 1:
            raise UserError(f"--landmarks.least {least}: from 0 to 1")
        self.weights = Path(weights).expanduser()
        self.least = least
        self.device = device

    def check(self) -> None:
        self._network  # noqa: B018  opening it is the check

    def place(self, picture: np.ndarray, face: Face) -> Placed:
        square = Square(face.centre, face.side * _FIRST, face.tilt)
        points, _ = self._look(picture, square)
        # Where the face is now known well, it is looked at again: larger, and upright.
        points, confidence = self._look(picture, around(points))
        return Placed(tuple(points), tuple(confidence))

    def describe(self) -> dict[str, Any]:
        digest = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        return {"class": "Heatmaps", "weights": digest, "least": self.least}

    @torch.inference_mode()
    def _look(self, picture: np.ndarray, square: Square) -> tuple[list[Point], list[float]]:
        pixels = torch.from_numpy(cut(picture, square, SIZE).copy()).to(self.device)
        x_3HW = pixels.permute(2, 0, 1) / 127.5 - 1
        heat_2KHW = heat(self._network(torch.stack([x_3HW, x_3HW.flip(2)])))
        # Its mirror image is a second opinion.
        heat_KHW = (heat_2KHW[0] + heat_2KHW[1].flip(2)[list(LANDMARK_MIRROR)]) / 2
        places_1K2, confidence_1K = read_off(heat_KHW[None])
        points = [square.outwards(Point(*place)) for place in places_1K2[0].tolist()]
        return points, confidence_1K[0].tolist()

    @cached_property
    def _network(self) -> HeatmapNet:
        if not self.weights.is_file():
            raise UserError(f"--landmarks.weights: there is no file {self.weights}; `make landmarks` makes one")
        network = HeatmapNet()
        try:
            tensors, _ = read_tensors(self.weights)
            network.load_state_dict({name: value.float() for name, value in tensors.items()})
        except (ValueError, RuntimeError) as error:
            told = " ".join(str(error).split())[:200]
            raise UserError(f"--landmarks.weights: {self.weights} does not hold its weights ({told})") from error
        return network.eval().to(self.device)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_network"}


def around(points: list[Point]) -> Square:
    """The square around landmarks, upright by the outer corners of the eyes."""
    left, right = (points[place] for place in OUTER_EYE_CORNERS)
    tilt = math.atan2(left.y - right.y, left.x - right.x)
    turned = Square(Point(0, 0), 1.0, tilt)
    x, y = zip(*(turned.inside(point) for point in points), strict=True)
    middle = turned.outwards(Point((min(x) + max(x)) / 2, (min(y) + max(y)) / 2))
    return Square(middle, max(max(x) - min(x), max(y) - min(y), 1e-3) * _SECOND, tilt)
