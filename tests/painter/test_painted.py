"""Painted faces as a source: what it refuses, and what it passes on."""

from __future__ import annotations

import numpy as np
import pytest

from anime_gen import painter
from anime_gen.contract import UserError
from anime_gen.data.painted import PaintedFaces


@pytest.mark.parametrize("seed", [-1, 2**64, *painter.JUDGE_SEEDS])
def test_seeds_that_cannot_be_or_are_the_judges_are_refused(seed: int) -> None:
    with pytest.raises(UserError, match=rf"data\.source\.seed is {seed}:"):
        PaintedFaces(seed=seed)


def test_the_largest_seed_paints() -> None:
    filled = PaintedFaces(faces=20, seed=2**64 - 1).fill("train", range(1), frozenset({"image"}), 16)
    assert filled.columns["image"].shape == (1, 16, 16, 3)


def test_closed_eyes_have_no_colour() -> None:
    """Tag, class and caption agree, and other classes are always given."""
    source = PaintedFaces(faces=400, seed=3)
    columns = source.fill("train", range(source.count("train")), frozenset({"tags", "attributes"}), 32).columns
    eye = list(source.vocabulary.attributes).index("eye")
    words = [f"{name} eyes" for name in source.vocabulary.attributes["eye"]]
    tags = columns["tags"][:, [source.vocabulary.tags.index(word) for word in words]]
    classes = columns["attributes"]
    assert (tags.sum(1) == (classes[:, eye] >= 0)).all()
    assert (tags.argmax(1) == classes[:, eye])[classes[:, eye] >= 0].all()
    assert 0.02 < (classes[:, eye] < 0).mean() < 0.12
    assert (np.delete(classes, eye, 1) >= 0).all()
    captions = source.captions("train")
    assert [any(word in (caption or "") for word in words) for caption in captions] == (classes[:, eye] >= 0).tolist()
