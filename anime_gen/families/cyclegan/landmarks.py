"""Where eyes, nose and mouth are: heat maps, their centres, a small U-Net that finds them, and squares cut around them.

Five points, as in Wu et al. 2019: both eyes, nose, both corners of the mouth. Positions are (x, y) in picture sides,
[0, 1]; maps are as large as the picture. The networks are frozen while a translation is trained.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen import fitting
from anime_gen.blocks.layers import bell, times
from anime_gen.contract import Batch, UserError, at_least_float32
from anime_gen.vocabulary import LANDMARKS

# Each point as the mean of some of the suite's landmarks, in the order of the maps.
POINTS: dict[str, tuple[int, ...]] = {
    "left eye": tuple(LANDMARKS.index(f"left_eye_{corner}") for corner in ("inner", "outer")),
    "right eye": tuple(LANDMARKS.index(f"right_eye_{corner}") for corner in ("inner", "outer")),
    "nose": (LANDMARKS.index("nose"),),
    "left corner of the mouth": (LANDMARKS.index("mouth_left"),),
    "right corner of the mouth": (LANDMARKS.index("mouth_right"),),
}
NUM_POINTS = len(POINTS)

# The parts that local discriminators look at: points whose mean is the centre, and the square's side, in picture sides.
# Wu et al. cut about 32 of 128 pixels around the eyes, 28 x 24 around the nose and 23 x 40 around the mouth.
PARTS: tuple[tuple[tuple[int, ...], float], ...] = (((0,), 0.25), ((1,), 0.25), ((2,), 0.25), ((3, 4), 0.3125))


def five_points(landmarks_BK2: Tensor) -> Tensor:
    """The five points (B, 5, 2) of the suite's landmarks (B, 24, 2); NaN where one that is needed is not given."""
    return torch.stack([landmarks_BK2[:, list(chosen)].mean(1) for chosen in POINTS.values()], dim=1)


def heat_maps(points_BK2: Tensor, size: int) -> Tensor:
    """A Gaussian of height 1 around each point, (B, K, size, size): its deviation is 1.5 pixels of 64, in proportion.

    It is at least 0.75 pixels, or a point between pixels would have no map. A point that is not given (NaN) has an
    empty one.
    """
    places = (torch.arange(size, device=points_BK2.device) + 0.5) / size
    away_BKS, away_BKT = (places - points_BK2[..., axis, None] for axis in (0, 1))
    width = 2 * max(1.5 / 64, 0.75 / size) ** 2
    map_BKHW = bell((away_BKT[..., :, None] ** 2 + away_BKS[..., None, :] ** 2) / width)
    return map_BKHW.nan_to_num(0.0)


def with_maps(image_BCHW: Tensor, points_BK2: Tensor | None) -> Tensor:
    """Pictures, and behind their channels the heat maps of their points; without points, the pictures."""
    if points_BK2 is None:
        return image_BCHW
    return torch.cat([image_BCHW, heat_maps(points_BK2, image_BCHW.shape[-1]).to(image_BCHW.dtype)], dim=1)


def centres(logits_BKHW: Tensor) -> Tensor:
    """Where maps have their weight, (B, K, 2): the mean place under a softmax (Sun et al. 2018, equation 2)."""
    size = logits_BKHW.shape[-1]
    share_BKHW = at_least_float32(logits_BKHW).flatten(2).softmax(2).view(*logits_BKHW.shape[:2], size, size)
    places = (torch.arange(size, device=logits_BKHW.device) + 0.5) / size
    return torch.stack([(share_BKHW.sum(2) * places).sum(2), (share_BKHW.sum(3) * places).sum(2)], dim=2)


def cut(image_BCHW: Tensor, centre_B2: Tensor, side: float) -> Tensor:
    """Squares around points, with a slope for pictures and points alike (Jaderberg et al. 2015, section 3.3).

    Args:
        image_BCHW: pictures.
        centre_B2: (x, y) in picture sides.
        side: of the squares, in picture sides.

    Returns:
        (B, C, P, P) with P = side * H, rounded, at least 4. What lies outside of the picture is 0.
    """
    pixels = max(4, round(side * image_BCHW.shape[-1]))
    steps = (torch.arange(pixels, device=image_BCHW.device) + 0.5) / pixels - 0.5
    offset_PP2 = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=2) * side
    place_BPP2 = at_least_float32(centre_B2)[:, None, None] + offset_PP2
    # Not in bfloat16, whose steps are larger than a pixel's place.
    dtype = torch.promote_types(image_BCHW.dtype, torch.float32)
    return F.grid_sample(image_BCHW.to(dtype), (2 * place_BPP2 - 1).to(dtype), align_corners=False)


def parts(image_BCHW: Tensor, points_BK2: Tensor) -> list[Tensor]:
    """Both eyes, the nose and the mouth, each (B, C, P, P)."""
    return [cut(image_BCHW, points_BK2[:, list(chosen)].mean(1), side) for chosen, side in PARTS]


def _stage(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class Finder(nn.Module):
    """A U-Net that finds the five points: (B, 3, H, W) in [-1, 1] to logits (B, 5, H, W). `points` gives positions."""

    def __init__(self, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        channels = [width << k for k in times("model.landmarks.depth", depth + 1)]
        self.begin = _stage(3, width)
        self.down = nn.ModuleList(_stage(before, after) for before, after in pairwise(channels))
        self.up = nn.ModuleList(_stage(after + before, before) for before, after in pairwise(channels))
        self.end = nn.Conv2d(width, NUM_POINTS, 1)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        """Logits (B, 5, H, W)."""
        sizes = [self.begin(image_BCHW)]
        for stage in self.down:
            sizes.append(stage(F.avg_pool2d(sizes[-1], 2)))
        x = sizes.pop()
        for stage in list(self.up)[::-1]:
            finer = sizes.pop()
            x = stage(torch.cat([finer, F.interpolate(x, size=finer.shape[2:])], dim=1))
        return self.end(x)

    def points(self, image_BCHW: Tensor) -> Tensor:
        """(x, y) of the five points in picture sides, (B, 5, 2), with a slope for the pictures."""
        return centres(self(image_BCHW))


def moved(image_BCHW: Tensor, points_BK2: Tensor, furthest: float = 0.15) -> tuple[Tensor, Tensor]:
    """Pictures and points, shifted and scaled by random amounts: or a finder learns where faces usually are.

    Args:
        image_BCHW: pictures.
        points_BK2: their points.
        furthest: shift along each axis at most, in picture sides; scales are as far from 1 at most.
    """
    shift_B2 = (2 * torch.rand(len(image_BCHW), 2).to(image_BCHW) - 1) * furthest
    scale_B = 1 + (2 * torch.rand(len(image_BCHW)).to(image_BCHW) - 1) * furthest
    turn_B23 = image_BCHW.new_zeros(len(image_BCHW), 2, 3)
    turn_B23[:, 0, 0] = turn_B23[:, 1, 1] = scale_B
    turn_B23[:, :, 2] = 2 * shift_B2
    grid = F.affine_grid(turn_B23, list(image_BCHW.shape), align_corners=False)
    seen_BCHW = F.grid_sample(image_BCHW, grid, padding_mode="reflection", align_corners=False)
    # A pixel at p shows what was at scale * (p - 1/2) + 1/2 + shift.
    seen_BK2 = (points_BK2 - 0.5 - shift_B2[:, None]) / scale_B[:, None, None] + 0.5
    return seen_BCHW, seen_BK2


def train(
    finder: Finder, batches: Iterable[Batch], steps: int, device: torch.device, title: str, lr: float = 2e-3
) -> float:
    """Teaches a finder the pictures' own landmarks, by heat maps' cross entropy, and freezes it.

    Args:
        finder: what learns.
        batches: pictures with landmarks.
        steps: how many batches there are.
        device: where it learns.
        title: of the progress bar.
        lr: peak learning rate of AdamW (one cycle: Smith and Topin 2019).

    Returns:
        The mean error of the last tenth of the batches, in picture sides. Batches without any point teach nothing.

    Raises:
        UserError: no batch had any.
    """
    finder.to(device)
    errors: list[float] = []

    def loss_of(batch: Batch) -> Tensor | None:
        landmarks_BK2 = batch.condition.landmarks_BK2
        assert landmarks_BK2 is not None
        points_BK2 = five_points(landmarks_BK2.to(device, finder.end.weight.dtype))
        image_BCHW, points_BK2 = moved(batch.image_BCHW.to(points_BK2), points_BK2)
        inside_BK = ((points_BK2 > 0) & (points_BK2 < 1)).all(2)  # False where a point is not given
        wanted_BKN = heat_maps(points_BK2, image_BCHW.shape[-1]).flatten(2)
        wanted_BKN = wanted_BKN / wanted_BKN.sum(2, keepdim=True).clamp(min=1e-6)
        logits_BKHW = finder(image_BCHW)
        loss_BK = -(wanted_BKN * logits_BKHW.flatten(2).log_softmax(2)).sum(2)
        if not inside_BK.any():
            return None
        error_BK = torch.linalg.vector_norm(centres(logits_BKHW.detach()) - points_BK2, dim=2)
        errors.append(error_BK[inside_BK].mean().item())
        return loss_BK[inside_BK].mean()

    fitting.fit(
        finder,
        loss_of,
        lambda _: batches,
        torch.optim.AdamW(finder.parameters(), lr),
        fitting.for_steps(steps),
        # One cycle also takes the momentum down and up again.
        schedule=lambda optimizer, _: torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=steps + 1),
        title=title,
    )
    finder.requires_grad_(False)
    if not errors:
        raise UserError(f"{title}: none of the training pictures has any; name them in its manifest")
    last = errors[-max(1, len(errors) // 10) :]
    return sum(last) / len(last)
