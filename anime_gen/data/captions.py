"""Captions as numbers: hashed words, so that no vocabulary has to be made, saved or grown (Weinberger et al. 2009)."""

from __future__ import annotations

import re
import zlib

import numpy as np

from anime_gen.contract import CAPTION_TOKENS, NUM_TOKENS
from anime_gen.vocabulary import canonical

# Words, numbers and smileys; underscores part words, as spaces do.
_WORD = re.compile(r"[^\W_]+|:[a-z]\b", re.IGNORECASE)


def caption_tokens(caption: str | None) -> np.ndarray:
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
