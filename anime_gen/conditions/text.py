"""Captions: as numbers, one a word (hashed, so that no vocabulary has to be made, saved or grown; Weinberger et al.
2009), and as the features of a trained text tower, where the data has one.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from anime_gen.conditions.kind import Array, Asking, Column, Facts, Field, Kind, Option, Words
from anime_gen.vocabulary import Vocabulary, canonical

# A caption as numbers in [0, NUM_TOKENS), 0 for nothing, CAPTION_TOKENS of them.
NUM_TOKENS, CAPTION_TOKENS = 4096, 64

CAPTION = Column("caption", lambda facts: (CAPTION_TOKENS,), "<u2")
# The features of each row's caption and of its mirror image's, which `anime_gen.data.text` keeps.
FEATURES = Column("text", lambda facts: (2, facts.text_width), "<f4", in_pack=False)

# Words, numbers and smileys; underscores part words, as spaces do.
_WORD = re.compile(r"[^\W_]+|:[a-z]\b", re.IGNORECASE)


def caption_tokens(caption: str | None) -> Array:
    """(64,) uint16 in [0, 4096): one number a word, 0 after the last. Words after the 64th are lost.

    Tags in a caption are spelled as the suite spells them ("twintails" and "twin_tails" are the same two words).
    """
    words = [word for part in (caption or "").split(",") for word in _WORD.findall(canonical(part))]
    tokens = np.zeros(CAPTION_TOKENS, np.uint16)
    # crc32 is the same on every machine, unlike Python's own hash.
    numbers = [1 + zlib.crc32(word.encode()) % (NUM_TOKENS - 1) for word in words[:CAPTION_TOKENS]]
    tokens[: len(numbers)] = numbers
    return tokens


# mirrored_tokens = TOKEN_MIRROR[tokens]: "left" and "right" change places.
TOKEN_MIRROR = np.arange(NUM_TOKENS, dtype=np.uint16)
TOKEN_MIRROR[[caption_tokens("left")[0], caption_tokens("right")[0]]] = (
    caption_tokens("right")[0],
    caption_tokens("left")[0],
)


class Tokens(Field):
    """int64 (B, L): the caption's words as numbers, 0 after the last."""

    name = "caption_BL"
    dtype = torch.int64
    not_given = 0
    columns = (CAPTION,)

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (CAPTION_TOKENS,)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        tokens = rows["caption"]
        if mirrored is not None:
            tokens[mirrored] = TOKEN_MIRROR[tokens[mirrored]]
        return torch.from_numpy(tokens.astype(np.int64))

    def example(self, count: int, facts: Facts) -> Tensor:
        return torch.randint(1, NUM_TOKENS, (count, CAPTION_TOKENS))


class Features(Field):
    """float32 (B, D): the caption's features by a trained text tower, NaN not given."""

    name = "text_BD"
    columns = (FEATURES,)

    def shape(self, facts: Facts) -> tuple[int, ...]:
        return (facts.text_width,)

    def load(self, rows: Mapping[str, Array], mirrored: Array | None, vocabulary: Vocabulary) -> Tensor:
        features = rows["text"]
        side = np.zeros(len(features), np.int64) if mirrored is None else mirrored.astype(np.int64)
        return torch.from_numpy(features[np.arange(len(features)), side])


def asked(words: Words, asking: Asking) -> dict[str, Tensor]:
    """A caption as tokens and, where there is a tower, as its features."""
    tokens = torch.from_numpy(caption_tokens(words.text).astype(np.int64))[None]
    return {Tokens.name: tokens, **({Features.name: asking.read(words.text)} if asking.read else {})}


class Text(Kind):
    name = "text"
    plural = "captions"
    place = 2
    fields = (Tokens(), Features())
    options = (
        Option(
            "caption",
            'free text, such as "1girl, silver hair, smile"',
            Words,
            frozenset({Tokens.name, Features.name}),
            asked,
        ),
    )
