"""The page everyone shares: what a batch is, what a family promises, and how noise is seeded.

Suffixes tell shapes: B batch, C channels, H height, W width, K landmarks, T tags, A attribute groups.
Imports nothing else of ours.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor, nn


class UserError(Exception):
    """Something the user can mend. Its text is one line that says what to do; the CLI prints it without a traceback."""


class Condition(NamedTuple):
    """What a family may be told about each picture.

    A field is None where nobody asked for it or the data has none. Inside a field, "not given" is NaN (floats) or -1
    (classes), never zero: zero is a legal tag ("absent") and a legal landmark position.
    """

    tags_BT: Tensor | None = None  # float32: 1 present, 0 absent, NaN not given
    attributes_BA: Tensor | None = None  # int64: class in each exclusive group, -1 not given
    landmarks_BK2: Tensor | None = None  # float32 (x, y) in [0, 1], NaN not given
    visible_BK: Tensor | None = None  # bool: not hidden behind hair or the head itself; comes with the landmarks
    sketch_B1HW: Tensor | None = None  # float32: 0 paper .. 1 line
    source_BCHW: Tensor | None = None  # float32 in [-1, 1]: a picture of the other domain

    def map(self, change: Any) -> Condition:
        """Applies `change(tensor)` to every part that is present."""
        return Condition(*(None if part is None else change(part) for part in self))

    def rows(self, key: Any) -> Condition:
        """The condition of some rows: `key` is a slice, an index tensor or a mask over B."""
        return self.map(lambda part: part[key])


class Batch(NamedTuple):
    """Pictures and what is known of them."""

    image_BCHW: Tensor  # float32 in [-1, 1]
    condition: Condition
    index_B: Tensor  # int64: position in the split, so that a score can tell pictures apart
