"""What the network is told, as tensors: one encoder a kind, each with its own learned null.

Attributes, tags and text (and landmarks as a plain list of numbers) become a vector, landmarks and sketches a latent
IMAGE, so that a point of the face stays a place in the picture (S1). Vectors are added up, and so are images; what a
network does with the two sums is its own affair.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.blocks.layers import bell
from anime_gen.conditions import Condition
from anime_gen.conditions.text import CAPTION_TOKENS, NUM_TOKENS
from anime_gen.contract import UserError
from anime_gen.families.diffusion.guidance import Active
from anime_gen.noise import normal


class Guide(NamedTuple):
    """All that was told. Where a network is told nothing of that form, the sum is zero."""

    vector_BE: Tensor
    map_BCHW: Tensor  # H and W of the picture's patches


class Encoder(nn.Module, ABC):
    """One kind of condition to a vector or a map. A learned null stands where it is not told or not given."""

    # The fields of `Condition` that it reads.
    needs: frozenset[str]
    # Whether the latent is an image.
    spatial = False

    @abstractmethod
    def forward(self, condition: Condition, size: int, patch: int) -> tuple[Tensor, Tensor]:
        """(latent (B, width) or (B, width, size / patch, size / patch), given (B,) bool)."""


class Sizes(NamedTuple):
    """What an encoder is made for."""

    attribute_sizes: list[int]  # classes in each group
    num_tags: int
    num_landmarks: int
    text_width: int  # of the features of the data's text tower; 0: there is none
    vector: int  # width of a latent
    latent: int  # channels of a latent image
    patch: int  # pixels along a side that a latent image sees as one


class Form(ABC):
    """How a kind is told. Options only: the encoder is made when the data is known."""

    kind: ClassVar[str]

    @abstractmethod
    def encoder(self, sizes: Sizes) -> Encoder: ...


class AttributeEncoder(Encoder):
    """Exclusive classes; one that is not given adds nothing but says so."""

    needs = frozenset({"attributes_BA"})

    def __init__(self, sizes: list[int], width: int) -> None:
        super().__init__()
        self.sizes = sizes
        # One more row in each group: the class is not given.
        self.groups = nn.ModuleList(nn.Embedding(size + 1, width) for size in sizes)
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(width, width))

    def forward(self, condition: Condition, size: int, patch: int) -> tuple[Tensor, Tensor]:
        classes_BA = condition.attributes_BA
        assert classes_BA is not None
        parts = [
            table(torch.where(classes_BA[:, group] < 0, self.sizes[group], classes_BA[:, group]))
            for group, table in enumerate(self.groups)
        ]
        return self.mix(torch.stack(parts).sum(0)), (classes_BA >= 0).any(1)


class TagEncoder(Encoder):
    """Independent tags: present, absent, or not given."""

    needs = frozenset({"tags_BT"})

    def __init__(self, num_tags: int, width: int) -> None:
        super().__init__()
        self.tags = nn.Linear(2 * num_tags, width)
        self.mix = nn.Sequential(nn.SiLU(), nn.Linear(width, width))

    def forward(self, condition: Condition, size: int, patch: int) -> tuple[Tensor, Tensor]:
        tags_BT = condition.tags_BT
        assert tags_BT is not None
        given = ~tags_BT.isnan()
        sign = torch.where(given, 2 * tags_BT - 1, 0.0)
        return self.mix(self.tags(torch.cat([sign, given.float()], dim=1))), given.any(1)


def landmark_map(landmarks_BK2: Tensor, size: int, spread: float) -> Tensor:
    """Draws each landmark as a Gaussian of `spread` pixels in a channel of its own: (B, K, size, size) in [0, 1].

    Points that are not given (NaN) leave their channel empty.
    """
    centres = (torch.arange(size, device=landmarks_BK2.device) + 0.5) / size
    given_BK = ~landmarks_BK2.isnan().any(-1)
    points = landmarks_BK2.nan_to_num(0.0)
    bells = bell(0.5 * ((centres - points[..., None]) * size / spread).square())  # B, K, (x, y), size
    return bells[:, :, 1, :, None] * bells[:, :, 0, None, :] * given_BK[..., None, None]


def landmark_mask(landmarks_BK2: Tensor, size: int, radius: float) -> Tensor:
    """S1's mask: white points on black, (B, 1, size, size), standardised to mean 0 and deviation 1 in each picture."""
    drawn_BKHW = landmark_map(landmarks_BK2, size, radius)
    mask = drawn_BKHW.amax(1, keepdim=True)
    deviation, mean = torch.std_mean(mask, dim=(1, 2, 3), keepdim=True)
    return (mask - mean) / deviation.clamp(min=1e-3)


def convolutional(inputs: int, width: int) -> nn.Sequential:
    """From an image of the condition to its latent image."""
    return nn.Sequential(nn.Conv2d(inputs, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1))


class LandmarkForm(Form):
    """How the 24 points are told."""

    kind = "landmarks"


class LandmarkLatent(LandmarkForm):
    """As a latent image with a channel for each point.

    Args:
        spread: standard deviation of a point's bell in pixels.
    """

    def __init__(self, spread: float = 1.0) -> None:
        self.spread = spread

    def encoder(self, sizes: Sizes) -> Encoder:
        return _LandmarkImage(partial(landmark_map, spread=self.spread), sizes.num_landmarks, sizes.latent, sizes.patch)


class LandmarkMask(LandmarkForm):
    """As S1 does: all points white in one black mask, standardised, turned into a latent image.

    Args:
        radius: of a point, as the standard deviation of its bell in pixels.
    """

    def __init__(self, radius: float = 0.6) -> None:
        self.radius = radius

    def encoder(self, sizes: Sizes) -> Encoder:
        return _LandmarkImage(partial(landmark_mask, radius=self.radius), 1, sizes.latent, sizes.patch)


class LandmarkVector(LandmarkForm):
    """As 48 numbers: the other side of the ablation, with no place in the picture."""

    def encoder(self, sizes: Sizes) -> Encoder:
        return _LandmarkVector(sizes.num_landmarks, sizes.vector)


class _LandmarkImage(Encoder):
    """Draws the points, (B, channels, size, size), and turns the drawing into a latent image."""

    spatial = True

    needs = frozenset({"landmarks_BK2", "visible_BK"})

    def __init__(self, draw: Callable[[Tensor, int], Tensor], channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.draw = draw
        self.layers = convolutional(channels * patch**2, width)

    def forward(self, condition: Condition, size: int, patch: int) -> tuple[Tensor, Tensor]:
        landmarks_BK2 = condition.landmarks_BK2
        assert landmarks_BK2 is not None
        drawn = self.draw(landmarks_BK2, size)
        return self.layers(F.pixel_unshuffle(drawn, patch)), ~landmarks_BK2.isnan().any(-1).all(-1)


class _LandmarkVector(Encoder):
    needs = frozenset({"landmarks_BK2", "visible_BK"})

    def __init__(self, num_landmarks: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * num_landmarks, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
        )

    def forward(self, condition: Condition, size: int, patch: int) -> tuple[Tensor, Tensor]:
        landmarks_BK2 = condition.landmarks_BK2
        assert landmarks_BK2 is not None
        given_BK = ~landmarks_BK2.isnan().any(-1)
        # From [0, 1] to about unit deviation around the picture's centre.
        points = torch.where(given_BK[..., None], 4 * (landmarks_BK2 - 0.5), 0.0)
        return self.layers(torch.cat([points.flatten(1), given_BK.float()], dim=1)), given_BK.any(-1)


class PictureEncoder(Encoder):
    """A condition that is a picture itself to a latent image.

    Args:
        field: of `Condition`, (B, channels, H, W), NaN where it is not given.
        channels: of the field.
        width: of the latent image.
        patch: pixels along a side that the latent image sees as one.
    """

    spatial = True

    def __init__(self, field: str, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.needs = frozenset({field})
        self.field = field
        self.layers = convolutional(channels * patch**2, width)

    def forward(self, condition: Condition, size: int, patch: int) -> tuple[Tensor, Tensor]:
        picture_BCHW = condition[self.field]
        given = ~picture_BCHW.isnan().flatten(1).any(1)
        return self.layers(F.pixel_unshuffle(picture_BCHW.nan_to_num(0.0), patch)), given


class Hint(Form):
    """Colour hints, as a latent image."""

    kind = "hint"

    def encoder(self, sizes: Sizes) -> Encoder:
        return PictureEncoder("hint_B4HW", 4, sizes.latent, sizes.patch)


class TextForm(Form):
    """How captions are read."""

    kind = "text"


class TrainedText(TextForm):
    """A small transformer over the caption's tokens, trained with the network: no weights to fetch.

    Args:
        width, layers, heads: of the transformer.
    """

    def __init__(self, width: int = 64, layers: int = 2, heads: int = 4) -> None:
        if width % heads:
            raise UserError(f"model.text: width={width} must be a multiple of heads={heads}")
        self.width, self.layers, self.heads = width, layers, heads

    def encoder(self, sizes: Sizes) -> Encoder:
        return _TrainedText(self.width, self.layers, self.heads, sizes.vector)


class _TrainedText(Encoder):
    needs = frozenset({"caption_BL"})

    def __init__(self, width: int, layers: int, heads: int, vector: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(NUM_TOKENS, width)
        self.places = nn.Parameter(normal(1, CAPTION_TOKENS, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation=F.gelu, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, vector)

    def forward(self, condition: Condition, size: int, patch: int) -> tuple[Tensor, Tensor]:
        caption_BL = condition.caption_BL
        assert caption_BL is not None
        blank_BL = caption_BL == 0
        given = ~blank_BL.all(1)
        x = self.tokens(caption_BL) + self.places[:, : caption_BL.shape[1]]
        # A row of blanks only would be a softmax over nothing: it reads itself, and the null replaces it.
        x = self.norm(self.layers(x, src_key_padding_mask=blank_BL & given[:, None]))
        kept = (~blank_BL).float()[..., None]
        mean = (x * kept).sum(1) / kept.sum(1).clamp(min=1)
        return self.out(mean), given


class _TowerText(Encoder):
    """A trained tower's features through a projection that is fine-tuned here.

    It begins as the identity: M W is any projection that training W itself could reach.
    """

    needs = frozenset({"text_BD"})

    def __init__(self, features: int, vector: int) -> None:
        super().__init__()
        self.projection = nn.Linear(features, features, bias=False)
        nn.init.eye_(self.projection.weight)
        self.norm = nn.LayerNorm(features)
        self.out = nn.Linear(features, vector)

    def forward(self, condition: Condition, size: int, patch: int) -> tuple[Tensor, Tensor]:
        text_BD = condition.text_BD
        assert text_BD is not None
        given = ~text_BD.isnan().any(1)
        return self.out(self.norm(self.projection(text_BD.nan_to_num(0.0)))), given


class TowerText(TextForm):
    """The features of the text tower that reads the data's captions (`data.text`), fine-tuned by a projection (S1)."""

    def encoder(self, sizes: Sizes) -> Encoder:
        if not sizes.text_width:
            raise UserError("model.text: no tower reads the captions; name its weights as data.text.weights")
        return _TowerText(sizes.text_width, sizes.vector)


class Conditions(nn.Module):
    """All kinds that a network is told.

    Args:
        encoders: kind to its encoder; every kind has a null of its own.
        vector, latent: widths of the two sums.
        patch: pixels of the picture along a side that a latent image sees as one.
    """

    def __init__(self, encoders: dict[str, Encoder], vector: int, latent: int, patch: int) -> None:
        super().__init__()
        self.vector, self.latent, self.patch = vector, latent, patch
        self.encoders = nn.ModuleDict(encoders)
        # Where the module is: sums of nothing must be there too.
        self.register_buffer("zero", torch.zeros(()), persistent=False)
        self.zero: Tensor
        self.nulls = nn.ParameterDict(
            {
                kind: normal(1, latent, 1, 1) * 0.02 if encoder.spatial else normal(1, vector) * 0.02
                for kind, encoder in encoders.items()
            }
        )

    @property
    def needs(self) -> frozenset[str]:
        """The fields of `Condition` that the encoders read."""
        return frozenset(part for encoder in self.encoders.values() for part in encoder.needs)  # type: ignore[union-attr]

    def forward(self, condition: Condition, active: Active, batch: int, side: int) -> Guide:
        """The sums for `batch` pictures of `side` patches along a side."""
        vector_BE = self.zero.new_zeros(batch, self.vector)
        map_BCHW = self.zero.new_zeros(batch, self.latent, side, side)
        for kind, encoder in self.encoders.items():
            latent, given_B = encoder(condition, side * self.patch, self.patch)
            shape = (-1, *[1] * (latent.dim() - 1))
            latent = torch.where((active[kind] & given_B).view(shape), latent, self.nulls[kind])
            if encoder.spatial:
                map_BCHW = map_BCHW + latent
            else:
                vector_BE = vector_BE + latent
        return Guide(vector_BE, map_BCHW)
