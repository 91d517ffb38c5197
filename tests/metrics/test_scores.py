import copy
import itertools
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.copies import NearestTraining
from anime_gen.metrics.distribution import FrechetDistance, KernelDistance
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.protocol import Role
from anime_gen.metrics.scores import Scores, judge_scores

# Samples in each round of the two-process test: after 17 the second rank has none.
ROUNDS = (30, 17, 25)


class Pixels(Extractor):
    """Features that can be worked out by hand: the first four bytes of a picture."""

    name = "pixels"
    num_features = 4
    resize = "none"
    weights_hash = "none"

    def forward(self, images):
        return images.flatten(1)[:, :4].float()


class Together(nn.Module):
    """Both distances, as a user would hold them outside of the suite."""

    def __init__(self, extractor):
        super().__init__()
        self.frechet = FrechetDistance(extractor)
        self.kernel = KernelDistance(extractor)

    def update(self, images, role):
        self.frechet.update(images, role)
        self.kernel.update(images, role)

    def compute(self):
        return {name: value.item() for name, value in (self.frechet.compute() | self.kernel.compute()).items()}


def ask(count, seed=0):
    """A condition in which some things are not asked."""
    stream = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(count, *shape, generator=stream)

    tags = uniform(3).round()
    tags[uniform(3) < 0.3] = torch.nan
    attributes = torch.stack([(uniform() * 4).long() - 1, (uniform() * 3).long() - 1], 1)
    landmarks = uniform(24, 2)
    landmarks[uniform(24) < 0.1] = torch.nan
    return Condition(tags_BT=tags, attributes_BA=attributes, landmarks_BK2=landmarks, visible_BK=uniform(24) < 0.8)


def show(scores, part, pictures):
    scores.update(pictures(30, seed=1)[part], Role.TRAINING)
    scores.update(pictures(30, seed=2)[part], Role.HELD_OUT)
    scores.update(pictures(30, seed=3)[part], Role.SAMPLE, ask(30).rows(part))


@settings(max_examples=15)
@given(st.randoms(use_true_random=False), st.lists(st.integers(1, 19), unique=True, max_size=6))
def test_neither_order_nor_batches_matter(random, cuts):
    stream = torch.Generator().manual_seed(random.randrange(2**32))
    real, fake = torch.randint(256, (2, 20, 1, 2, 2), generator=stream, dtype=torch.uint8)
    once, parts = Together(Pixels()), Together(Pixels())
    once.update(real, Role.HELD_OUT)
    once.update(fake, Role.SAMPLE)
    updates = []
    for side, images in ((Role.HELD_OUT, real), (Role.SAMPLE, fake)):
        images = images[torch.randperm(20, generator=stream)]
        updates += [(images[a:b], side) for a, b in itertools.pairwise([0, *sorted(cuts), 20])]
    random.shuffle(updates)
    for images, side in updates:
        parts.update(images, side)
    wanted = once.compute()
    assert parts.compute() == pytest.approx(wanted, rel=1e-9)
    assert set(wanted) == {"fd_pixels", "kd_pixels"}


def test_frechet_is_that_of_the_sample_statistics():
    real, fake = torch.randint(256, (2, 50, 1, 2, 2), dtype=torch.uint8)
    score = FrechetDistance(Pixels())
    score.update(real, Role.HELD_OUT)
    score.update(fake, Role.SAMPLE)
    a, b = real.flatten(1).double().T, fake.flatten(1).double().T
    cross = torch.linalg.eigvals(torch.cov(a) @ torch.cov(b)).real.sqrt().sum()
    wanted = (a.mean(1) - b.mean(1)).square().sum() + torch.cov(a).trace() + torch.cov(b).trace() - 2 * cross
    assert score.compute()["fd_pixels"].item() == pytest.approx(wanted.item(), rel=1e-9)
    assert score.protocol()["num_real"] == score.protocol()["num_fake"] == 50


def test_too_few_pictures_are_the_users():
    for score in (FrechetDistance(Pixels()), KernelDistance(Pixels())):
        score.update(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), Role.HELD_OUT)
        score.update(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), Role.SAMPLE)
        with pytest.raises(UserError, match="3 and 1"):
            score.compute()


def test_copies_are_found_and_new_pictures_are_not():
    stream = torch.Generator().manual_seed(0)

    def fresh(count):
        return torch.randint(256, (count, 1, 2, 2), generator=stream, dtype=torch.uint8)

    training = fresh(400)
    score = NearestTraining(Pixels())
    score.update(training, Role.TRAINING)
    score.update(fresh(400), Role.HELD_OUT)
    assert score.compute() == {}  # no samples yet

    score.update(fresh(400), Role.SAMPLE)
    assert score.compute()["nearest_ratio_pixels"].item() == pytest.approx(1, abs=0.1)
    assert score.compute()["copies_pixels"].item() < 0.05

    score.reset()  # training and held-out pictures stay
    score.update(training[:50], Role.SAMPLE)
    assert score.compute()["nearest_ratio_pixels"].item() == pytest.approx(0, abs=1e-6)
    assert score.compute()["copies_pixels"].item() == 1

    score.update(fresh(50), Role.SAMPLE)
    assert 0.45 < score.compute()["copies_pixels"].item() < 0.6


def test_copies_are_found_beside_held_out_pictures_that_are_in_the_training_set():
    stream = torch.Generator().manual_seed(0)
    training, held_out = torch.randint(256, (2, 400, 1, 2, 2), generator=stream, dtype=torch.uint8)
    held_out[::50] = training[:8]
    score = NearestTraining(Pixels())
    score.update(training, Role.TRAINING)
    score.update(held_out, Role.HELD_OUT)
    score.update(training[100:200], Role.SAMPLE)
    assert score.compute()["copies_pixels"].item() == 1
    assert score.compute()["nearest_ratio_pixels"].item() == pytest.approx(0, abs=1e-6)
    assert score.protocol()["observed"]["num_held_out_in_training"] == 8

    score.reset_all()
    for role in Role:
        score.update(training, role)
    assert score.compute() == {}  # nothing unseen to compare with
    assert score.protocol()["observed"]["num_held_out_in_training"] == 400


def test_the_list_looks_once_and_always_names_the_same(judge, vocabulary, pictures):
    runs = []
    judge.judge.register_forward_hook(lambda *_: runs.append(1))
    scores = Scores(judge_scores(vocabulary, judge))
    show(scores, slice(None), pictures)
    assert len(runs) == 3
    told = scores.compute()
    assert [score.name for score in told] == [
        "fd_judge",
        "kd_judge",
        "precision_judge",
        "recall_judge",
        "density_judge",
        "coverage_judge",
        "collapse_judge",
        "nearest_ratio_judge",
        "copies_judge",
        "nearest_ratio_mse",
        "copies_mse",
        "copies_entropy",
        "faces",
        "faces_real",
        "tag_f1",
        "tag_accuracy",
        "tag_f1_real",
        "tag_accuracy_real",
        "accuracy_hair",
        "accuracy_gender",
        "accuracy_hair_real",
        "accuracy_gender_real",
        "landmark_nme",
        "landmark_failures",
        "landmark_nme_real",
        "landmark_failures_real",
        "ssim",
        "psnr",
        "delta_e",
    ]
    assert list(scores.better) == [score.name for score in told]
    json.dumps([score.protocol for score in told])  # plain values
    by_judge = [score for score in told if "extractor" in score.protocol]
    assert len(by_judge) == len(told) - len(
        ("nearest_ratio_mse", "copies_mse", "copies_entropy", "ssim", "psnr", "delta_e")
    )
    assert all(score.protocol["extractor_weights"] == judge.weights_hash for score in by_judge)
    assert told[0].record(7, 1.5)._asdict() == {**told[0]._asdict(), "nimg": 7, "seconds": 1.5}

    scores.reset()
    scores.update(pictures(30, seed=3), Role.SAMPLE, Condition())
    untold = {score.name: score.value for score in scores.compute() if not score.name.endswith("_real")}
    told = [score for score in told if not score.name.endswith("_real")]
    assert list(untold) == [score.name for score in told]
    asked = {"tag_f1", "tag_accuracy", "accuracy_hair", "accuracy_gender", "landmark_nme", "landmark_failures"}
    asked |= {"ssim", "psnr", "delta_e"}  # no true pictures either
    assert {name for name, value in untold.items() if value is None} == asked
    for score in told:
        if score.name not in asked:
            assert untold[score.name] == pytest.approx(score.value, rel=1e-12)


def test_reset_all_forgets_real_pictures(judge, vocabulary, pictures):
    scores = Scores(judge_scores(vocabulary, judge))
    show(scores, slice(None), pictures)
    scores.reset_all()
    scores.update(pictures(30), Role.SAMPLE, Condition())
    with pytest.raises(UserError, match="0 and 30"):
        scores.compute()


def test_goes_on_outside_of_inference_mode(judge, vocabulary, pictures):
    scores, plain = Scores(judge_scores(vocabulary, judge)), Scores(judge_scores(vocabulary, judge))
    with torch.inference_mode():
        show(scores, slice(0, 12), pictures)
        scores.compute()
    show(scores, slice(12, None), pictures)
    show(plain, slice(0, 12), pictures)
    show(plain, slice(12, None), pictures)
    assert scores.compute() == plain.compute()


def test_can_be_copied_and_pickled(judge, vocabulary, pictures):
    scores = Scores(judge_scores(vocabulary, judge))
    show(scores, slice(0, 20), pictures)
    wanted = scores.compute()
    for other in (copy.deepcopy(scores), pickle.loads(pickle.dumps(scores))):
        assert other.compute() == wanted
        show(other, slice(20, None), pictures)
        assert other.compute() != wanted
    assert scores.compute() == wanted


def test_states_stay_exact_in_a_half_precision_model(vocabulary, pictures):
    holder = nn.ModuleList([FrechetDistance(Pixels())]).half()
    assert holder[0].held_out_outer.dtype == torch.float64


def test_two_ranks_score_as_one(judge, vocabulary, pictures, tmp_path):
    script = Path(__file__).with_name("one_rank.py")
    ranks = [
        subprocess.Popen([sys.executable, script, str(rank), str(tmp_path)], stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    for rank in ranks:
        _, errors = rank.communicate(timeout=240)
        assert rank.returncode == 0, errors.decode()[-3000:]
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    scores = Scores(judge_scores(vocabulary, judge))
    scores.update(pictures(30, seed=1), Role.TRAINING)
    scores.update(pictures(30, seed=2), Role.HELD_OUT, ask(30, seed=4))
    for i, count in enumerate(ROUNDS):
        scores.update(pictures(30, seed=3)[:count], Role.SAMPLE, ask(30).rows(slice(0, count)))
        wanted = scores.compute()
        scores.reset()
        for rank in range(2):
            for (name, value, protocol), one in zip(told[rank][i], wanted, strict=True):
                assert (name, protocol) == (one.name, one.protocol)
                assert value == (None if one.value is None else pytest.approx(one.value, rel=1e-9)), name
