"""What a ruler must see: twelve ways in which pictures go wrong, each at four strengths.

Of rendering (blur, resolution, noise, JPEG, levels, checkerboard): how pictures are made. Of content (warp, eyes
removed, eyes swapped, hue of the hair, hair colours missing, every picture twice): what they show. The second strength
of each is the one at which a person begins to see it side by side. Everything is a function of a seed.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from anime_gen import painter
from anime_gen.images import quantise
from anime_gen.noise import normal
from anime_gen.painter import Face
from anime_gen.vocabulary import LANDMARKS

# Half of the hair colours.
_MISSING = painter.VOCABULARY.attributes["hair"][::2]
# Of faces that nobody else paints.
_SPARE_SEED = 991_000


class Pictures(NamedTuple):
    """What is disturbed."""

    images_NCHW: Tensor  # uint8, squares
    faces: tuple[Face, ...] = ()  # that were painted; none: pictures of which nothing is known


def paint(seed: int, count: int, size: int, first: int = 0) -> Pictures:
    """So many faces of a seed, from one number on."""
    faces = tuple(painter.sample_face(seed, index) for index in range(first, first + count))
    return Pictures(_stacked([painter.render(face, size) for face in faces]), faces)


class Disturbance(NamedTuple):
    """One way in which pictures go wrong."""

    name: str
    of_rendering: bool
    strengths: tuple[float, ...]  # from hardly to plainly seen; what is all or nothing is so in a share of the pictures
    unit: str
    apply: Callable[[Pictures, float, int], Tensor]  # pictures, strength, seed -> uint8 (N, 3, H, W)
    painted: bool = False  # needs to know the faces
    must: int = 1  # the place of the strength at which the suite's own ruler has to see it


def blur(pictures: Pictures, sigma: float, seed: int) -> Tensor:
    """Gaussian, sigma in pixels of a picture of 32."""
    x = pictures.images_NCHW.float()
    sigma *= x.shape[-1] / 32
    reach = int(4 * sigma) + 1
    taps = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * sigma**2))
    taps = (taps / taps.sum()).expand(3, 1, -1)
    x = F.pad(x, (reach,) * 4, mode="replicate")
    return _bytes(F.conv2d(F.conv2d(x, taps[:, :, None], groups=3), taps[:, :, :, None], groups=3))


def resolution(pictures: Pictures, share: float, seed: int) -> Tensor:
    """To a share of the pixels a side and back, bilinear."""
    x = pictures.images_NCHW.float()
    side = round(share * x.shape[-1])
    less = F.interpolate(x, (side, side), mode="bilinear", antialias=True)
    return _bytes(F.interpolate(less, x.shape[2:], mode="bilinear"))


def noise(pictures: Pictures, deviation: float, seed: int) -> Tensor:
    """White, in levels of 255."""
    x = pictures.images_NCHW
    return _bytes(x + deviation * normal(*x.shape, generator=_stream(seed)))


def jpeg(pictures: Pictures, quality: float, seed: int) -> Tensor:
    """Pillow's, with its usual subsampling of colours."""

    def again(picture_HWC: np.ndarray) -> np.ndarray:
        file = io.BytesIO()
        Image.fromarray(picture_HWC).save(file, "JPEG", quality=int(quality))
        return np.asarray(Image.open(file, formats=["JPEG"]))

    return _stacked([again(picture) for picture in pictures.images_NCHW.permute(0, 2, 3, 1).numpy()])


def levels(pictures: Pictures, count: float, seed: int) -> Tensor:
    """So many values of each colour."""
    step = 255 / (count - 1)
    return _bytes((pictures.images_NCHW / step).round() * step)


def checkerboard(pictures: Pictures, height: float, seed: int) -> Tensor:
    """Every second pixel lighter, the others darker, as transposed convolutions leave it; in levels of 255."""
    lines = torch.arange(pictures.images_NCHW.shape[-1])
    return _bytes(pictures.images_NCHW + height * ((lines[:, None] + lines) % 2 * 2 - 1))


def warp(pictures: Pictures, percent: float, seed: int) -> Tensor:
    """Smooth random displacement, its deviation in percent of the width."""
    x = pictures.images_NCHW.float()
    coarse = normal(len(x), 2, 6, 6, generator=_stream(seed))
    moved = F.interpolate(coarse, x.shape[2:], mode="bicubic", align_corners=True)
    moved = moved / moved.flatten(1).std(1)[:, None, None, None] * percent / 100 * 2
    line = (torch.arange(x.shape[-1]) + 0.5) / x.shape[-1] * 2 - 1
    place = torch.stack(torch.meshgrid(line, line, indexing="xy"), 2) + moved.permute(0, 2, 3, 1)
    return _bytes(F.grid_sample(x, place, mode="bicubic", padding_mode="reflection", align_corners=False))


def eyes_removed(pictures: Pictures, percent: float, seed: int) -> Tensor:
    """Skin where the eyes were, in so many of the pictures."""
    found = pictures.images_NCHW.clone()
    for row in _chosen(len(found), percent, seed):
        for mask_HW, (x, y) in _eyes(pictures, row):
            skin_C = found[row, :, y, x].float()
            found[row] = _bytes(found[row] * (1 - mask_HW) + skin_C[:, None, None] * mask_HW)
    return found


def eyes_swapped(pictures: Pictures, percent: float, seed: int) -> Tensor:
    """Another face's eyes, pasted where this one's were, in so many of the pictures."""
    found, images = pictures.images_NCHW.clone(), pictures.images_NCHW
    chosen = _chosen(len(found), percent, seed)
    size = images.shape[-1]
    for row, other in zip(chosen, [*chosen[1:], *chosen[:1]], strict=True):
        here, there = _boxes(pictures, row), _boxes(pictures, other)
        for (left, top, width, height), (from_left, from_top, from_width, from_height), (mask_HW, _) in zip(
            here, there, _eyes(pictures, row), strict=True
        ):
            line = (torch.arange(size) + 0.5) / size
            x_HW = (line[None, :].expand(size, -1) - left) / width * from_width + from_left
            y_HW = (line[:, None].expand(-1, size) - top) / height * from_height + from_top
            place = torch.stack([x_HW, y_HW], 2)[None] * 2 - 1
            moved = F.grid_sample(images[other : other + 1].float(), place, padding_mode="border", align_corners=False)
            found[row] = _bytes(found[row] * (1 - mask_HW) + moved[0] * mask_HW)
    return found


def hair_hue(pictures: Pictures, degrees: float, seed: int) -> Tensor:
    """The hue of the hair turned, to either side."""
    found = []
    size = pictures.images_NCHW.shape[-1]
    for row, face in enumerate(pictures.faces):
        # Hair is what changes with its colour.
        other = "white" if face.hair.colour != "white" else "black"
        repainted = painter.render(replace(face, hair=replace(face.hair, colour=other)), size)
        picture = pictures.images_NCHW[row].permute(1, 2, 0).numpy()
        hair_HW = np.abs(repainted.astype(int) - picture).max(2) > 24
        hsv = np.array(Image.fromarray(picture).convert("HSV"))
        turn = round(degrees / 360 * 256) * (1 if row % 2 else -1)
        hsv[..., 0] = np.where(hair_HW, (hsv[..., 0].astype(int) + turn) % 256, hsv[..., 0])
        found.append(np.where(hair_HW[..., None], np.asarray(Image.fromarray(hsv, "HSV").convert("RGB")), picture))
    return _stacked(found)


def hair_missing(pictures: Pictures, percent: float, seed: int) -> Tensor:
    """In place of so many of the pictures with every second hair colour stand new faces with the others."""
    gone = [row for row, face in enumerate(pictures.faces) if face.hair.colour in _MISSING]
    new = (painter.sample_face(_SPARE_SEED + seed, index) for index in itertools.count())
    others = (face for face in new if face.hair.colour not in _MISSING)
    found = pictures.images_NCHW.clone()
    for place in _chosen(len(gone), percent, seed):
        picture = painter.render(next(others), found.shape[-1])
        found[gone[place]] = torch.from_numpy(picture.copy()).permute(2, 0, 1)
    return found


def twice(pictures: Pictures, percent: float, seed: int) -> Tensor:
    """So many of the pictures are there twice."""
    chosen = _chosen(len(pictures.images_NCHW), percent, seed)
    half = len(chosen) // 2
    found = pictures.images_NCHW.clone()
    found[chosen[half : 2 * half]] = found[chosen[:half]]
    return found


SHARES = (12.0, 25.0, 50.0, 100.0)
DISTURBANCES = (
    Disturbance("blur", True, (0.35, 0.5, 0.7, 1.0), "px of 32", blur),
    Disturbance("resolution", True, (3 / 4, 2 / 3, 1 / 2, 1 / 4), "of the pixels a side", resolution),
    Disturbance("noise", True, (4, 8, 15, 25), "levels of 255", noise),
    Disturbance("jpeg", True, (85, 60, 40, 20), "quality", jpeg),
    Disturbance("levels", True, (32, 16, 8, 4), "of each colour", levels),
    Disturbance("checkerboard", True, (3, 6, 10, 20), "levels of 255", checkerboard),
    Disturbance("warp", False, (1, 2, 3, 5), "% of the width", warp),
    Disturbance("eyes removed", False, SHARES, "% of the pictures", eyes_removed, painted=True),
    Disturbance("eyes swapped", False, SHARES, "% of the pictures", eyes_swapped, painted=True),
    Disturbance("hair hue", False, (10, 20, 40, 80), "degrees", hair_hue, painted=True),
    # A quarter is one face in eight: two drawings of 400 differ as much in their shares of twelve colours by chance.
    Disturbance(
        "hair missing", False, SHARES, "% of those with every second colour", hair_missing, painted=True, must=2
    ),
    Disturbance("twice", False, SHARES, "% of the pictures", twice),
)


def _stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _bytes(x: Tensor) -> Tensor:
    return quantise(x / 127.5 - 1)


def _stacked(pictures: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def _chosen(count: int, percent: float, seed: int) -> list[int]:
    """So many of so many, in no order."""
    return torch.randperm(count, generator=_stream(seed))[: round(count * percent / 100)].tolist()


def _boxes(pictures: Pictures, row: int) -> list[tuple[float, float, float, float]]:
    """(left, top, width, height) around each eye and its lashes, in shares of the picture."""
    points = painter.labels(pictures.faces[row]).landmarks_K2
    found = []
    for side in ("left", "right"):
        own = points[[place for place, name in enumerate(LANDMARKS) if name.startswith(f"{side}_eye_")]]
        (left, top), (right, bottom) = own.min(0), own.max(0)
        width, height = float(right - left), max(float(bottom - top), float(right - left) / 2)
        found.append((float(left) - 0.15 * width, float(top) - 0.3 * height, 1.3 * width, 1.5 * height))
    return found


def _eyes(pictures: Pictures, row: int) -> list[tuple[Tensor, tuple[int, int]]]:
    """Of each eye a soft ellipse over it, (H, W) in [0, 1], and a pixel of the cheek below it."""
    size = pictures.images_NCHW.shape[-1]
    line = (torch.arange(size) + 0.5) / size
    found = []
    for left, top, width, height in _boxes(pictures, row):
        x, y = left + width / 2, top + height / 2
        radius_HW = (((line - x) / (width / 2))[None] ** 2 + ((line - y) / (height / 2))[:, None] ** 2).sqrt()
        mask_HW = ((1.25 - radius_HW) / 0.25).clamp(0, 1)
        below = min(size - 1, int((top + 1.25 * height) * size))
        found.append((mask_HW, (min(size - 1, max(0, int(x * size))), below)))
    return found
