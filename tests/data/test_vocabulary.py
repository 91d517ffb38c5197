import pytest

from anime_gen.contract import UserError
from anime_gen.vocabulary import Vocabulary

WORDS = Vocabulary(
    ["smile", "hat", "blue hair", "left glove", "left ring", "right ring"],
    {"hair": ["blue", "red"], "hair_style": ["long", "short"], "Gender": ["male"], "facing": ["left", "right"]},
)


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("hair_style=long", {"hair_style": "long"}),
        ("Hair Style = Long", {"hair_style": "long"}),
        ("Gender=male, facing=left", {"Gender": "male", "facing": "left"}),
        ("gender=Male", {"Gender": "male"}),
        ("male", {"Gender": "male"}),
        ("blue_hair", {"hair": "blue"}),
        ("hair=blue", {"hair": "blue"}),
    ],
)
def test_classes_are_understood(text, classes):
    assert WORDS.parse(text).classes == classes
    assert WORDS.parse(text).present == (("blue hair",) if "hair" in classes else ())


def test_every_word_is_understood_as_it_is_listed():
    for word in WORDS.words():
        wish = WORDS.parse(word)
        assert wish.present or wish.classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smile, hat, -smile", "'smile' is asked for and, with a minus, against"),
        ("hair=blue, -blue_hair", "'blue hair' is asked for and, with a minus, against"),
        ("blue hair, red hair", "hair cannot be both 'blue' and 'red'"),
        ("hair_style=lon", "near: hair_style=long"),
        ("smlie", "near: smile"),
    ],
)
def test_wishes_that_cannot_be_met(text, message):
    with pytest.raises(UserError) as caught:
        WORDS.parse(text)
    assert message in str(caught.value)


def test_mirror_images():
    assert WORDS.tag_mirror == [0, 1, 2, -1, 5, 4]
    assert WORDS.attribute_mirror == [(0, [0, 1]), (1, [0, 1]), (2, [0]), (3, [1, 0])]
    hands = Vocabulary((), {"left_hand": ["fist"], "right_hand": ["open", "fist"], "left_ear": ["ring"]})
    assert hands.attribute_mirror == [(1, [-1, 0]), (0, [1]), (2, [-1])]
