"""The card of a data set says what is in it."""

import json
import math

import numpy as np
import pytest
from PIL import Image

from anime_gen.data import Folder, PaintedFaces
from anime_gen.prepare import card
from anime_gen.vocabulary import LANDMARKS

from .conftest import painted


@pytest.fixture(scope="module")
def faces():
    return card.facts(PaintedFaces(faces=400))


def test_what_is_counted(raw):
    for number in range(9):
        told = {"tags": ["hat", "smile"][: 1 + number % 2], "hair": "blue", "caption": "a girl in a hat"}
        (raw / f"{number:02}.json").write_text(json.dumps(told))
    found = card.facts(Folder(raw, min_tag_count=1))
    assert found.pictures == 12
    assert found.tags == [("blue hair", 9), ("hat", 9), ("smile", 4)]
    assert found.carried(1) == pytest.approx(9 / 22)
    assert found.tags_a_picture == pytest.approx(22 / 9)
    assert found.classes == {"hair": [("blue", 9)]}
    assert (found.captions, found.words_a_caption) == (9, 5.0)
    assert not len(found.landmarks_NK2)
    assert all(map(math.isnan, card.bias(found.turn_N)))


def test_painted_faces_look_to_the_left_unless_they_are_told_not_to(faces):
    mean, low, high = card.bias(faces.turn_N)
    assert low < mean < high < -0.05
    even = card.facts(PaintedFaces(faces=400, left_leaning=False))
    assert abs(card.bias(even.turn_N)[0]) < 0.05


def test_a_turn_is_where_the_nose_is_between_the_sides():
    points = np.full((3, len(LANDMARKS), 2), np.nan, np.float32)
    for name, x in (("nose", 0.3), ("face_right", 0.2), ("face_left", 0.6)):
        points[:2, LANDMARKS.index(name)] = (x, 0.5)
    points[1, LANDMARKS.index("face_left")] = np.nan
    assert card.turns(points)[0] == pytest.approx(-0.5)
    assert np.isnan(card.turns(points)[1:]).all()


def test_the_page_says_it_in_words_and_pictures(faces, tmp_path):
    page = card.as_markdown(faces, "faces")
    assert "400 pictures: 280 train, 60 validation, 60 test." in page
    assert "Faces look to the left of the picture on average" in page
    told = card.as_json(faces)
    assert told["tags"]["counts"]["bangs"] > 300
    assert sum(told["classes"]["hair"].values()) == 400
    (tmp_path / "card.png").write_bytes(card.figure(faces))
    assert np.asarray(Image.open(tmp_path / "card.png").convert("L")).std() > 20


def test_without_labels_it_says_what_there_is(tmp_path):
    for number in range(3):
        Image.fromarray(painted(number)).save(tmp_path / f"{number}.png")
    found = card.facts(Folder(tmp_path))
    assert "3 pictures" in card.as_markdown(found, "x")
    assert card.figure(found)


def test_words_of_strangers_mean_nothing(tmp_path):
    Image.fromarray(painted(0)).save(tmp_path / "0.png")
    (tmp_path / "manifest.csv").write_text('file,tags,<i>\n0.png,"<b>, $\\frac$",[a](b)\n')
    found = card.facts(Folder(tmp_path, min_tag_count=1))
    page = card.as_markdown(found, "<script>")
    assert r"# \<script\>" in page
    assert r"\<b\>" in page
    assert r"\[a\](b)" in page
    assert not {"<b>", "<i>", "[a]"} & set(page.split())
    assert card.figure(found)
