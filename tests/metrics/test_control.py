import pytest
import torch
from torch import nn

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.control import AttributeAccuracy, FaceRate, LandmarkError, TagScore
from anime_gen.metrics.judge import JudgeOutput
from anime_gen.metrics.protocol import Role
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
    score.update(
        blank(3),
        Role.SAMPLE,
        Condition(tags_BT=torch.tensor([[1, 0, 0, 1, nan], [nan, 1, 0, nan, 1], [1, nan, 0, nan, 0]])),
    )
    # smile: one hit, one miss. hat: one hit, one false alarm. fang: rightly absent, so without F1.
    result = score.compute()
    assert result["tag_f1"].item() == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert result["tag_accuracy"].item() == pytest.approx(5 / 7)
    said = score.protocol()["observed"]
    assert (said["answers"], said["answers_left_out"], said["tags_with_f1"]) == (7, 3, 2)
    assert said["tags_left_out"] == ["ears", "illegible"]


def test_colour_tags_are_read_off_the_attribute():
    judge = Says(Vocabulary(["smile"], {"hair": ["red", "blue"]}), classes=[[0], [1]], count=2)
    score = TagScore(judge, Vocabulary(["blue hair"], {}))
    score.update(blank(2), Role.SAMPLE, Condition(tags_BT=torch.tensor([[1.0], [1.0]])))
    assert score.compute()["tag_accuracy"].item() == 0.5


def test_attributes_by_hand():
    judged = Vocabulary([], {"eye": ["red", "blue"], "hair": ["red", "blue", "green"]})
    judge = Says(judged, classes=[[0, 2], [1, 2], [1, 0], [0, 0]])
    data = Vocabulary([], {"hair": ["green", "pink", "red"], "mood": ["good", "bad"], "eye": ["blue"]})
    score = AttributeAccuracy(judge, data)
    # hair: right, pink is unknown, right, wrong. mood is no group of the judge. eye: -, right, -, wrong.
    classes = torch.tensor([[0, 1, -1], [1, -1, 0], [2, 0, -1], [0, 0, 0]])
    score.update(blank(4), Role.SAMPLE, Condition(attributes_BA=classes))
    assert {name: value.item() for name, value in score.compute().items()} == pytest.approx(
        {"accuracy_hair": 2 / 3, "accuracy_eye": 1 / 2}
    )
    assert score.names[:3] == ("accuracy_hair", "accuracy_mood", "accuracy_eye")
    assert score.protocol()["observed"]["answers"] == {"hair": 3, "mood": 0, "eye": 2}
    assert score.protocol()["observed"]["answers_left_out"] == {"hair": 1, "mood": 3, "eye": 0}


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
    score.update(blank(4), Role.SAMPLE, Condition(landmarks_BK2=wanted, visible_BK=visible))
    result = score.compute()
    assert result["landmark_nme"].item() == pytest.approx((0.1 + 0.5) / 2, rel=1e-5)
    assert result["landmark_failures"].item() == pytest.approx(1 / 3)
    assert score.protocol()["observed"]["num_left_out"] == 1


def test_no_error_where_no_face_was_found():
    score = LandmarkError(Says(Vocabulary([], {}), faces=[0]))
    score.update(blank(1), Role.SAMPLE, Condition(landmarks_BK2=torch.rand(1, 24, 2)))
    assert {name: value.item() for name, value in score.compute().items()} == {"landmark_failures": 1}


def test_faces_are_counted():
    score = FaceRate(Says(Vocabulary([], {}), faces=[1, 0, 1, 1], count=4))
    assert score.compute() == {}
    score.update(blank(4), Role.SAMPLE)
    assert {name: value.item() for name, value in score.compute().items()} == {"faces": 0.75}
    score.update(blank(4), Role.HELD_OUT)
    score.reset()
    assert {name: value.item() for name, value in score.compute().items()} == {"faces_real": 0.75}
    score.reset_all()
    assert score.compute() == {}


def test_not_asked_has_no_value():
    words = Vocabulary(["hat"], {"hair": ["red", "blue"]})
    judge = Says(words, count=2)
    nothing = {
        TagScore(judge, words): Condition(tags_BT=torch.full((2, 1), nan)),
        AttributeAccuracy(judge, words): Condition(attributes_BA=torch.full((2, 1), -1)),
        LandmarkError(judge): Condition(landmarks_BK2=torch.full((2, 24, 2), nan)),
    }
    for score, condition in nothing.items():
        for asked in (Condition(), condition):
            score.update(blank(2), Role.SAMPLE, asked)
            assert score.compute() == {}


def test_a_vocabulary_without_words():
    words = Vocabulary([], {})
    judge = Says(words, count=2)
    tags, attributes = TagScore(judge, words), AttributeAccuracy(judge, words)
    tags.update(blank(2), Role.SAMPLE, Condition(tags_BT=torch.zeros(2, 0)))
    attributes.update(blank(2), Role.SAMPLE, Condition(attributes_BA=torch.zeros(2, 0, dtype=torch.int64)))
    assert tags.compute() == attributes.compute() == {}


def test_conditions_of_another_vocabulary_are_the_users():
    words = Vocabulary(["hat"], {"hair": ["red", "blue"]})
    judge = Says(words, count=2)
    with pytest.raises(UserError, match="vocabulary"):
        TagScore(judge, words).update(blank(2), Role.SAMPLE, Condition(tags_BT=torch.zeros(2, 5)))
    with pytest.raises(UserError, match="vocabulary"):
        AttributeAccuracy(judge, words).update(
            blank(2), Role.SAMPLE, Condition(attributes_BA=torch.zeros(2, 2, dtype=torch.int64))
        )
    with pytest.raises(UserError, match="class 2 of 'hair'"):
        AttributeAccuracy(judge, words).update(blank(2), Role.SAMPLE, Condition(attributes_BA=torch.full((2, 1), 2)))
    with pytest.raises(UserError, match="24 names"):
        LandmarkError(judge).update(blank(2), Role.SAMPLE, Condition(landmarks_BK2=torch.zeros(2, 68, 2)))


def test_real_pictures_say_what_a_score_is_worth():
    """The judge reads real pictures of known labels too: with one of two wrong, an accuracy of 1 means little."""
    words = Vocabulary(["hat"], {"hair": ["red", "blue"]})
    score = AttributeAccuracy(Says(words, classes=[[0], [1]], count=2), words)
    score.update(blank(2), Role.SAMPLE, Condition(attributes_BA=torch.tensor([[0], [1]])))
    score.update(blank(2), Role.HELD_OUT, Condition(attributes_BA=torch.tensor([[1], [1]])))
    score.update(blank(2), Role.TRAINING, Condition(attributes_BA=torch.tensor([[1], [1]])))
    assert {name: value.item() for name, value in score.compute().items()} == {
        "accuracy_hair": 1,
        "accuracy_hair_real": 0.5,
    }
    assert score.better == {"accuracy_hair": True, "accuracy_hair_real": None}
    score.reset()
    assert set(score.compute()) == {"accuracy_hair_real"}


def test_each_tag_has_its_precision_and_recall():
    words = Vocabulary(["hat"], {})
    score = TagScore(Says(words, tags=[[1], [1], [0]], count=3), words)
    score.update(blank(3), Role.SAMPLE, Condition(tags_BT=torch.tensor([[1.0], [0.0], [1.0]])))
    score.compute()
    assert score.protocol()["observed"]["per_tag"] == {"hat": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "asked": 2}}
