"""Faces that a classical detector finds: for pictures that the judge was not trained on, such as real anime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.protocol import SIDES, Role, Score

# Pixels a side that pictures are brought to, and how many of their edges are repeated around them: a crop that a face
# fills lacks the margin that the detector looks for. So it finds 97 in 100 faces of real anime, without 89; in noise
# and blots none, upside down one in 300.
_SIDE, _MARGIN = 128, 32
# OpenCV's usual ones; a face takes at least half of the picture.
_SETTINGS = {"scaleFactor": 1.1, "minNeighbors": 5, "minSize": (_SIDE // 2, _SIDE // 2)}


class CascadeFaceRate(Score):
    """`faces_cascade`: share of pictures in which a cascade of OpenCV's (Viola & Jones 2001) finds a face.

    `faces_cascade_real` is that of real pictures: what a perfect model would get. The detector looks at brightness
    alone, and forgives much: read it beside a distance.
    """

    def __init__(self, weights: Path) -> None:
        """Args: weights: the .xml of a cascade, such as nagadomi's lbpcascade_animeface.

        Raises:
            UserError: the file is not there, or is no cascade.
        """
        super().__init__()
        self.weights = Path(weights).expanduser()
        _open(self.weights)
        self._hash = hashlib.sha256(self.weights.read_bytes()).hexdigest()
        for role in SIDES:
            for name in ("seen", "num"):
                default = torch.zeros((), dtype=torch.int64)
                self.add_state(f"{role.value}_{name}", default, dist_reduce_fx="sum")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"faces_cascade": True, "faces_cascade_real": None}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role not in SIDES:
            return
        # Opened anew: what OpenCV makes of the file can be neither copied nor pickled, as scores are.
        detector = _open(self.weights)
        seen = sum(len(detector.detectMultiScale(grey, **_SETTINGS)) > 0 for grey in _prepared(images))
        # Not in place: the state may have been made in inference mode, the update may come outside of it.
        for name, value in (("seen", seen), ("num", len(images))):
            state = f"{role.value}_{name}"
            setattr(self, state, getattr(self, state) + value)

    def compute(self) -> dict[str, Tensor]:
        """Both shares; none of no pictures."""
        found = {}
        for name, role in zip(self.names, (Role.SAMPLE, Role.HELD_OUT), strict=True):
            num = getattr(self, f"{role.value}_num")
            if num:
                found[name] = getattr(self, f"{role.value}_seen").double() / num
        return found

    def protocol(self) -> dict[str, Any]:
        resize = f"bilinear-antialias-{_SIDE}, equalised, edges repeated {_MARGIN}"
        settings = {name: list(value) if isinstance(value, tuple) else value for name, value in _SETTINGS.items()}
        return {**super().protocol(), "detector": "opencv-cascade", "detector_weights": self._hash, "resize": resize,
                **settings}  # fmt: skip


def _open(path: Path) -> Any:
    import cv2

    if not path.is_file():
        raise UserError(
            f"faces_cascade: there is no file {path}; fetch lbpcascade_animeface.xml and name it as weights"
        )
    try:
        detector = cv2.CascadeClassifier(str(path))
    except (cv2.error, SystemError):  # of a file that is no XML, or another one
        detector = None
    if detector is None or detector.empty():
        raise UserError(f"faces_cascade: {path} is no cascade of OpenCV's; name lbpcascade_animeface.xml as weights")
    return detector


def _prepared(images: Tensor) -> list[np.ndarray]:
    """Grey pictures, their brightness spread evenly, with room around them."""
    import cv2

    sized = F.interpolate(images.cpu().float(), (_SIDE, _SIDE), mode="bilinear", antialias=True).round().to(torch.uint8)
    prepared = []
    for picture_HWC in sized.permute(0, 2, 3, 1).contiguous().numpy():
        grey = cv2.equalizeHist(cv2.cvtColor(picture_HWC, cv2.COLOR_RGB2GRAY))
        around = (_MARGIN,) * 4
        prepared.append(np.asarray(cv2.copyMakeBorder(grey, *around, cv2.BORDER_REPLICATE)))
    return prepared
