"""Extractors: networks that turn pictures into the features distances are taken between."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from anime_gen.metrics.judge import (
    CLASS_WEIGHTS,
    DIRECTION_WEIGHT,
    FLAW_WEIGHT,
    LEGIBLE_F1,
    OTHER_CLASS_WEIGHT,
    RESIZE,
    Judge,
    JudgeOutput,
    hash_weights,
)
from anime_gen.vocabulary import Vocabulary


class Extractor(nn.Module, ABC):
    """A frozen network with a name, whose features of one picture depend on that picture alone."""

    name: str  # ends up in score names: fd_<name>
    num_features: int
    resize: str  # what happens to pictures of another size; another mode is another metric
    weights_hash: str  # sha256, see `hash_weights`
    # Not 0: its features have no common unit, and are compared along so many directions (`distances.whitening`).
    directions: int = 0

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Features (B, D) float32 of uint8 pictures (B, 3, H, W)."""

    @property
    def alike(self) -> Extractor:
        """Whose features say how alike two pictures are: for copies, twins and diversity.

        A blurred or mirrored copy is a copy, but a set of blurred pictures is not as good as a sharp one: a network may
        have other features for the former than for distances between sets.
        """
        return self

    def protocol(self) -> dict[str, Any]:
        """What a score must say of its extractor."""
        return {
            "extractor": self.name,
            "extractor_weights": self.weights_hash,
            "resize": self.resize,
            "num_features": self.num_features,
            **({"directions": self.directions} if self.directions else {}),
        }


class LatestBatch[Output]:
    """Calls a function of a tensor, but gives the last result again when the same pictures come again.

    Five metrics that are updated with one batch run one network once. "The same" is decided by the bytes, not by the
    object: a batch that was changed in place is another one, and tensors made in inference mode (as in Lightning's
    validation) have no version counter that could tell. It keeps one batch of bytes and its output, no more.
    """

    def __init__(self, function: Callable[[Tensor], Output]) -> None:
        self._function = function
        self._latest: tuple[Tensor, Output] | None = None

    def __call__(self, images: Tensor) -> Output:
        if self._latest is not None:
            seen, output = self._latest
            if seen.device == images.device and seen.dtype == images.dtype and torch.equal(seen, images):
                return output
        self._latest = None  # free the old batch before the new one needs memory
        output = self._function(images)
        self._latest = (images.clone(), output)
        return output

    def forget(self) -> None:
        """Frees the batch it holds."""
        self._latest = None


class Network[Output](Extractor):
    """An extractor that looks at each batch once, in chunks of one fixed size, the last one padded.

    Convolutions round differently for different batch sizes, and a score must not depend on how the pictures were split
    over batches and ranks. `Output` is a tensor or a NamedTuple of tensors, whose rows belong to the pictures.
    """

    chunk: int  # pictures in one forward pass

    def __init__(self) -> None:
        super().__init__()
        self._look = LatestBatch(self._look_afresh)

    @abstractmethod
    def see(self, images: Tensor) -> Output:
        """All that one forward pass says of uint8 pictures (B, 3, H, W) on the network's device."""

    @property
    def device(self) -> torch.device:
        """Where the network works."""
        return next(self.parameters()).device

    def look(self, images: Tensor) -> Output:
        """As `see`, for any number of pictures from anywhere.

        Raises:
            ValueError: the pictures are not uint8; `contract.quantise` makes them so.
        """
        if images.dtype != torch.uint8:
            raise ValueError(f"scores are taken of uint8 pictures, not {images.dtype}: call contract.quantise first")
        return self._look(images.to(self.device))

    @torch.no_grad()
    def _look_afresh(self, images: Tensor) -> Output:
        looks = []
        # The trainer's mixed precision must not reach the network: a score means the same in every run.
        with torch.autocast(images.device.type, enabled=False):
            for start in range(0, max(len(images), 1), self.chunk):
                part = images[start : start + self.chunk]
                padding = part.new_zeros(self.chunk - len(part), *part.shape[1:])
                looks.append(_rows(self.see(torch.cat([part, padding])), len(part)))
        return _join(looks)

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode, whatever the module around it does."""
        return super().train(False)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._look.forget()  # moved to another device
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]


class Seen(NamedTuple):
    """What a classifier says of B pictures."""

    features_BD: Tensor
    logits_BK: Tensor


class Classifier(Network[Seen]):
    """An extractor whose network also names classes, as the Inception score needs them."""

    num_classes: int

    def forward(self, images: Tensor) -> Tensor:
        return self.look(images).features_BD

    def logits(self, images: Tensor) -> Tensor:
        """Unnormalised log probabilities (B, num_classes), float32."""
        return self.look(images).logits_BK


class JudgeFeatures(Network[JudgeOutput]):
    """The judge as an extractor of content, and the one place through which every metric looks at pictures with it."""

    resize = RESIZE
    chunk = 64

    def __init__(self, judge: Judge | None = None) -> None:
        """Args: judge: default the shipped one. Raises: UserError: its weights are missing."""
        super().__init__()
        judge = Judge.load() if judge is None else judge
        self.name = judge.name
        # channels-last: a third more pictures a second on a CPU.
        self.judge = judge.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.num_features = self.judge.content.num_features
        self.weights_hash = hash_weights(self.judge)

    @property
    def vocabulary(self) -> Vocabulary:
        """The words the judge knows."""
        return self.judge.vocabulary

    @property
    def legible_tags(self) -> frozenset[str]:
        """The tags it can be asked about: on held-out faces it read them with an F1 of at least `LEGIBLE_F1`.

        A tag that no held-out face had is not among them; a judge that was never examined is trusted with all.
        """
        measured = self.judge.tag_f1
        return frozenset(tag for tag in self.vocabulary.tags if not measured or measured.get(tag, 0.0) >= LEGIBLE_F1)

    @property
    def alike(self) -> Extractor:
        return Likeness(self)

    def see(self, images: Tensor) -> JudgeOutput:
        return self.judge(images.contiguous(memory_format=torch.channels_last))

    def forward(self, images: Tensor) -> Tensor:
        return self.look(images).content_BF

    def protocol(self) -> dict[str, Any]:
        weights = {"directions": DIRECTION_WEIGHT, **CLASS_WEIGHTS, "others": OTHER_CLASS_WEIGHT, "flaws": FLAW_WEIGHT}
        return {**super().protocol(), "features": "content", "weights": weights}


class Likeness(Extractor):
    """The features that a judge reads its labels off, as an extractor: they forgive blur, noise and mirrors."""

    resize = RESIZE

    def __init__(self, judge: JudgeFeatures) -> None:
        super().__init__()
        self.judge = judge
        self.name, self.weights_hash = judge.name, judge.weights_hash
        self.num_features = judge.judge.num_features

    def forward(self, images: Tensor) -> Tensor:
        return self.judge.look(images).features_BD

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "features": "labels"}


def _rows(seen: Any, count: int) -> Any:
    """The first rows of every tensor in a tensor, a NamedTuple or a tuple."""
    if isinstance(seen, Tensor):
        return seen[:count]
    parts = [_rows(part, count) for part in seen]
    return type(seen)(*parts) if hasattr(seen, "_fields") else tuple(parts)


def _join(looks: Sequence[Any]) -> Any:
    """Joins what `_rows` has cut."""
    first = looks[0]
    if isinstance(first, Tensor):
        return torch.cat(list(looks))
    parts = [_join(fields) for fields in zip(*looks, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
