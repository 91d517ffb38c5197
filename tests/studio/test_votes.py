"""What votes say of runs, and how sure one may be of it."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from anime_gen.contract import UserError
from anime_gen.studio.votes import Vote, keep, likeliest, ranking, read


def cast(left, right, chosen, times=1):
    return [Vote("", left, right, chosen, "", "")] * times


def test_two_runs_are_preferred_as_often_as_they_were_chosen():
    one, other = ranking([*cast("a", "b", "left", 300), *cast("b", "a", "left", 100)])
    assert (one.run, other.run) == ("a", "b")
    assert one.preferred == pytest.approx(0.75, abs=0.01)
    assert one.preferred + other.preferred == pytest.approx(1)
    # Of a share of 400: 0.75 +- 1.96 * sqrt(0.75 * 0.25 / 400).
    assert one.low == pytest.approx(0.7076, abs=0.01)
    assert one.high == pytest.approx(0.7924, abs=0.01)
    assert one.votes == other.votes == 400


def test_few_votes_that_agree_make_nobody_sure():
    [first, second] = ranking(cast("a", "b", "left", 2))
    assert first.run == "a"
    assert first.low < 0.5 < first.high
    assert second.low < 0.2


def test_a_run_without_votes_may_be_anything():
    places = {place.run: place for place in ranking(cast("a", "b", "tie"), ["c", "a"])}
    assert set(places) == {"a", "b", "c"}
    assert places["c"].votes == 0
    assert places["c"].low < 0.15
    assert places["c"].high > 0.85
    assert places["a"].preferred == pytest.approx(0.5)


def test_one_run_alone_and_nobody():
    assert ranking([]) == []
    assert [place.run for place in ranking([], ["a"])] == ["a"]


def test_strengths_are_found_and_intervals_hold_them():
    true, stream = np.array([1.0, 0.3, -0.4, -0.9]), np.random.default_rng(1)
    chance = 1 / (1 + np.exp(true[None] - true[:, None]))
    held = []
    for _ in range(200):
        wins = np.triu(stream.binomial(20, chance), 1).astype(float)
        wins += np.tril(20 * (1 - np.eye(4)) - wins.T, -1)
        theta, covariance = likeliest(wins)
        apart, width = theta[0] - theta[1:], np.sqrt(covariance[0, 0] + np.diag(covariance)[1:] - 2 * covariance[0, 1:])
        held.append(np.abs(apart - (true[0] - true[1:])) < 1.96 * width)
    assert 0.91 < np.mean(held) < 0.99


def test_a_file_holds_what_was_voted(tmp_path, here):
    file = tmp_path / "votes.sqlite"
    assert read(file) == []
    keep(file, "runs/a", "runs/b", "left", "blue hair, smile", [1, 2])
    keep(file, "runs/b", "runs/a", "tie", "", [3])
    assert [vote[1:] for vote in read(file)] == [
        ("runs/a", "runs/b", "left", "blue hair, smile", "1,2"),
        ("runs/b", "runs/a", "tie", "", "3"),
    ]
    done = here("votes", file, "--out", tmp_path / "votes.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.index("runs/a") < done.stdout.index("runs/b")
    assert "2 votes" in done.stdout
    rows = list(csv.DictReader((tmp_path / "votes.csv").open(newline="")))
    assert [(row["left"], row["chosen"], row["words"]) for row in rows] == [
        ("runs/a", "left", "blue hair, smile"),
        ("runs/b", "tie", ""),
    ]


def test_another_file_is_none(tmp_path, here):
    (tmp_path / "text").write_text("no votes in here, but enough letters to be taken for a file of some kind" * 50)
    with pytest.raises(UserError, match="file is not a database"):
        keep(tmp_path / "text", "a", "b", "left", "", [])
    done = here("votes", tmp_path / "text")
    assert done.returncode == 2
    assert "file is not a database" in done.stderr
    assert "there is no" in here("votes", tmp_path / "nothing").stderr
