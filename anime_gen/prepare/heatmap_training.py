"""Trains the light network of landmarks on painted faces: `make landmarks`.

Painted faces are all of one hand, and have no noise, no page around them and no hands before them. So each is bent,
turned, coloured, blurred, and partly covered anew whenever it is shown.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from anime_gen import fitting, painter
from anime_gen.contract import mix
from anime_gen.files import write_tensors
from anime_gen.noise import normal, normal_like
from anime_gen.prepare.heatmap import CELLS, SHIPPED, SIZE, HeatmapNet, heat, read_off
from anime_gen.vocabulary import LANDMARK_MIRROR, OUTER_EYE_CORNERS

PAINTED = 160  # pixels of a painted bust
SEED = 424_242  # of its faces; nobody else paints them
HELD_OUT = 424_243
BATCH = 64
PEAK_RATE = 2e-3
_SPREAD = 1.0  # cells of the wanted distribution's deviation
_GRID = 5  # random displacements in a row, between which the face is bent smoothly


def paint(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Busts, uint8 (N, 3, PAINTED, PAINTED), and their landmarks as shares of the side, (N, K, 2)."""
    pictures = np.empty((count, PAINTED, PAINTED, 3), np.uint8)
    points = []
    for index in tqdm(range(count), desc="painting", unit="face", disable=None):
        face = painter.sample_face(seed, index, framing="bust")
        pictures[index] = painter.render(face, PAINTED)
        points.append(painter.labels(face).landmarks_K2)
    return torch.from_numpy(pictures).permute(0, 3, 1, 2), torch.from_numpy(np.stack(points)).float()


def view(pictures_N3SS: Tensor, points_NK2: Tensor) -> tuple[Tensor, Tensor]:
    """Faces as a detector's square might show those of another hand. Random, from torch's global stream.

    Args:
        pictures_N3SS: uint8.
        points_NK2: as shares of their sides.

    Returns:
        (N, 3, SIZE, SIZE) in [-1, 1], and the points as shares of those; some may lie outside.
    """
    grid_NHW2, seen_NK2 = _bent(points_NK2)
    x_N3HW = F.grid_sample(
        pictures_N3SS / 127.5 - 1, grid_NHW2 * 2 - 1, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    turned_N = torch.rand(len(x_N3HW)) < 0.5
    x_N3HW = torch.where(turned_N[:, None, None, None], x_N3HW.flip(3), x_N3HW)
    mirrored_NK2 = torch.stack([1 - seen_NK2[..., 0], seen_NK2[..., 1]], 2)[:, list(LANDMARK_MIRROR)]
    seen_NK2 = torch.where(turned_N[:, None, None], mirrored_NK2, seen_NK2)
    return _coloured(_covered(x_N3HW)), seen_NK2


def _bent(points_NK2: Tensor) -> tuple[Tensor, Tensor]:
    """Where each pixel of a view comes from, as shares of the painted side, and where the points then are."""
    count = len(points_NK2)
    low, high = points_NK2.amin(1), points_NK2.amax(1)
    extent_N = (high - low).amax(1)
    # The points fill between a third and most of the view.
    side_N = extent_N / (0.35 + 0.5 * torch.rand(count))
    stretch_N2 = torch.exp(0.18 * normal(count, 2))
    centre_N2 = (low + high) / 2 + 0.12 * side_N[:, None] * normal(count, 2)
    angle_N = 0.3 * normal(count)
    cosine_N, sine_N = angle_N.cos(), angle_N.sin()
    turn_N22 = torch.stack([torch.stack([cosine_N, -sine_N], 1), torch.stack([sine_N, cosine_N], 1)], 1)
    linear_N22 = turn_N22 * (side_N[:, None] * stretch_N2)[:, None, :]
    knots_N2GG = 0.03 * normal(count, 2, _GRID, _GRID)

    def moved(at_NP2: Tensor) -> Tensor:
        """By how much a place of the view is displaced, as shares of the view."""
        told = F.grid_sample(
            knots_N2GG, at_NP2[:, :, None] * 2 - 1, mode="bicubic", padding_mode="border", align_corners=True
        )
        return told[..., 0].transpose(1, 2)

    line = (torch.arange(SIZE) + 0.5) / SIZE
    at_P2 = torch.stack(torch.meshgrid(line, line, indexing="xy"), 2).flatten(0, 1)
    at_NP2 = at_P2.expand(count, -1, -1)
    from_NP2 = (at_NP2 + moved(at_NP2) - 0.5) @ linear_N22.transpose(1, 2) + centre_N2[:, None]
    # The other way there is no formula: the bend is gentle, so guessing again and again comes closer each time.
    straight_NK2 = (points_NK2 - centre_N2[:, None]) @ torch.linalg.inv(linear_N22).transpose(1, 2) + 0.5
    seen_NK2 = straight_NK2
    for _ in range(8):
        seen_NK2 = straight_NK2 - moved(seen_NK2)
    return from_NP2.reshape(count, SIZE, SIZE, 2), seen_NK2


def _covered(x_N3HW: Tensor) -> Tensor:
    """Some with a piece of another picture before them, as hands, hair and letters are."""
    count = len(x_N3HW)
    line = torch.arange(SIZE) / SIZE
    centre_N2, half_N2 = torch.rand(count, 2), 0.04 + 0.14 * torch.rand(count, 2)
    across_NW = (line - centre_N2[:, :1]).abs() < half_N2[:, :1]
    down_NH = (line - centre_N2[:, 1:]).abs() < half_N2[:, 1:]
    here_NHW = across_NW[:, None, :] & down_NH[:, :, None] & (torch.rand(count) < 0.4)[:, None, None]
    other_N3HW = x_N3HW.roll(1, 0).roll(SIZE // 3, 3)
    return torch.where(here_NHW[:, None], other_N3HW, x_N3HW)


def _coloured(x_N3HW: Tensor) -> Tensor:
    """Other colours, contrasts and brightnesses; some grey; some blurred, some noisy."""
    count = len(x_N3HW)
    mix_N33 = torch.eye(3) + 0.15 * normal(count, 3, 3)
    grey_N = torch.rand(count) < 0.2
    mix_N33 = torch.where(grey_N[:, None, None], torch.full((3, 3), 1 / 3), mix_N33)
    mix_N33 = mix_N33 / mix_N33.sum(2, keepdim=True).clamp(min=0.5)
    gain_N, lift_N3 = torch.exp(0.25 * normal(count)), 0.2 * normal(count, 3)
    x_N3HW = torch.einsum("nij,njhw->nihw", mix_N33, x_N3HW) * gain_N[:, None, None, None] + lift_N3[..., None, None]
    # From drawings made soft by their enlargement to those that were sharpened.
    soft_N3HW = F.avg_pool2d(F.pad(x_N3HW, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    soft_N = 1.4 * torch.rand(count) - 0.4
    x_N3HW = torch.lerp(x_N3HW, soft_N3HW, soft_N[:, None, None, None])
    noise_N = 0.12 * torch.rand(count).square()
    return (x_N3HW + noise_N[:, None, None, None] * normal_like(x_N3HW)).clamp(-1, 1)


def wanted(points_NK2: Tensor) -> tuple[Tensor, Tensor]:
    """The distributions to learn, (N, K, CELLS, CELLS), and which points are in the picture, (N, K)."""
    line = torch.arange(CELLS) + 0.5
    off_NKX2 = points_NK2[:, :, None] * CELLS - line[:, None]
    bell_NKX2 = torch.exp(-0.5 * (off_NKX2 / _SPREAD).square())
    bell_NKX2 = bell_NKX2 / bell_NKX2.sum(2, keepdim=True).clamp(min=1e-9)
    inside_NK = ((points_NK2 > 0) & (points_NK2 < 1)).all(2)
    return bell_NKX2[..., None, :, 0] * bell_NKX2[..., :, None, 1], inside_NK


def loss(logits_NKHW: Tensor, points_NK2: Tensor) -> Tensor:
    """Cross entropy to the wanted distribution, over the points inside the picture."""
    heat_NKHW, inside_NK = wanted(points_NK2)
    off_NK = -(heat_NKHW.flatten(2) * logits_NKHW.float().flatten(2).log_softmax(2)).sum(2)
    return (off_NK * inside_NK).sum() / inside_NK.sum().clamp(min=1)


def train(
    network: HeatmapNet, pictures: Tensor, points: Tensor, images: int, seed: int, state: fitting.State | None
) -> None:
    """In place, for so many views of the faces."""

    def loss_of(batch: fitting.Rows) -> Tensor:
        x_N3HW, seen_NK2 = view(pictures[batch.index_B], points[batch.index_B])
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(x_N3HW.contiguous(memory_format=torch.channels_last))
        return loss(logits, seen_NK2)

    network.to(memory_format=torch.channels_last)
    optimizer = fitting.adamw(network, PEAK_RATE, weight_decay=0.02)
    batches = fitting.shuffled(len(pictures), BATCH, seed)
    fitting.fit(network, loss_of, batches, optimizer, fitting.for_images(images), seed=seed, state=state)
    network.to(memory_format=torch.contiguous_format)


@torch.inference_mode()
def error(network: HeatmapNet, pictures: Tensor, points: Tensor) -> float:
    """Mean distance of the points inside, over that of the outer corners of the eyes, on random views."""
    with torch.random.fork_rng():
        torch.manual_seed(mix(0, len(pictures)))
        x_N3HW, seen_NK2 = view(pictures, points)
    found_NK2, _ = read_off(heat(torch.cat([network(some) for some in torch.split(x_N3HW, BATCH)])))
    left, right = OUTER_EYE_CORNERS
    unit_N = (seen_NK2[:, left] - seen_NK2[:, right]).norm(dim=1)
    inside_NK = ((seen_NK2 > 0) & (seen_NK2 < 1)).all(2)
    off_NK = (found_NK2 - seen_NK2).norm(dim=2) / unit_N[:, None]
    return float(off_NK[inside_NK].mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Paints, trains, writes the weights, says how far off they are."""
    parser = argparse.ArgumentParser(prog="python -m anime_gen.prepare.heatmap_training", description=__doc__)
    parser.add_argument("--faces", type=int, default=12_000, help="painted faces to learn from")
    parser.add_argument("--images", type=int, default=200_000, help="views of them to learn from")
    parser.add_argument("--held-out", type=int, default=500, help="faces to say how far off it is")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where the weights go")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    network = fitting.initialised(HeatmapNet, 0)
    pictures, points = paint(SEED, chosen.faces)
    settings = {"faces": chosen.faces, "images": chosen.images, "painter": painter.VERSION}
    state = fitting.State(chosen.out, settings)
    train(network, pictures, points, chosen.images, 0, state)
    write_tensors(chosen.out, {name: value.half() for name, value in network.state_dict().items()})
    state.remove()
    print(f"{chosen.out}: landmark_nme {error(network, *paint(HELD_OUT, chosen.held_out)):.4f} on other painted faces")


if __name__ == "__main__":
    main()
