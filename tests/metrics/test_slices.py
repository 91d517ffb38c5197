"""Scores of each class apart are the scores of its pictures alone."""

import json

import pytest
import torch

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.control import AttributeAccuracy, FaceRate
from anime_gen.metrics.copies import NearestTraining
from anime_gen.metrics.distribution import FrechetDistance
from anime_gen.metrics.paired import PSNR
from anime_gen.metrics.protocol import Role, measure
from anime_gen.metrics.slices import Sliced


def labels(count, seed):
    """hair, gender; every fifth picture is of nobody knows which gender, every third of the others is male."""
    stream = torch.Generator().manual_seed(seed)
    gender = (torch.arange(count) % 3 == 0).long()
    gender[::5] = -1
    return Condition(attributes_BA=torch.stack([torch.randint(3, (count,), generator=stream), gender], 1))


@pytest.fixture
def make(judge, vocabulary):
    def scores():
        parts = [FrechetDistance(judge), NearestTraining(judge), FaceRate(judge), AttributeAccuracy(judge, vocabulary)]
        return [*parts, PSNR()]

    return scores


def test_each_class_is_scored_alone(make, judge, vocabulary, pictures):
    sliced = Sliced(make, vocabulary, "gender", judge, at_least=10)
    training, real, fake = (pictures(60, seed=seed) for seed in (1, 2, 3))
    asked = labels(60, 4)
    sliced.update(training, Role.TRAINING)
    for rows in (slice(0, 25), slice(25, 60)):
        sliced.update(real[rows], Role.HELD_OUT, asked.rows(rows))
        sliced.update(fake[rows], Role.SAMPLE, asked.rows(rows), real[rows])
    told = sliced.compute()
    assert set(told) == set(sliced.names)
    for index, name in enumerate(("female", "male")):
        mine = asked.attributes_BA[:, 1] == index
        assert 10 <= mine.sum() < 40
        for score in make():
            score.update(training, Role.TRAINING)
            score.update(real[mine], Role.HELD_OUT, asked.rows(mine))
            score.update(fake[mine], Role.SAMPLE, asked.rows(mine), real[mine])
            for part, value in score.compute().items():
                whole = f"{part}@gender={name}"
                assert told[whole].item() == pytest.approx(value.item(), rel=1e-6), whole
                assert sliced.better[whole] == score.better[part]
                protocol = sliced.protocol_of(whole)
                assert measure(score.protocol_of(part)).items() <= protocol.items()
                assert protocol["samples_by"] == "asked"
                json.dumps(protocol)
    assert told["fd_judge@gender=female"] != told["fd_judge@gender=male"]
    assert sliced.protocol()["observed"]["smallest_slice"] == {"num_real": 16, "num_fake": 16}
    assert sliced.protocol()["observed"]["slices"]["real"] == {"female": 32, "male": 16}


def test_small_classes_have_no_value(make, judge, vocabulary, pictures):
    sliced = Sliced(make, vocabulary, "gender", judge, at_least=20)
    for role in Role:
        sliced.update(pictures(60, seed=1), role, labels(60, 4))
    assert {name.split("@")[1] for name in sliced.compute()} == {"gender=female"}
    sliced.reset()  # real pictures stay
    assert sliced.compute() == {}
    assert sliced.protocol()["observed"]["smallest_slice"] == {"num_real": 16, "num_fake": 0}
    sliced.update(pictures(60, seed=1), Role.SAMPLE, labels(60, 4))
    assert sliced.compute()["fd_judge@gender=female"].item() == pytest.approx(0, abs=1e-6)
    sliced.reset_all()
    assert sliced.compute() == {}
    assert sliced.protocol()["observed"]["smallest_slice"] == {"num_real": 0, "num_fake": 0}


def test_samples_of_the_unasked_are_sliced_by_what_the_judge_sees(judge, vocabulary, pictures):
    real, fake = pictures(60, seed=2), pictures(60, seed=3)
    sliced = Sliced(lambda: [FrechetDistance(judge)], vocabulary, "hair", judge, at_least=2)
    sliced.update(real, Role.HELD_OUT, labels(60, 4))
    sliced.update(fake, Role.SAMPLE)
    seen = judge.look(fake).attribute_logits[0].argmax(1)
    told = sliced.compute()
    assert sliced.protocol()["samples_by"] == "judge"
    counts = sliced.protocol()["observed"]["slices"]["samples"]
    assert list(counts.values()) == torch.bincount(seen, minlength=3).tolist()
    assert told
    for name, value in told.items():
        index = vocabulary.attributes["hair"].index(name.split("=")[1])
        score = FrechetDistance(judge)
        score.update(real[labels(60, 4).attributes_BA[:, 0] == index], Role.HELD_OUT)
        score.update(fake[seen == index], Role.SAMPLE)
        assert value.item() == pytest.approx(score.compute()["fd_judge"].item(), rel=1e-6)


def test_a_group_that_the_data_has_not_is_refused(make, judge, vocabulary):
    with pytest.raises(UserError, match="'age': the data's attribute groups are hair, gender"):
        Sliced(make, vocabulary, "age", judge)


def test_a_tag_is_a_group_of_two_classes(judge, vocabulary, pictures):
    """Rows that are not told have none."""
    tag = vocabulary.tags[1]
    tags = torch.zeros(40, len(vocabulary.tags))
    tags[:25, 1] = 1
    tags[20:30, 1] = torch.nan
    made = pictures(40, seed=1)
    sliced = Sliced(lambda: [FaceRate(judge)], vocabulary, tag, judge, at_least=5)
    for role in (Role.HELD_OUT, Role.SAMPLE):
        sliced.update(made, role, Condition(tags_BT=tags))
    told = sliced.compute()
    assert sliced.protocol()["observed"]["slices"]["samples"] == {"no": 10, "yes": 20}
    alone = FaceRate(judge)
    alone.update(made[:20], Role.SAMPLE)
    assert told[f"faces@{tag}=yes"].item() == pytest.approx(alone.compute()["faces"].item())
