"""Three classifiers that must agree, and what their agreement is worth."""

import pytest
import torch

from anime_gen.tagging import completion
from anime_gen.tagging.completion import (
    ORIGINS,
    Pool,
    Scores,
    by_cooccurrence,
    by_linear,
    by_neighbours,
    by_one,
    calibrated,
    complete,
)
from anime_gen.tagging.examine import Labels
from anime_gen.tagging.network import Beliefs, Seen
from anime_gen.tagging.patches import Patches
from anime_gen.vocabulary import Vocabulary

NAN = float("nan")
WORDS = Vocabulary(["smile", "blue hair", "hat"], {"hair": ["red", "blue"]})


class Known:
    """A labeller that says what it is told to."""

    def __init__(self, beliefs, thresholds=(0.5, 0.5, 0.5)):
        self.vocabulary, self.image_size, self.thresholds = WORDS, 8, torch.tensor(thresholds)
        self._beliefs = beliefs

    def beliefs(self, seen):
        return self._beliefs


def pool(count=400, hidden=0.5, seed=0):
    """Pictures whose red channel says the smile and whose blue one the hair; hats come with smiles. And the truth."""
    stream = torch.Generator().manual_seed(seed)
    smile, blue = (torch.rand(2, count, generator=stream) < 0.5).float()
    hat = torch.where(torch.rand(count, generator=stream) < 0.05, 1 - smile, smile)
    image = torch.rand(count, 3, 32, 32, generator=stream) * 60
    image[:, 0, :16] += 150 * smile[:, None, None]
    image[:, 2, 16:] += 150 * blue[:, None, None]
    features = torch.stack([smile, blue, torch.ones(count)], 1) + torch.randn(count, 3, generator=stream) * 0.1
    true = Labels(torch.stack([smile, blue, hat], 1), blue.long()[:, None])
    gone = torch.rand(count, 3, generator=stream) < hidden
    gone[:, 1] = torch.rand(count, generator=stream) < hidden
    given = Labels(true.tags_NT.masked_fill(gone, NAN), true.classes_NA.masked_fill(gone[:, 1:2], -1))
    odds = (true.tags_NT * 2 - 1) * 2
    seen = Seen(features, odds, (torch.stack([-odds[:, 1], odds[:, 1]], 1),))
    held = torch.rand(count, generator=stream) < 0.25
    return Pool(image.to(torch.uint8), seen, given, held), true


def sure(true, p=0.95):
    """Beliefs that are right, with probability p."""
    tags = true.tags_NT * p + (1 - true.tags_NT) * (1 - p)
    return Beliefs(tags, (torch.stack([1 - tags[:, 1], tags[:, 1]], 1),))


def test_given_labels_are_never_touched_and_filled_ones_say_so():
    ours, true = pool()
    wrong = Known(sure(Labels(1 - true.tags_NT, 1 - true.classes_NA)))
    for made in (complete(wrong, ours), by_one(wrong, ours.seen, ours.labels, 0.0), complete(Known(sure(true)), ours)):
        given = ~ours.labels.tags_NT.isnan()
        assert torch.equal(made.labels.tags_NT[given], ours.labels.tags_NT[given])
        assert (made.tag_confidence_NT[given] == 1).all()
        assert (made.tag_origin_NT[given] == 0).all()
        known = ours.labels.classes_NA >= 0
        assert torch.equal(made.labels.classes_NA[known], ours.labels.classes_NA[known])
        assert (made.class_confidence_NA[known] == 1).all()
        filled = made.tag_origin_NT > 0
        assert torch.equal(filled | given, ~made.labels.tags_NT.isnan())
        assert ((made.tag_confidence_NT > 0) == (filled | given)).all()
        assert (made.tag_confidence_NT[filled] < 1).all()  # only what somebody wrote is certain
        assert torch.equal(made.class_origin_NA > 0, (made.labels.classes_NA >= 0) & ~known)


def test_agreement_fills_and_is_right():
    ours, true = pool()
    made = complete(Known(sure(true)), ours)
    by_all = made.tag_origin_NT == ORIGINS.index("ensemble")
    hidden = ours.labels.tags_NT.isnan()
    assert (by_all & hidden)[:, :2].sum() > 0.8 * hidden[:, :2].sum()
    assert (made.labels.tags_NT == true.tags_NT)[by_all].double().mean() > 0.97
    found = made.class_origin_NA[:, 0] == ORIGINS.index("ensemble")
    assert found.sum() > 0.8 * (ours.labels.classes_NA[:, 0] < 0).sum()
    assert (made.labels.classes_NA == true.classes_NA)[:, 0][found].double().mean() > 0.97


def test_one_that_disagrees_leaves_it_open(monkeypatch):
    ours, true = pool()
    nothing = Scores(torch.zeros(400, 3), (torch.zeros(400, 2),))  # a classifier that knows nothing is never sure
    monkeypatch.setattr(completion, "by_linear", lambda *_: nothing)
    made = complete(Known(sure(true)), ours, agree=0.8, alone=1.0)
    assert not (made.tag_origin_NT == ORIGINS.index("ensemble"))[:, :2].any()
    assert not (made.class_origin_NA == ORIGINS.index("ensemble")).any()
    # Then neighbours that are sure by themselves may fill it, unless the mean of all says the opposite.
    made = complete(Known(sure(true)), ours, agree=0.8, alone=0.9)
    assert (made.tag_origin_NT == ORIGINS.index("neighbours"))[:, :2].any()


def test_sources_come_in_order_and_what_none_settles_stays_open(monkeypatch):
    ours, _ = pool()
    half = Scores(torch.zeros(400, 3), (torch.zeros(400, 2),))
    monkeypatch.setattr(completion, "by_linear", lambda *_: half)
    monkeypatch.setattr(completion, "by_neighbours", lambda *_: half)
    nobody = Known(Beliefs(torch.full((400, 3), 0.5), (torch.full((400, 2), 0.5),)))
    made = complete(nobody, ours, agree=0.7, alone=0.8)
    origins = set(made.tag_origin_NT[:, 2].tolist())
    assert origins == {0, ORIGINS.index("cooccurrence")}  # hats come with smiles: known where the smile is
    smiling = ~ours.labels.tags_NT[:, 0].isnan()
    hats = made.tag_origin_NT[:, 2] > 0
    assert (smiling | ~hats).all()
    assert made.labels.tags_NT[:, 1].isnan().sum() == ours.labels.tags_NT[:, 1].isnan().sum()  # nothing tells it
    nothing = complete(nobody, ours, agree=0.7, alone=1.0)
    assert (nothing.tag_origin_NT == 0).all()


def test_a_picture_is_not_its_own_neighbour_and_held_out_ones_are_none():
    features = torch.tensor([[1.0, 0], [0.99, 0.1], [0.98, 0.15], [0, 1], [0.1, 0.99], [0.15, 0.98]])
    tags = torch.tensor([[1.0], [0], [0], [0], [1], [NAN]])
    ours = Pool(
        torch.zeros(6, 3, 8, 8, dtype=torch.uint8),
        Seen(features, torch.zeros(6, 1), ()),
        Labels(tags, torch.zeros(6, 0, dtype=torch.int64)),
        torch.tensor([False, False, False, False, True, False]),
    )
    p = by_neighbours(ours).tags_NT[:, 0].sigmoid()
    swapped = ours._replace(labels=ours.labels._replace(tags_NT=torch.tensor([[0.0], [0], [0], [0], [1], [NAN]])))
    assert by_neighbours(swapped).tags_NT[0, 0].sigmoid() == pytest.approx(float(p[0]), abs=0.2)
    assert p[0] < p[1]  # its neighbours lack it; it is the others' neighbour
    other = ours._replace(labels=ours.labels._replace(tags_NT=torch.tensor([[1.0], [0], [0], [0], [0], [NAN]])))
    torch.testing.assert_close(by_neighbours(other).tags_NT[:, 0].sigmoid(), p)


def test_what_is_held_out_is_not_learned_from():
    ours, _ = pool(120)
    other = ours.labels.tags_NT.clone()
    other[ours.held_out_N] = 1 - other[ours.held_out_N]
    changed = ours._replace(labels=ours.labels._replace(tags_NT=other))
    for say in (lambda p: by_linear(p, 0), by_neighbours, lambda p: by_cooccurrence(p, ours.labels, WORDS)):
        torch.testing.assert_close(say(ours).tags_NT, say(changed).tags_NT)
    scores = by_neighbours(ours)
    assert not torch.allclose(calibrated(scores, ours).tags_NT, calibrated(scores, changed).tags_NT)


def test_labels_speak_of_others_but_not_of_themselves():
    ours, true = pool(hidden=0.0)
    hats = by_cooccurrence(ours, true, WORDS).tags_NT[:, 2] > 0
    assert (hats == (true.tags_NT[:, 0] == 1)).all()
    alone = Labels(torch.full_like(true.tags_NT, NAN), true.classes_NA)
    alone.tags_NT[:, 1] = true.tags_NT[:, 1]
    told = by_cooccurrence(ours, alone, WORDS)
    assert told.tags_NT[:, 1].std() < 1e-5  # the class says the tag, the tag the class: one fact
    assert told.classes[0][:, 1].std() < 1e-5


def test_the_tagger_alone_goes_by_its_thresholds():
    beliefs = Beliefs(torch.tensor([[0.4, 0.4, 0.9]]), (torch.tensor([[0.3, 0.6]]),))
    labels = Labels(torch.full((1, 3), NAN), torch.tensor([[-1]]))
    seen = Seen(torch.zeros(1, 1), torch.zeros(1, 3), (torch.zeros(1, 2),))
    made = by_one(Known(beliefs, (0.3, 0.5, 0.5)), seen, labels, 0.0)
    assert made.labels.tags_NT.tolist() == [[1, 0, 1]]
    torch.testing.assert_close(made.tag_confidence_NT, torch.tensor([[0.4, 0.6, 0.9]]))
    assert made.labels.classes_NA.tolist() == [[1]]
    made = by_one(Known(beliefs, (0.3, 0.5, 0.5)), seen, labels, 0.65)
    assert made.labels.tags_NT.nan_to_num(-1).tolist() == [[-1, -1, 1]]
    assert made.labels.classes_NA.tolist() == [[-1]]


def test_patches_tell_pictures_apart_without_training():
    ours, true = pool(200)
    features = Patches(ours.image_NCHW, count=32).features(ours.image_NCHW)
    assert features.shape == (200, 2 * 32 * 9)
    assert torch.equal(features, Patches(ours.image_NCHW, count=32).features(ours.image_NCHW))
    smiling = true.tags_NT[:, 0] == 1
    apart = (features[smiling].mean(0) - features[~smiling].mean(0)).abs() / features.std(0).clamp(min=1e-6)
    assert apart.max() > 1.5
    large = ours.image_NCHW.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(Patches(ours.image_NCHW, count=32).features(large), features, atol=0.5, rtol=0.2)
