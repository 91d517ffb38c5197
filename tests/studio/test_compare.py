"""Runs side by side: each says what it ignores; scores that were not measured alike are called so; votes are blind."""

from __future__ import annotations

import re

import pytest

from anime_gen.metrics.headlines import ORDER
from anime_gen.metrics.protocol import Record
from anime_gen.studio.scores import meaning
from anime_gen.studio.votes import read

from .conftest import Page


@pytest.fixture
def both(opened):
    one = Page(opened("diffusion", "stylegan2", "cyclegan"))
    with one.socket:
        yield one


def told(events, name):
    return [event for event in events if event["event"] == name]


def test_one_wish_through_all_that_draw(both, toys):
    heard = both.ask("compare", words="blue hair, -hat, wings", seeds=[1, 2])
    names = [str(toys["diffusion"]), str(toys["stylegan2"])]
    ignores = {event["run"]: event for event in told(heard, "ignores")}
    assert list(ignores) == names, "one that translates draws nothing from seeds"
    for name in names:
        assert ignores[name]["ignored"] == ["wings"]
        assert ignores[name]["words"] == "blue hair, -hat"
    assert [(face["run"], face["seed"]) for face in told(heard, "face")] == [(n, s) for n in names for s in (1, 2)]
    assert all("--tags=blue hair, -hat" in face["command"] for face in told(heard, "face"))


def test_scores_say_what_they_mean_and_whether_they_were_measured_alike(both):
    [table] = told(both.ask("compare", seeds=[1]), "scores")
    fd, faces = table["rows"]
    assert fd["cells"] == ["12.5", "30"]
    assert "lower is better" in fd["meaning"]
    assert "how far what the pictures show is from real ones" in fd["meaning"]
    assert "num_fake: 64" in fd["protocol"]
    assert not fd["differs"]
    assert faces["differs"] == "num_fake is 64 or 32"
    assert not faces["protocol"]


@pytest.mark.parametrize("name", [
    "fd_judge", "fd_render", "precision_judge", "recall_judge", "faces", "accuracy_hair", "landmark_nme",
    "landmark_nme_photo", "cycle_error_photo", "tag_f1", "collapse_judge", "copies_judge",
])  # fmt: skip
def test_a_headline_has_a_meaning(name):
    assert any(re.fullmatch(pattern, name) for pattern in ORDER), "no headline any more"
    said = meaning(Record(name, 1.0, 0, 0.0, {"better": "lower"}))
    assert said.endswith("; lower is better")


def test_every_headline_is_tried():
    assert len(ORDER) == 9, "add a new one to the test above, and to MEANINGS"


def test_a_vote_is_blind_counts_once_and_tells_the_names_then(both, toys, tmp_path):
    heard = both.ask("pair")
    [pair] = told(heard, "pair")
    assert " hair" in pair["words"]
    assert [(face["side"], face["place"]) for face in told(heard, "face")][:3] == [
        ("left", 0),
        ("right", 0),
        ("left", 1),
    ]
    assert "toy" not in str([{**event, "png": ""} for event in heard])
    answer = both.ask("vote", ticket=pair["ticket"], chosen="left")
    [names], [ranking] = told(answer, "names"), told(answer, "ranking")
    assert {names["left"], names["right"]} == {str(toys["diffusion"]), str(toys["stylegan2"])}
    assert ranking["votes"] == 1
    assert ranking["places"][0]["run"] == names["left"]
    [vote] = read(tmp_path / "votes.sqlite")
    assert (vote.left, vote.chosen, vote.words) == (names["left"], "left", pair["words"])
    assert "was voted on" in both.error("vote", ticket=pair["ticket"], chosen="left")
    assert "was voted on" in both.error("vote", chosen="right")
    assert "a vote is one of left, right, tie" in both.error("vote", ticket=pair["ticket"], chosen="me")


def test_faces_without_names_hold_no_recipe(both):
    import base64

    for face in told(both.ask("pair"), "face"):
        assert b"anime_gen" not in base64.b64decode(face["png"])


def test_what_a_run_is_not_told_is_a_line(both, toys):
    said = both.error("ask", run=str(toys["stylegan2"]), seeds=[1], caption="a girl")
    assert "StyleGAN2 was trained without captions" in said


def test_one_run_alone_is_no_pair(page):
    assert "needs two runs" in page.error("pair")
    [ranking] = told(page.ask("ranking"), "ranking")
    assert ranking["votes"] == 0
