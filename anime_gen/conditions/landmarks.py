"""The 24 points of a face, and which of them can be seen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from anime_gen.conditions.condition import Condition
from anime_gen.conditions.kind import Array, Asking, Column, Facts, Field, Kind, Option, Points, permuted
from anime_gen.errors import UserError
from anime_gen.vocabulary import LANDMARK_MIRROR, LANDMARKS, NUM_LANDMARKS, Vocabulary

POSITIONS = Column("landmarks", lambda facts: (NUM_LANDMARKS, 2), "<f4")  # (x, y), NaN not given
VISIBLE = Column("visible", lambda facts: (NUM_LANDMARKS,), "?")
MIRROR = np.array(LANDMARK_MIRROR)


class Positions(Field):
    """float32 (B, K, 2): (x, y) in [0, 1], NaN not given."""

    name = "landmarks_BK2"
    columns = (POSITIONS,)

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (NUM_LANDMARKS, 2)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        points = rows["landmarks"]
        if mirrored is not None:
            points[mirrored, :, 0] = 1 - points[mirrored, :, 0]
        return torch.from_numpy(permuted(points, MIRROR, mirrored))


class Visible(Field):
    """bool (B, K): not hidden behind hair or the head itself."""

    name = "visible_BK"
    dtype = torch.bool
    not_given = 0
    columns = (VISIBLE,)

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (NUM_LANDMARKS,)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        return torch.from_numpy(permuted(rows["visible"], MIRROR, mirrored))

    def example(self, count: int, facts: Facts) -> Tensor:
        return torch.ones(count, NUM_LANDMARKS, dtype=torch.bool)


def read(content: object) -> Tensor:
    """The 24 landmarks of JSON: {"nose": [x, y], ...} or 24 pairs in the suite's order, as fractions.

    Pixels are understood where it gives `width` and `height`. Points left out are not given (NaN).

    Returns:
        (1, 24, 2) float32.

    Raises:
        UserError: another form, an unknown name, or a number outside the picture.
    """
    scale = (1.0, 1.0)
    if isinstance(content, dict) and {"width", "height"} <= content.keys():
        try:
            scale = (float(content["width"]), float(content["height"]))
        except (TypeError, ValueError):
            scale = (0.0, 0.0)
        if min(scale) <= 0:
            raise UserError("width and height must be numbers of pixels above 0")
    points = content.get("landmarks", content) if isinstance(content, dict) else content
    if isinstance(points, dict):
        points = {name: point for name, point in points.items() if name not in ("width", "height")}
    elif isinstance(points, list) and len(points) == len(LANDMARKS):
        points = dict(zip(LANDMARKS, points, strict=True))
    else:
        raise UserError(f"give a mapping of names to [x, y], or {len(LANDMARKS)} pairs")
    unknown = sorted(set(points) - set(LANDMARKS))
    if unknown:
        raise UserError(f"{unknown[0]!r} is no landmark; they are {', '.join(LANDMARKS)}")
    found = torch.full((1, len(LANDMARKS), 2), torch.nan)
    for name, point in points.items():
        try:
            x, y = (float(value) / size for value, size in zip(point, scale, strict=True))
        except (TypeError, ValueError) as reason:
            raise UserError(f"{name} must be [x, y], not {point!r}") from reason
        if not (-0.5 <= x <= 1.5 and -0.5 <= y <= 1.5):
            raise UserError(
                f"{name} = {point} lies outside the picture; give fractions of it, or pixels with width and height"
            )
        found[0, LANDMARKS.index(name)] = torch.tensor([x, y])
    return found


def asked(points: Points, asking: Asking) -> dict[str, Tensor]:
    """As `read`; what is asked for can be seen."""
    found_1K2 = read(points.content)
    return {Positions.name: found_1K2, Visible.name: ~found_1K2.isnan().any(-1)}


class Landmarks(Kind):
    name = "landmarks"
    plural = "landmarks"
    place = 3
    pins_down = True
    fields = (Positions(), Visible())
    options = (
        Option(
            "landmarks",
            "JSON: 24 points as fractions, or pixels",
            Points,
            frozenset({Positions.name, Visible.name}),
            asked,
        ),
    )

    def drawing(self, condition: Condition, row: int, side: int) -> Image.Image | None:
        """White points, hollow where hidden."""
        points_BK2, visible_BK = condition.landmarks_BK2, condition.visible_BK
        if points_BK2 is None or bool(points_BK2[row].isnan().all()):
            return None
        picture = Image.new("RGBA", (side, side))
        draw = ImageDraw.Draw(picture)
        for k, (x, y) in enumerate(points_BK2[row].tolist()):
            if x == x:  # not NaN
                seen = visible_BK is None or bool(visible_BK[row, k])
                box = (x * side - 1.5, y * side - 1.5, x * side + 1.5, y * side + 1.5)
                draw.ellipse(box, fill="white" if seen else None, outline="white")
        return picture
