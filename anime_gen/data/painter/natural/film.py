"""What a camera adds: dark corners, a tint, and the grain of film or sensor."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from anime_gen.data.painter.natural.person import Person
from anime_gen.data.painter.natural.surface import Floats


@lru_cache(maxsize=8)
def _corners(size: int) -> Floats:
    """How much of the light reaches each pixel."""
    place = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    far = place[:, None] ** 2 + place**2
    return (1 - 0.34 * far)[..., None].astype(np.float32)


def develop(picture: npt.NDArray[np.uint8], person: Person) -> npt.NDArray[np.uint8]:
    """A finished picture (H, W, 3) as a camera would have kept it."""
    size = picture.shape[0]
    grain = person.grain
    light = picture.astype(np.float32) * _corners(size)
    # Warm or cool, a little brighter or darker, as no two photos are alike.
    light *= np.array((1 + 0.03 * grain[150], 1.0, 1 - 0.03 * grain[150]), np.float32) * np.float32(1 + 0.06 * grain[151])
    stream = np.random.Philox(key=np.array([int((grain[152] + 1) * 2**52), size], dtype=np.uint64))
    # Four random bytes added up are nearly a bell curve of deviation 148.
    noise = np.frombuffer(stream.random_raw(size * size // 2 + 1).tobytes(), np.uint8)[: 4 * size * size]
    bell = noise.reshape(size, size, 4).astype(np.float32).sum(-1) - 510
    strength = (1.4 + 1.1 * (grain[153] + 1)) / 148
    light += (bell * np.float32(strength))[..., None]
    return np.clip(light + 0.5, 0, 255).astype(np.uint8)
