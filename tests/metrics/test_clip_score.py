"""The CLIP score of features that can be worked out by hand."""

import pytest
import torch

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.clip_score import ClipScore
from anime_gen.metrics.protocol import Role


def test_is_the_mean_cosine_of_pairs_that_have_a_caption(first_bytes):
    score = ClipScore(first_bytes)
    images = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    images[:, 0, 0] = torch.tensor([[3, 4], [1, 0], [1, 0], [9, 9]], dtype=torch.uint8)
    text = torch.tensor([[6.0, 8.0], [5.0, 5.0], [-1.0, 0.0], [torch.nan, torch.nan]])
    score.update(images[:2], Role.SAMPLE, Condition(text_BD=text[:2]))
    score.update(images[2:], Role.SAMPLE, Condition(text_BD=text[2:]))
    score.update(images[3:], Role.SAMPLE, Condition(text_BD=text[3:]))
    score.update(images, Role.TRAINING, Condition(text_BD=text))
    score.update(images[:1], Role.HELD_OUT, Condition(text_BD=text[:1]))
    # Cosines 1, 1 / sqrt 2 and -1, which counts as 0; the last has no caption.
    wanted = {"bytes_score": 100 * (1 + 0.5**0.5) / 3, "bytes_score_real": 100}
    assert {name: value.item() for name, value in score.compute().items()} == pytest.approx(wanted, rel=1e-7)
    assert (score.protocol()["num_real"], score.protocol()["num_fake"]) == (1, 3)
    score.reset()
    assert list(score.compute()) == ["bytes_score_real"]  # real pictures stay


def test_other_towers_features_are_refused(first_bytes):
    images = torch.zeros(2, 3, 2, 2, dtype=torch.uint8)
    with pytest.raises(UserError, match=r"captions' features are \(2, 3\), pictures' \(2, 2\)"):
        ClipScore(first_bytes).update(images, Role.SAMPLE, Condition(text_BD=torch.zeros(2, 3)))


def test_nobody_asked(first_bytes):
    score = ClipScore(first_bytes)
    score.update(torch.zeros(2, 3, 2, 2, dtype=torch.uint8), Role.SAMPLE, Condition())
    assert score.compute() == {}
