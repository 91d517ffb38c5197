"""What a verb of a family hands over: data, which the command line draws, writes and says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

UNKNOWN = "unknown"  # the hub's word for a licence that nobody has stated


class Sheet(NamedTuple):
    """Pictures in rows."""

    pictures_NCHW: Tensor  # uint8
    columns: int
    captions: list[str] | None = None  # one a row
    headings: list[str] | None = None  # one a column


class Film(NamedTuple):
    """Pictures one after the other."""

    pictures_NCHW: Tensor  # uint8
    columns: int = 1  # beside each other in a frame
    milliseconds: int = 80  # a frame is shown


class Curves(NamedTuple):
    """Lines from one mark of an axis to the next, of values from 0 to 1; NaN where there is none."""

    title: str
    axis: str
    marks: list[str]
    lines: Mapping[str, list[float]]


class Weights(NamedTuple):
    """Tensors by their names."""

    tensors: Mapping[str, Tensor]
    metadata: dict[str, str] | None = None


class ModelCard(NamedTuple):
    """What a family says of a folder of weights; the command line knows the run's name, pictures and scores."""

    licence: str  # by the hub's name for it
    tags: list[str]  # what the hub finds it by
    pipeline: str  # the hub's name for what it does
    uses: str  # Markdown that tells how to draw with it


type Content = str | bytes | Sheet | Film | Curves | Weights | ModelCard


def nothing() -> None:
    """Nothing is left to do."""


class Made(NamedTuple):
    """All that a verb has made.

    Attributes:
        files: where each lies in the end. A new folder that holds all of them is there as a whole or not at all.
        said: what is told beside that.
        kept: called when everything lies where it should: what would begin again from the middle may go.
    """

    files: Mapping[Path, Content]
    said: str = ""
    kept: Callable[[], None] = nothing
