"""What distances between sets see, weighed after the judge has learnt its labels."""

import pytest
import torch

from anime_gen.judging.content import bent, paint_flawed, weigh
from anime_gen.metrics.copies import NearestTraining
from anime_gen.metrics.distribution import PRDC, FrechetDistance, KernelDistance
from anime_gen.metrics.diversity import Collapse, ConditionDiversity
from anime_gen.metrics.features import JudgeFeatures, Likeness
from anime_gen.metrics.judge import DIRECTION_WEIGHT, FLAW_WEIGHT, FLAWS, Judge, hash_weights
from anime_gen.painter import VOCABULARY


@pytest.fixture(scope="module")
def flaws():
    return paint_flawed(777_005, 60, (32, 64))


@pytest.fixture(scope="module")
def judge(flaws) -> Judge:
    """The shipped one, weighed anew by a few faces."""
    network = Judge.load()
    weigh(network, flaws[0].plain, flaws)
    return network


def blocks(judge, images):
    """(directions, classes, flaws)."""
    content = judge(images).content_BF
    assert content.shape == (len(images), judge.content.num_features)
    classes = sum(VOCABULARY.attribute_sizes)
    return content.split([content.shape[1] - classes - len(FLAWS), classes, len(FLAWS)], 1)


def test_the_flawed_are_the_same_faces_at_every_size(flaws):
    assert len(flaws) == len(FLAWS)
    for plain, one in flaws:
        assert one.shape == plain.shape == (120, 3, 64, 64)
        changed = (one.float() - plain.float()).abs().flatten(1).mean(1)
        assert (changed > 0.1).all()
        assert (changed < 40).all()
    small, large = flaws[0].plain[:60].float(), flaws[0].plain[60:].float()
    assert (small - large).abs().mean() > 10, "other faces at another size"
    again = bent(flaws[0].plain[60:])
    assert torch.equal(again.plain, flaws[0].plain[60:])
    torch.testing.assert_close(again.flawed.float(), flaws[2].flawed[60:].float(), atol=1, rtol=0)


def test_what_it_was_weighed_on_has_its_units(judge, flaws):
    directions, classes, of_flaws = blocks(judge, flaws[0].plain)
    for part, unit in ((directions, DIRECTION_WEIGHT), (of_flaws, FLAW_WEIGHT)):
        part = part[:, part.std(0) > 0] / unit
        assert part.mean(0).abs().max() < 1e-2
        torch.testing.assert_close(torch.cov(part.T), torch.eye(part.shape[1]), atol=2e-2, rtol=0)
    assert (directions.std(0) > 0).sum() == len(flaws[0].plain) // 8, "a direction of few pictures is chance"
    assert (of_flaws.std(0) > 0).all()
    of_group = classes.split(VOCABULARY.attribute_sizes, 1)
    weights = dict(zip(VOCABULARY.attributes, [one.sum(1) for one in of_group], strict=True))
    assert all(weight_B.std() < 1e-5 for weight_B in weights.values())
    assert {name: round(float(weight_B[0]), 4) for name, weight_B in weights.items()} == {
        "hair": 2.5, "eye": 1.0, "gender": 1.0, "style": 1.0
    }  # fmt: skip


def test_flaws_move_what_they_were_told_apart_by(judge, flaws):
    _, _, plain = blocks(judge, flaws[0].plain)
    for _, one in flaws:
        _, _, found = blocks(judge, one)
        # Of 120 faces a mean is off by a tenth of their deviation.
        assert (found.mean(0) - plain.mean(0)).norm() > 5 * 120**-0.5


def test_weighing_is_in_the_file_and_in_the_hash(judge, flaws, tmp_path):
    judge.save(tmp_path / "judge.safetensors")
    again = Judge.load(tmp_path / "judge.safetensors")
    torch.testing.assert_close(again(flaws[0].plain).content_BF, judge(flaws[0].plain).content_BF, atol=0.05, rtol=0.01)
    before = hash_weights(again)
    weigh(again, flaws[0].plain[:60], flaws)
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


def test_both_look_once(judge, flaws):
    features, runs = JudgeFeatures(judge), []
    hook = judge.content.register_forward_hook(lambda *_: runs.append(1))
    content, labels = features(flaws[0].plain[:64]), Likeness(features)(flaws[0].plain[:64])
    hook.remove()
    assert len(runs) == 1
    assert torch.equal(labels, features.look(flaws[0].plain[:64]).features_BD)
    assert not content.isnan().any()
