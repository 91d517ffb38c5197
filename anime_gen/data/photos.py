"""The other domain of a translation: people photographed, whose painted twins are known where nothing is learned."""

from __future__ import annotations

import numpy as np

from anime_gen import painter
from anime_gen.contract import mix
from anime_gen.data.painted import Painted, PaintedFaces
from anime_gen.data.source import FIELDS, Source, Split
from anime_gen.painter import natural
from anime_gen.vocabulary import Vocabulary

_STRANGERS = 0x57A6  # with the seed: the people of the training photos


class PaintedPhotos(Painted[natural.Person]):
    """Photo-like pictures of people, with groups and landmarks known exactly.

    In validation and test, row r shows the very person of row r of `PaintedFaces` with the same seed, statistics and
    framing: a paired truth, for scores alone. The photos to train on are of other people than any face of that seed, so
    what learns from both domains never sees a pair.

    Args:
        people: how many over all splits.
        seed: in [0, 2**64); another seed makes other people. The judge's own two are refused, as for faces.
        long_tailed: hair colours are as unevenly frequent as on image boards; otherwise uniform.
        correlated: attributes depend on each other; otherwise independent.
        left_leaning: heads lean to the left on average; otherwise to both sides alike.
        framing: how much a photo shows, as for faces.

    Raises:
        UserError: too few people, or a seed that cannot be or is the judge's.
    """

    place, counted, one = "data.other_domain", "people", "person"

    def __init__(
        self,
        people: int = 20000,
        seed: int = 0,
        long_tailed: bool = True,
        correlated: bool = True,
        left_leaning: bool = True,
        framing: painter.FramingName = "crops",
    ) -> None:
        super().__init__(people, seed, long_tailed, correlated, left_leaning, framing)

    @property
    def vocabulary(self) -> Vocabulary:
        return natural.VOCABULARY

    @property
    def parts(self) -> frozenset[str]:
        # A photo has no line art.
        return FIELDS - {"sketch_B1HW"}

    def describe(self) -> dict[str, object]:
        return {**super().describe(), "natural": natural.VERSION}

    def is_twin_of(self, other: Source) -> bool:
        same = (self.seed, self.statistics, self.framing)
        return isinstance(other, PaintedFaces) and same == (other.seed, other.statistics, other.framing)

    def subject(self, split: Split, index: int) -> natural.Person:
        seed = mix(self.seed, _STRANGERS) if split == "train" else self.seed
        return natural.sample_person(seed, index, self.statistics, self.framing)

    def render(self, subject: natural.Person, size: int) -> np.ndarray:
        return natural.render_person(subject, size)

    def labels(self, subject: natural.Person) -> painter.Labels:
        return natural.label_person(subject)
