"""What a page of this folder says of its kind of condition. Everything else in the suite derives from these pages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from anime_gen.conditions.condition import Condition
from anime_gen.vocabulary import Vocabulary

type Array = npt.NDArray[Any]


class Facts(NamedTuple):
    """What the shapes of conditions depend on."""

    image_size: int
    vocabulary: Vocabulary
    text_width: int = 0  # of the features that a trained text tower makes of captions; 0: there is none


class Column(NamedTuple):
    """One thing that a pack keeps of every picture, a row each; see `anime_gen.data.pack`."""

    name: str
    shape: Callable[[Facts], tuple[int, ...]]  # of a row
    dtype: str  # NumPy's name
    of_pixels: bool = False  # made again for every size, or for all sizes from labels
    # (uint8 RGB of a square picture, size) -> the row, where nothing better is known than the picture
    of_picture: Callable[[Array, int], Array] | None = None
    in_pack: bool = True  # False: something else keeps it
    looks_at: int = 0  # pixels a side that the picture should have for that, where the row's own size is less


class Field(ABC):
    """One tensor of a `Condition`.

    Attributes:
        name: in a `Condition`, with its shape behind the last underscore.
        dtype: of the tensor.
        not_given: what stands in every place of a row that nothing is known of.
        columns: what it is made of, where a pack has it.
    """

    name: ClassVar[str]
    dtype: ClassVar[torch.dtype] = torch.float32
    not_given: ClassVar[float] = torch.nan
    columns: ClassVar[tuple[Column, ...]] = ()

    @abstractmethod
    def shape(self, facts: Facts) -> tuple[int, ...]:
        """Of one row."""

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        """The tensor (B, *shape) of some pictures.

        Args:
            rows: (B, ...) of each of its columns, which it may change.
            mirrored: (B,) bool, which pictures are shown as in a mirror; None: none.
            vocabulary: the words of the data.
        """
        raise NotImplementedError(f"{self.name} is in no pack")

    def nothing(self, facts: Facts) -> Tensor:
        """One row of which nothing is given."""
        return torch.full((1, *self.shape(facts)), self.not_given, dtype=self.dtype)

    def example(self, count: int, facts: Facts) -> Tensor:
        """`count` rows in which everything is given, of nothing real."""
        return torch.rand(count, *self.shape(facts)).to(self.dtype)


class Input:
    """What a user hands over: the command line reads a word, a web page shows a widget for each."""


class Words(Input):
    """Text; on the command line as it is typed."""

    def __init__(self, text: str) -> None:
        self.text = text


class Points(Input):
    """Names or a list of points; on the command line a JSON file."""

    def __init__(self, content: Any) -> None:
        self.content = content


class Picture(Input):
    """A picture, upright, RGBA; on the command line its file."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image


class Asking(NamedTuple):
    """What a run knows that is asked for something."""

    facts: Facts
    # Features (1, D) of a caption by the text tower that read the training captions, where there is one.
    read: Callable[[str], Tensor] | None = None


class Option[I: Input](NamedTuple):
    """One way to ask for something.

    `rows` makes of what a user hands over one row of each of its fields; it raises UserError, whose text begins with
    what is wrong.
    """

    name: str  # `--name` on the command line, the name of a widget
    help: str
    input: type[I]
    fields: frozenset[str]
    rows: Callable[[I, Asking], dict[str, Tensor]]


class Kind(ABC):
    """One kind of condition.

    Attributes:
        name: what guidance, exports and encoders call it.
        plural: what messages call such things.
        place: from the loosest (0) to the tightest: guidance tells them in this order, each on top of those before it.
            Never changed, for coins are thrown in this order.
        pins_down: whether it says where things are: a sample then has a true picture, the one it was read off. (Many
            pictures have the same tags.)
        fields: its tensors, the one an encoder reads first.
        options: how a user asks for it.
    """

    name: ClassVar[str]
    plural: ClassVar[str]
    place: ClassVar[int]
    pins_down: ClassVar[bool] = False
    fields: ClassVar[tuple[Field, ...]]
    options: ClassVar[tuple[Option[Any], ...]] = ()

    def words(self, condition: Condition, row: int, vocabulary: Vocabulary) -> list[str]:
        """What one row asks for in words, for the panel beside its pictures."""
        return []

    def drawing(self, condition: Condition, row: int, side: int) -> Image.Image | None:
        """What one row asks for as a picture, RGBA (side, side), clear where it says nothing; None: not given."""
        return None


def flipped(pixels: Array, mirrored: Array | None) -> Array:
    """(B, H, W, ...) with some rows turned left to right, in place."""
    if mirrored is not None:
        pixels[mirrored] = pixels[mirrored, :, ::-1]
    return pixels


def permuted(values: Array, order: Array, mirrored: Array | None) -> Array:
    """(B, K, ...) with the K of some rows in another order, in place."""
    if mirrored is not None:
        values[mirrored] = values[mirrored][:, order]
    return values


def square(picture: Image.Image, size: int) -> Image.Image:
    """The largest centred square, resized to (size, size)."""
    side = min(picture.size)
    left, top = (picture.width - side) / 2, (picture.height - side) / 2
    return picture.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side))


def on_paper(picture: Image.Image) -> Image.Image:
    """RGB, over white where it is clear."""
    paper = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(paper, picture.convert("RGBA")).convert("RGB")
