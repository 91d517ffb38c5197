"""S2's two measures of copies, in pixels."""

import math

import pytest
import torch

from anime_gen.metrics.copies import NearestPixels, NearestTraining, nearest_pixels, shared_information
from anime_gen.metrics.protocol import Role


def test_shared_information_by_hand():
    a = torch.tensor([[0, 0, 1, 1]])
    for b, wanted in (
        ([0, 0, 1, 1], 1.0),
        ([3, 3, 2, 2], 1.0),  # recoloured
        ([0, 1, 0, 1], 0.0),  # says nothing of a
        ([0, 0, 0, 0], 0.0),
        # H(a) = ln 2, H(b) = H(1/4), H(both) = 3/2 ln 2
        ([0, 0, 0, 1], None),
    ):
        if wanted is None:
            entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
            wanted = 2 * (math.log(2) + entropy - 1.5 * math.log(2)) / (math.log(2) + entropy)
        assert shared_information(a, torch.tensor([b]), 4).item() == pytest.approx(wanted, abs=1e-12)
    flat = torch.zeros(1, 4, dtype=torch.int64)
    assert shared_information(flat, flat, 4).item() == 0
    both = shared_information(torch.cat([a, flat]), torch.cat([a, a]), 4)  # rows do not mix
    assert both.tolist() == [1.0, 0.0]


def test_the_nearest_is_that_of_a_full_search(pictures, monkeypatch):
    training, wanted_of = pictures(150, seed=1).flatten(1), pictures(30, seed=2).flatten(1)
    wanted = (wanted_of[:, None].double() - training.double()).square().mean(2).amin(1)
    whole = nearest_pixels(wanted_of, training)
    torch.testing.assert_close(whole.error_N, wanted, rtol=1e-12, atol=0)
    monkeypatch.setattr("anime_gen.metrics.copies._ROWS", 17)
    parts = nearest_pixels(wanted_of, training)
    assert torch.equal(parts.error_N, whole.error_N)
    assert torch.equal(parts.information_N, whole.information_N)


def values(score):
    return {name: value.item() for name, value in score.compute().items()}


@pytest.mark.parametrize("size", [32, 64])
def test_finds_copies_and_pale_copies_and_no_others(pictures, size):
    score = NearestPixels()
    training = pictures(400, seed=1, size=size)
    for part in training.split(150):
        score.update(part, Role.TRAINING)
    held_out = pictures(300, seed=2, size=size)
    held_out[:3] = training[:3]
    score.update(held_out, Role.HELD_OUT)
    assert score.compute() == {}

    score.update(pictures(300, seed=3, size=size), Role.SAMPLE)
    fresh = values(score)
    assert fresh["nearest_ratio_mse"] == pytest.approx(1, abs=0.05)
    assert max(fresh["copies_mse"], fresh["copies_entropy"]) < 0.05
    assert score.protocol()["observed"] == {"num_held_out_in_training": 3}
    assert score.protocol()["num_training"] == 400

    score.reset()
    score.update(training[:50], Role.SAMPLE)
    assert values(score) == {"nearest_ratio_mse": 0, "copies_mse": 1, "copies_entropy": 1}

    score.reset()
    score.update((training[:50] * 0.9 + 12).to(torch.uint8), Role.SAMPLE)
    pale = values(score)
    assert 0.02 < pale["nearest_ratio_mse"] < 0.9
    assert pale["copies_mse"] == pale["copies_entropy"] == 1


@pytest.mark.parametrize("make", [lambda judge: NearestPixels(), NearestTraining], ids=["pixels", "features"])
def test_what_held_out_pictures_find_is_kept_no_longer_than_they_are(judge, pictures, make):
    """The second scoring does not search for them again; other real pictures do."""

    def scored(training, *held_out, score=None):
        score = make(judge) if score is None else score
        score.update(pictures(40, seed=training), Role.TRAINING)
        for seed in held_out:
            score.update(pictures(40, seed=seed), Role.HELD_OUT)
        score.update(pictures(40, seed=9), Role.SAMPLE)
        return score, values(score)

    score, first = scored(1, 2)
    score.reset()
    score.update(pictures(40, seed=9), Role.SAMPLE)
    assert values(score) == first
    score.update(pictures(40, seed=3), Role.HELD_OUT)
    assert values(score) == scored(1, 2, 3)[1]
    score.reset_all()
    assert scored(4, 5, score=score)[1] == scored(4, 5)[1]
