"""What the judge learns from: painted faces at several sizes, their augmented views, and ruined ones.

The judge must read samples of any family, good or bad: small and enlarged, soft, noisy, a little off-centre. And it
must say so where there is no face, so it sees faces that were ruined beyond recognition.
"""

from __future__ import annotations

import math
import multiprocessing
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from anime_gen.images import quantise
from anime_gen.metrics import judge
from anime_gen.noise import normal, normal_like
from anime_gen.vocabulary import LANDMARK_MIRROR, LANDMARKS

# Working resolutions of the pictures the judge will be shown, as often as they come up in training.
SIZES = (32, 32, 48, 64, 64, 96)


# Of a landmark: no move of `view` brings it into the picture.
UNKNOWN = -9.0


class Faces(NamedTuple):
    """Pictures at the judge's size, N of them, with exact labels; of a user's own some are not known."""

    images: Tensor  # uint8 (N, 3, SIZE, SIZE)
    tags_NT: Tensor  # float32, 1 present; NaN: not known
    attributes_NA: Tensor  # int64, -1 cannot be seen, or is not known
    landmarks_NK2: Tensor  # float32 in [0, 1]; `UNKNOWN`, far outside, where they are not known
    visible_NK: Tensor  # bool

    def rows(self, key: Any) -> Faces:
        """Some of them."""
        return Faces(*(part[key] for part in self))


class View(NamedTuple):
    """What one training step sees."""

    images: Tensor  # float32 (B, 3, SIZE, SIZE) in [-1, 1]
    faces: Faces  # labels, moved and mirrored along; its pictures are the untouched ones
    is_face_B: Tensor  # float32: 0 for ruined pictures, whose labels mean nothing


def paint(seed: int, count: int, sizes: tuple[int, ...], natural: float, workers: int) -> Faces:
    """Freshly painted faces, each at one of the sizes in turn and brought to the judge's size by its own resize.

    Args:
        seed: of the painter; choose one that no data set may use.
        count: how many faces.
        sizes: pixels a side the painter draws at.
        natural: share of faces with the painter's default statistics; the rest have every colour and every framing
            equally often.
        workers: processes to paint in.
    """
    bounds = [(seed, start, min(start + 500, count), sizes, natural) for start in range(0, count, 500)]
    if workers > 1:
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            parts = pool.starmap(_paint_some, bounds)
    else:
        parts = [_paint_some(*bound) for bound in bounds]
    return Faces(*(torch.from_numpy(np.concatenate(columns)) for columns in zip(*parts, strict=True)))


def _paint_some(
    seed: int, start: int, stop: int, sizes: tuple[int, ...], natural: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    from anime_gen.painter import FRAMINGS, Statistics, labels, render, sample_face

    torch.set_num_threads(1)
    even = Statistics(long_tailed=False, correlated=False, left_leaning=False)
    images, tags, attributes, landmarks, visible = [], [], [], [], []
    for index in range(start, stop):
        # The golden ratio spreads any share evenly over the indices, and out of step with the sizes.
        if index * 0.6180339887 % 1 < natural:
            face = sample_face(seed, index)
        else:
            face = sample_face(seed, index, even, list(FRAMINGS)[index % len(FRAMINGS)])
        said = labels(face)
        picture = torch.from_numpy(render(face, sizes[index % len(sizes)]).copy()).permute(2, 0, 1)[None]
        images.append(quantise(judge.resize(picture))[0].numpy())
        tags.append(said.tags_T.astype(np.float32))
        attributes.append(said.attributes_A)
        landmarks.append(said.landmarks_K2.astype(np.float32))
        visible.append(said.visible_K.astype(bool))
    return np.stack(images), np.stack(tags), np.stack(attributes), np.stack(landmarks), np.stack(visible)


def view(faces: Faces, tag_mirror: list[int], ruined: float = 0.2) -> View:
    """A random view of each face; the first share `ruined` of them is ruined. Draws from torch's global stream."""
    images = faces.images.float() / 127.5 - 1
    images, faces = _move(images, faces, tag_mirror)
    count = int(ruined * len(images))
    broken = ruin(images[:count], faces.landmarks_NK2[:count])
    is_face_B = (torch.arange(len(images)) >= count).float()
    return View(_degrade(torch.cat([broken, images[count:]])), faces, is_face_B)


def _move(images: Tensor, faces: Faces, tag_mirror: list[int]) -> tuple[Tensor, Faces]:
    """Turns, scales, shifts and mirrors; labels go along."""
    count = len(images)
    # Some stay where they are: resampling softens, and real samples are not all soft.
    moves = (torch.rand(count) < 0.6).float()
    angle = moves * (torch.rand(count) * 2 - 1) * 0.15
    scale = 1 + moves * (torch.rand(count) * 0.3 - 0.16)
    shift = moves[:, None] * (torch.rand(count, 2) * 2 - 1) * 0.1
    mirrored = torch.rand(count) < 0.5
    flip = torch.where(mirrored, -1.0, 1.0)

    # Positions in [-1, 1]: where an output pixel is taken from = matrix @ position + shift.
    cos, sin = angle.cos() * scale, angle.sin() * scale
    matrix = torch.stack([torch.stack([flip * cos, -flip * sin], 1), torch.stack([sin, cos], 1)], 1)
    grid = F.affine_grid(torch.cat([matrix, shift[:, :, None]], 2), list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    positions = torch.linalg.solve(matrix, (2 * faces.landmarks_NK2 - 1 - shift[:, None]).transpose(1, 2))
    landmarks = (positions.transpose(1, 2) + 1) / 2
    mirror = list(LANDMARK_MIRROR)
    # Of a tag whose mirror image is no tag, nothing is known in a mirrored picture.
    sided = torch.tensor([place < 0 for place in tag_mirror], dtype=torch.bool)
    tags_NT = faces.tags_NT[:, tag_mirror].masked_fill(sided, torch.nan)
    inside = ((landmarks > 0) & (landmarks < 1)).all(2)
    visible = faces.visible_NK & inside
    return images, faces._replace(
        tags_NT=torch.where(mirrored[:, None], tags_NT, faces.tags_NT),
        landmarks_NK2=torch.where(mirrored[:, None, None], landmarks[:, mirror], landmarks),
        visible_NK=torch.where(mirrored[:, None], visible[:, mirror], visible),
    )


def _degrade(images: Tensor) -> Tensor:
    """Lower resolution, blur, light and noise, as samples have them. No change of hue: hues are what is judged."""
    parts = []
    order = torch.randperm(len(images))  # every group has ruined pictures too
    for part in images[order].chunk(4):
        size = (24, 32, 32, 48, 64, 64)[int(torch.randint(6, ()))]
        if size != judge.SIZE:
            part = judge.resize(F.interpolate(part, (size, size), mode="bilinear", antialias=True))
        if torch.rand(()) < 0.25:
            part = _blur(part, 0.4 + float(torch.rand(())) * 1.1)
        parts.append(part)
    images = torch.cat(parts)[order.argsort()]
    rows = (len(images), 1, 1, 1)
    contrast = 1 + (torch.rand(rows) - 0.5) * 0.2
    images = images * contrast + (torch.rand(rows) - 0.5) * 0.12
    strength = (torch.rand(rows) - 0.4).clamp(min=0) * 0.2
    return (images + strength * normal_like(images)).clamp(-1, 1)


def _blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur, `sigma` in pixels."""
    reach = math.ceil(2.5 * sigma)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (weights / weights.sum()).expand(3, 1, -1)
    images = F.pad(images, (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(images, kernel[:, :, None, :], groups=3), kernel[:, :, :, None], groups=3)


def ruin(images: Tensor, landmarks_NK2: Tensor) -> Tensor:
    """Makes each picture one that no longer shows a face with two eyes, in one of seven ways in turn.

    A lost eye is the hardest to see and comes twice as often; of a face whose eyes are not known, none is lost.
    """
    ways = (_noise, _lose_eye, _mud, _shuffle, _warp, _lose_eye, _drown, _lose_half)
    first = int(torch.randint(len(ways), ()))
    result = images.clone()
    for i in range(len(images)):
        way = ways[(first + i) % len(ways)]
        if way is _lose_eye and (landmarks_NK2[i].abs() > -UNKNOWN / 3).any():
            way = _lose_half
        result[i] = way(images[i], landmarks_NK2[i], images[i - 1])
    return result


def _noise(image: Tensor, landmarks: Tensor, other: Tensor) -> Tensor:
    """Coloured noise around one colour."""
    return image.mean((1, 2), keepdim=True) + normal_like(image) * (0.05 + torch.rand(()))


def _mud(image: Tensor, landmarks: Tensor, other: Tensor) -> Tensor:
    """A few blobs in the picture's own colours."""
    cells = int(torch.randint(2, 7, ()))
    small = F.interpolate(image[None], (cells, cells), mode="bilinear", antialias=True)
    if torch.rand(()) < 0.5:
        small = small.flatten(2)[:, :, torch.randperm(cells * cells)].reshape(small.shape)
    return F.interpolate(small, image.shape[1:], mode="bicubic")[0]


def _shuffle(image: Tensor, landmarks: Tensor, other: Tensor) -> Tensor:
    """Tiles of 8 or 16 pixels in random order."""
    tile = 8 if torch.rand(()) < 0.5 else 16
    columns = F.unfold(image[None], tile, stride=tile)
    return F.fold(columns[:, :, torch.randperm(columns.shape[2])], (judge.SIZE, judge.SIZE), tile, stride=tile)[0]


def _warp(image: Tensor, landmarks: Tensor, other: Tensor) -> Tensor:
    """Bent by up to a third of the picture."""
    bend = F.interpolate(normal(1, 2, 6, 6) * 0.28, image.shape[1:], mode="bicubic").permute(0, 2, 3, 1)
    straight = F.affine_grid(torch.eye(2, 3)[None], [1, *image.shape], align_corners=False)
    return F.grid_sample(image[None], straight + bend, padding_mode="reflection", align_corners=False)[0]


def _lose_eye(image: Tensor, landmarks: Tensor, other: Tensor) -> Tensor:
    """One eye or both under a smear of the cheek's colour, with soft edges: an edge would give it away."""
    result = image.clone()
    sides = ("left", "right") if torch.rand(()) < 0.4 else ("left",) if torch.rand(()) < 0.5 else ("right",)
    grid = (torch.arange(judge.SIZE) + 0.5) / judge.SIZE
    for side in sides:
        eye = landmarks[[LANDMARKS.index(f"{side}_eye_{part}") for part in ("outer", "inner", "top", "bottom")]]
        middle, reach = eye.mean(0), (eye.amax(0) - eye.amin(0)) / 2 + 0.035
        x, y = (grid - middle[0]) / reach[0], (grid - middle[1]) / reach[1]
        away = (x.square() + y[:, None].square()).sqrt()
        smear = ((1.3 - away) / 0.2).clamp(0, 1)
        below, beside = (
            ((middle + reach * torch.tensor([0.0, 1.4])) * judge.SIZE).long().clamp(0, judge.SIZE - 1).flip(0)
        )
        colour = image[:, below, beside][:, None, None]
        result = smear * colour + (1 - smear) * result
    return result


def _drown(image: Tensor, landmarks: Tensor, other: Tensor) -> Tensor:
    """So much noise that the face is a guess: an early step of diffusion."""
    signal = 0.05 + 0.2 * float(torch.rand(()))
    return signal * image + (1 - signal) * normal_like(image)


def _lose_half(image: Tensor, landmarks: Tensor, other: Tensor) -> Tensor:
    """One half replaced by noise, by one colour, or by another picture out of place."""
    fill = (
        normal_like(image) * 0.5,
        torch.rand(3, 1, 1).expand_as(image) * 2 - 1,
        other.roll((judge.SIZE // 3, judge.SIZE // 2), (1, 2)),
    )[int(torch.randint(3, ()))]
    result = image.clone()
    half = judge.SIZE // 2
    way = int(torch.randint(4, ()))
    rows = (slice(None), slice(None), slice(0, half + 8), slice(0, half + 8))[way]
    columns = (slice(0, half), slice(half, None), slice(None), slice(0, half + 8))[way]
    result[:, rows, columns] = fill[:, rows, columns]
    return result
