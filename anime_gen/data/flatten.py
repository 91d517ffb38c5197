"""Frequent words hidden at random, so that all are shown about equally often: S1's "normalised frequency"."""

from __future__ import annotations

import numpy as np
import torch

from anime_gen.conditions import Condition
from anime_gen.conditions.text import CAPTION_TOKENS, NUM_TOKENS
from anime_gen.contract import mix
from anime_gen.data.pictures import Pictures


def keep_chances(counts: np.ndarray) -> np.ndarray:
    """How often to show each word: the median word's count over its own, at most 1.

    The median, because the rarest word would leave hardly anything of the others.

    Args:
        counts: (T,) pictures that have each word; words that none has are never hidden.
    """
    seen = counts[counts > 0]
    target = np.median(seen) if len(seen) else 0.0
    return np.where(counts > target, target / np.maximum(counts, 1), 1.0)


class Flattening:
    """Hides tags (present or absent alike, so that a hidden one tells nothing) and words of captions.

    What is hidden is a function of (seed, position): see `anime_gen.data.sampler`.

    Args:
        pictures: the training split, whose words are counted.
        seed: of the decisions.
    """

    def __init__(self, pictures: Pictures, seed: int) -> None:
        self.seed = seed
        self._tags = self._words = np.ones(0)
        if "tags_BT" in pictures.parts:
            self._tags = keep_chances((pictures.column("tags") == 1).sum(0))
        if "caption_BL" in pictures.parts:
            counts = np.zeros(NUM_TOKENS)
            for tokens in pictures.column("caption"):
                counts[np.unique(tokens[tokens > 0])] += 1
            self._words = keep_chances(counts)

    def __call__(self, positions: np.ndarray, condition: Condition) -> Condition:
        """The condition of the pictures shown at some positions, with words hidden: NaN for tags, 0 in captions."""
        width = len(self._tags) + CAPTION_TOKENS
        draws = np.stack(
            [np.random.default_rng(mix(self.seed, place, 2)).random(width) for place in positions.tolist()]
        )
        tags, caption = condition.tags_BT, condition.caption_BL
        if tags is not None:
            hidden = torch.from_numpy(draws[:, : len(self._tags)] >= self._tags)
            condition = condition.replace(tags_BT=tags.masked_fill(hidden, torch.nan))
            if (sure_BT := condition.tag_confidence_BT) is not None:
                condition = condition.replace(tag_confidence_BT=sure_BT.masked_fill(hidden, 0.0))
        if caption is not None:
            hidden = torch.from_numpy(draws[:, len(self._tags) :] >= self._words[caption.numpy()])
            condition = condition.replace(caption_BL=caption.masked_fill(hidden, 0))
        return condition
