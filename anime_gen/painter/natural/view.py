"""The painter's view of head space, for many points at once and for parts of another width than it drew them."""

from __future__ import annotations

from math import cos, sin

import numpy as np
import numpy.typing as npt

from anime_gen.painter.anatomy import View
from anime_gen.painter.curves import Point
from anime_gen.painter.parameters import Pose


class HumanView(View):
    """Where head space lies in the picture: exactly where the painter's own `View` puts it."""

    def __init__(self, pose: Pose, turn: float = 1.0, wide: float = 1.0, drop: float = 0.0) -> None:
        """`wide` stretches what is drawn for the painter's head sideways, `drop` moves it down (head units)."""
        super().__init__(pose, turn)
        self._wide, self._drop = wide, drop
        self._near = np.array(
            (-sin(pose.yaw * turn) * cos(pose.pitch * turn), sin(pose.pitch * turn),
             cos(pose.yaw * turn) * cos(pose.pitch * turn)), np.float32,
        )  # fmt: skip

    def __call__(self, x: float, y: float, z: float) -> Point:
        return super().__call__(self._wide * x, y + self._drop, z)

    def nearness(self, points_N3: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """How near to the viewer points of head space are, (N,)."""
        return (points_N3 @ self._near).astype(np.float32)

    def places(self, points_N3: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Points of head space in the picture, (N, 2). `__call__` is affine: four points say it all."""
        origin = np.array(self(0, 0, 0), np.float32)
        axes = np.array([self(1, 0, 0), self(0, 1, 0), self(0, 0, 1)], np.float32) - origin
        return (origin + points_N3 @ axes).astype(np.float32)
