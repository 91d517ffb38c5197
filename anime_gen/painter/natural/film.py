"""What a camera adds: dark corners, a tint, and the grain of film or sensor."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from anime_gen.painter.natural.person import Person
from anime_gen.painter.natural.surface import Floats

_CONTRAST, _BLACK = 1.17, 12.0  # how film spreads brightness, and what it takes for black
_PLATE = 512  # grain repeats after so many pixels


@lru_cache(maxsize=1)
def _plate() -> Floats:
    """Grain of deviation 1: four random bytes added up are nearly a bell curve of deviation 148."""
    raw = np.random.Philox(key=np.array([0, 0x6121], dtype=np.uint64)).random_raw(_PLATE * _PLATE // 2)
    total = raw.view(np.uint8).reshape(_PLATE, _PLATE, 4).sum(-1, dtype=np.float32)
    return ((total - 510) / np.float32(148)).astype(np.float32)


@lru_cache(maxsize=8)
def _corners(size: int) -> Floats:
    """How much of the light reaches each pixel."""
    place = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    far = place[:, None] ** 2 + place**2
    return (1 - 0.30 * far)[..., None].astype(np.float32)


def develop(picture: Floats, person: Person) -> npt.NDArray[np.uint8]:
    """A finished picture (H, W, 3), 0..255, as a camera would have kept it."""
    size, grain = picture.shape[0], person.grain
    # Warm or cool, a little brighter or darker, as no two photos are alike.
    gain = _CONTRAST + 0.06 * grain[151]
    tint = np.array((gain * (1 + 0.03 * grain[150]), gain, gain * (1 - 0.03 * grain[150])), np.float32)
    light = picture * (_corners(size) * tint) - np.float32(_BLACK)
    down, right = int((grain[152] + 1) * _PLATE / 2), int((grain[153] + 1) * _PLATE / 2)
    places = np.arange(size)
    light += (
        _plate()[np.ix_((places + down) % _PLATE, (places + right) % _PLATE)] * np.float32(2.1 + 0.9 * grain[154])
    )[..., None]
    return np.asarray(np.clip(light + 0.5, 0, 255), np.uint8)
