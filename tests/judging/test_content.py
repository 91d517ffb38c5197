"""What distances between sets see, weighed after the judge has learnt its labels."""

import pytest
import torch

from anime_gen.judging.content import Flawed, paint_flawed, weigh
from anime_gen.metrics.copies import NearestTraining
from anime_gen.metrics.distribution import PRDC, FrechetDistance, KernelDistance
from anime_gen.metrics.diversity import Collapse, ConditionDiversity
from anime_gen.metrics.features import JudgeFeatures, Likeness
from anime_gen.metrics.judge import CLASS_WEIGHT, DIRECTION_WEIGHT, FLAW_WEIGHT, FLAWS, Judge, hash_weights
from anime_gen.painter import VOCABULARY


@pytest.fixture(scope="module")
def flawed() -> Flawed:
    return paint_flawed(777_005, 60, (32, 64))


@pytest.fixture(scope="module")
def judge(flawed) -> Judge:
    """The shipped one, weighed anew by a few faces."""
    network = Judge.load()
    weigh(network, flawed.plain, flawed)
    return network


def blocks(judge, images):
    """(directions, classes, flaws)."""
    content = judge(images).content_BF
    assert content.shape == (len(images), judge.content.num_features)
    classes = sum(VOCABULARY.attribute_sizes)
    return content.split([content.shape[1] - classes - len(FLAWS), classes, len(FLAWS)], 1)


def test_the_flawed_are_the_same_faces_at_every_size(flawed):
    assert flawed.plain.shape == (120, 3, 64, 64)
    assert len(flawed.flawed) == len(FLAWS)
    for one in flawed.flawed:
        changed = (one.float() - flawed.plain.float()).abs().flatten(1).mean(1)
        assert (changed > 0.1).all()
        assert (changed < 40).all()
    small, large = flawed.plain[:60].float(), flawed.plain[60:].float()
    assert (small - large).abs().mean() > 10, "other faces at another size"


def test_what_it_was_weighed_on_has_its_units(judge, flawed):
    directions, classes, flaws = blocks(judge, flawed.plain)
    for part, unit in ((directions, DIRECTION_WEIGHT), (flaws, FLAW_WEIGHT)):
        part = part[:, part.std(0) > 0] / unit
        assert part.mean(0).abs().max() < 1e-2
        torch.testing.assert_close(torch.cov(part.T), torch.eye(part.shape[1]), atol=2e-2, rtol=0)
    assert (directions.std(0) > 0).sum() > 100
    assert (flaws.std(0) > 0).all()
    of_group = classes.split(VOCABULARY.attribute_sizes, 1)
    assert all(torch.allclose(one.sum(1), torch.tensor(CLASS_WEIGHT)) for one in of_group)


def test_flaws_move_what_they_were_told_apart_by(judge, flawed):
    _, _, plain = blocks(judge, flawed.plain)
    for one in flawed.flawed:
        _, _, found = blocks(judge, one)
        # Of 120 faces a mean is off by a tenth of their deviation.
        assert (found.mean(0) - plain.mean(0)).norm() > 5 * 120**-0.5


def test_weighing_is_in_the_file_and_in_the_hash(judge, flawed, tmp_path):
    judge.save(tmp_path / "judge.safetensors")
    again = Judge.load(tmp_path / "judge.safetensors")
    torch.testing.assert_close(again(flawed.plain).content_BF, judge(flawed.plain).content_BF, atol=0.05, rtol=0.01)
    before = hash_weights(again)
    weigh(again, flawed.plain[:60], flawed)
    assert hash_weights(again) != before


def test_distances_take_the_content_and_what_compares_two_pictures_the_labels_features(judge):
    features = JudgeFeatures(judge)
    for score in (FrechetDistance(features), KernelDistance(features), PRDC(features)):
        assert score.protocol()["features"] == "content"
        assert score.extractor.num_features == judge.content.num_features
    for score in (Collapse(features), NearestTraining(features), ConditionDiversity(features)):
        assert score.protocol()["features"] == "labels"
        assert score.extractor.num_features == judge.num_features
        assert all("judge" in name for name in getattr(score, "names", [score.name] if hasattr(score, "name") else []))


def test_both_look_once(judge, flawed):
    features, runs = JudgeFeatures(judge), []
    hook = judge.content.register_forward_hook(lambda *_: runs.append(1))
    content, labels = features(flawed.plain[:64]), Likeness(features)(flawed.plain[:64])
    hook.remove()
    assert len(runs) == 1
    assert torch.equal(labels, features.look(flawed.plain[:64]).features_BD)
    assert not content.isnan().any()
