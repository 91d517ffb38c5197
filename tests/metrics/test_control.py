import pytest
import torch
from torch import nn

from anime_gen.contract import UserError
from anime_gen.metrics.control import AttributeAccuracy, FaceRate, LandmarkError, TagScore
from anime_gen.metrics.judge import JudgeOutput
from anime_gen.vocabulary import LANDMARKS, Vocabulary

nan = float("nan")


class Says(nn.Module):
    """A judge that says what it is told to, whatever the pictures are."""

    device = torch.device("cpu")

    def __init__(self, vocabulary, *, tags=None, classes=None, landmarks=None, faces=None, count=1):
        super().__init__()
        self.vocabulary = vocabulary
        self.legible_tags = frozenset(vocabulary.tags) - {"illegible"}
        tags = torch.tensor(tags) if tags else torch.zeros(count, len(vocabulary.tags))
        classes = torch.tensor(classes) if classes else torch.zeros(count, len(vocabulary.attributes)).long()
        self.says = JudgeOutput(
            torch.zeros(count, 4),
            tags.float() * 2 - 1,
            tuple(nn.functional.one_hot(classes[:, i], n).float() for i, n in enumerate(vocabulary.attribute_sizes)),
            landmarks if landmarks is not None else torch.zeros(count, 24, 2),
            torch.tensor(faces).float() * 2 - 1 if faces else torch.ones(count),
        )

    def look(self, images):
        return self.says

    def protocol(self):
        return {"extractor": "made up"}


def blank(count):
    return torch.zeros(count, 3, 8, 8, dtype=torch.uint8)


def test_tags_by_hand():
    judge = Says(Vocabulary(["hat", "smile", "fang", "illegible"], {}), tags=[[1, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    score = TagScore(judge, Vocabulary(["smile", "hat", "fang", "ears", "illegible"], {}))  # another order, one unknown
    score.update(blank(3), torch.tensor([[1, 0, 0, 1, nan], [nan, 1, 0, nan, 1], [1, nan, 0, nan, 0]]))
    # smile: one hit, one miss. hat: one hit, one false alarm. fang: rightly absent, so without F1.
    result = score.compute()
    assert result["tag_f1"].item() == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert result["tag_accuracy"].item() == pytest.approx(5 / 7)
    said = score.protocol()
    assert (said["answers"], said["answers_left_out"], said["tags_with_f1"]) == (7, 3, 2)
    assert said["tags_left_out"] == ["ears", "illegible"]


def test_colour_tags_are_read_off_the_attribute():
    judge = Says(Vocabulary(["smile"], {"hair": ["red", "blue"]}), classes=[[0], [1]], count=2)
    score = TagScore(judge, Vocabulary(["blue hair"], {}))
    score.update(blank(2), torch.tensor([[1.0], [1.0]]))
    assert score.compute()["tag_accuracy"].item() == 0.5


def test_attributes_by_hand():
    judged = Vocabulary([], {"eye": ["red", "blue"], "hair": ["red", "blue", "green"]})
    judge = Says(judged, classes=[[0, 2], [1, 2], [1, 0], [0, 0]])
    data = Vocabulary([], {"hair": ["green", "pink", "red"], "mood": ["good", "bad"], "eye": ["blue"]})
    score = AttributeAccuracy(judge, data)
    # hair: right, pink is unknown, right, wrong. mood is no group of the judge. eye: -, right, -, wrong.
    score.update(blank(4), torch.tensor([[0, 1, -1], [1, -1, 0], [2, 0, -1], [0, 0, 0]]))
    assert {name: value.item() for name, value in score.compute().items()} == pytest.approx(
        {"accuracy_hair": 2 / 3, "accuracy_eye": 1 / 2}
    )
    assert score.names == ("accuracy_hair", "accuracy_mood", "accuracy_eye")
    assert score.protocol()["answers"] == {"hair": 3, "mood": 0, "eye": 2}
    assert score.protocol()["answers_left_out"] == {"hair": 1, "mood": 3, "eye": 0}


def test_landmarks_by_hand():
    wanted = torch.rand(4, 24, 2)
    left, right = LANDMARKS.index("left_eye_outer"), LANDMARKS.index("right_eye_outer")
    wanted[:, left], wanted[:, right] = torch.tensor([0.7, 0.5]), torch.tensor([0.3, 0.5])
    says = wanted.clone()
    says[0, :, 0] += 0.04  # every point a tenth of the eye distance off
    says[1, 0, 1] += 0.4  # one point a whole distance off, of 2 counted
    says[2] = 0  # no face: counted as a failure, not as an error
    wanted[1, 2:6] = nan
    visible = torch.ones(4, 24, dtype=torch.bool)
    visible[1, 1] = False
    visible[1, 7:] = False  # left: 0 and 6 (an outer corner)
    wanted[3, left] = nan  # no eye distance to measure in
    score = LandmarkError(Says(Vocabulary([], {}), landmarks=says, faces=[1, 1, 0, 1], count=4))
    score.update(blank(4), wanted, visible)
    result = score.compute()
    assert result["landmark_nme"].item() == pytest.approx((0.1 + 0.5) / 2, rel=1e-5)
    assert result["landmark_failures"].item() == pytest.approx(1 / 3)
    assert score.protocol()["num_left_out"] == 1


def test_no_error_where_no_face_was_found():
    score = LandmarkError(Says(Vocabulary([], {}), faces=[0]))
    score.update(blank(1), torch.rand(1, 24, 2))
    assert {name: value.item() for name, value in score.compute().items()} == {"landmark_failures": 1}


def test_faces_are_counted():
    score = FaceRate(Says(Vocabulary([], {}), faces=[1, 0, 1, 1], count=4))
    assert score.compute() == {}
    score.update(blank(4), real=False)
    assert {name: value.item() for name, value in score.compute().items()} == {"faces": 0.75}
    score.update(blank(4), real=True)
    score.reset()
    assert {name: value.item() for name, value in score.compute().items()} == {"faces_real": 0.75}
    score.reset_all()
    assert score.compute() == {}


def test_not_asked_has_no_value():
    words = Vocabulary(["hat"], {"hair": ["red", "blue"]})
    judge = Says(words, count=2)
    nothing = {
        TagScore(judge, words): (None, torch.full((2, 1), nan)),
        AttributeAccuracy(judge, words): (None, torch.full((2, 1), -1)),
        LandmarkError(judge): (None, torch.full((2, 24, 2), nan)),
    }
    for score, conditions in nothing.items():
        for condition in conditions:
            score.update(blank(2), condition)
            assert score.compute() == {}


def test_a_vocabulary_without_words():
    words = Vocabulary([], {})
    judge = Says(words, count=2)
    tags, attributes = TagScore(judge, words), AttributeAccuracy(judge, words)
    tags.update(blank(2), torch.zeros(2, 0))
    attributes.update(blank(2), torch.zeros(2, 0, dtype=torch.int64))
    assert tags.compute() == attributes.compute() == {}


def test_conditions_of_another_vocabulary_are_the_users():
    words = Vocabulary(["hat"], {"hair": ["red", "blue"]})
    judge = Says(words, count=2)
    with pytest.raises(UserError, match="vocabulary"):
        TagScore(judge, words).update(blank(2), torch.zeros(2, 5))
    with pytest.raises(UserError, match="vocabulary"):
        AttributeAccuracy(judge, words).update(blank(2), torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(UserError, match="class 2 of 'hair'"):
        AttributeAccuracy(judge, words).update(blank(2), torch.full((2, 1), 2))
    with pytest.raises(UserError, match="24 names"):
        LandmarkError(judge).update(blank(2), torch.zeros(2, 68, 2))
