"""Five lines say what matters of any run; all the rest is there when it is asked for."""

import pytest

from anime_gen.metrics.headlines import headlines, lines, sample_of, table
from anime_gen.metrics.protocol import Record, of_control


def records(**values: float | None) -> list[Record]:
    return [Record(name.replace("__", "@"), value, 64, 1.0, {"split": "validation"}) for name, value in values.items()]


ALWAYS = {"kd_judge": 2.0, "fd_judge": 1.0, "fd_render": 4.0, "recall_judge": 0.4, "precision_judge": 0.3, "faces": 0.5,
          "ssim": None, "copies_judge": 0.0, "collapse_judge": 0.2, "copies_mse": 0.0}  # fmt: skip


@pytest.mark.parametrize(
    ("own", "rest"),
    [
        ({}, ["collapse_judge", "copies_judge"]),
        ({"tag_f1": None, "accuracy_hair": None, "landmark_nme": None}, ["collapse_judge", "copies_judge"]),
        ({"tag_f1": 0.1}, ["tag_f1", "collapse_judge"]),
        ({"tag_f1": 0.1, "accuracy_hair": 0.2, "accuracy_eye": 0.1}, ["accuracy_hair, eye", "tag_f1"]),
        ({"tag_f1": 0.1, "accuracy_hair": 0.2, "landmark_nme": 0.1}, ["accuracy_hair", "landmark_nme"]),
        (
            {"landmark_nme": None, "landmark_nme_photo": 0.3, "cycle_error_photo": 9.0, "cycle_error_anime": 8.0,
             "fd_judge_back": 3.0, "faces__skin=dark": 1.0, "landmark_nme_photo__skin=dark": 1.0},
            ["landmark_nme_photo", "cycle_error_photo, anime"],
        ),
    ],
)  # fmt: skip
def test_five_lines_of_what_the_run_has(own, rest):
    found = headlines(records(**ALWAYS, **own))
    assert [line.name for line in found] == ["fd_judge, render", "recall_judge, precision_judge", "faces", *rest]


def test_an_error_that_could_not_be_measured_is_no_score_that_nobody_asked_for():
    (asked,) = records(landmark_nme=None)
    asked = asked._replace(protocol={**asked.protocol, "observed": {"num_asked": 9}})
    (line,) = headlines([asked])
    assert table([line]).split() == ["landmark_nme", "undefined"]


def test_what_real_pictures_score_stands_beside():
    told = table(lines(records(accuracy_hair=0.64, accuracy_hair_real=0.39, tag_f1=None)))
    assert [line.split() for line in told.splitlines()] == [
        ["samples", "real"],
        ["accuracy_hair", "0.64", "0.39"],
        ["tag_f1", "not", "asked"],
    ]
    both = table(headlines(records(accuracy_hair=0.64, accuracy_eye=0.5, accuracy_hair_real=0.39, accuracy_eye_real=1)))
    assert both.splitlines()[1].split() == ["accuracy_hair,", "eye", "0.64,", "0.5", "0.39,", "1"]


def test_the_latest_counts():
    assert table(lines([*records(faces=0.1), *records(faces=0.7)])).split() == ["faces", "0.7"]
    assert table([]) == ""


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("faces", None),
        ("faces_real", "faces"),
        ("landmark_nme_real_photo", "landmark_nme_photo"),
        ("faces_real@skin=dark", "faces@skin=dark"),
        ("realism", None),
        ("x_really", None),
    ],
)
def test_which_are_of_real_pictures(name, sample):
    """Wherever a later family has put the word."""
    assert sample_of(name) == sample


def test_control_is_what_was_asked():
    (record,) = records(accuracy_hair=0.5)
    for observed, is_control in (({}, False), ({"answers": 0}, False), ({"answers": {"hair": 3}}, True),
                                 ({"num_asked": 3}, True), ({"num_pictures": 3}, False)):  # fmt: skip
        assert of_control(record._replace(protocol={"observed": observed})) == is_control
    assert not of_control(record._replace(value=None, protocol={"observed": {"answers": 3}}))
