"""Open labels are filled with what goes together, and nothing that was asked for is changed."""

from __future__ import annotations

import torch

from anime_gen.blocks.labels import Words, code
from anime_gen.contract import Condition
from anime_gen.families.acgan.sampler import completed, given
from anime_gen.noise import Noise

WORDS = Words(2, (3,))
# Class 0 always has the first tag and not the second, class 1 neither, class 2 the second and sometimes the first.
FACES = Condition(
    tags_BT=torch.tensor([[1.0, 0], [1, 0], [0, 0], [0, 1], [1, 1]]),
    attributes_BA=torch.tensor([[0], [0], [1], [2], [2]]),
)


def filled(tags: list[float], group: int, seeds: range = range(40)) -> list[list[float]]:
    """Present tags and classes of the completed codes, a row for each seed."""
    rows = len(seeds)
    asked = Condition(tags_BT=torch.tensor([tags] * rows), attributes_BA=torch.tensor([[group]] * rows))
    full = completed(code(asked, WORDS), code(FACES, WORDS), WORDS, Noise(seeds))
    assert (full.sum(1) == 3).all()
    return full[:, :5].tolist()


def test_what_is_given() -> None:
    asked = Condition(
        tags_BT=torch.tensor([[torch.nan, 0.0], [1.0, torch.nan]]), attributes_BA=torch.tensor([[-1], [1]])
    )
    assert given(code(asked, WORDS), WORDS).int().tolist() == [[0, 0, 0, 0, 1, 0, 1], [1, 1, 1, 1, 0, 1, 0]]


def test_open_labels_are_those_of_faces_that_agree() -> None:
    nan = torch.nan
    assert all(row == [1, 0, 0, 1, 0] for row in filled([nan, nan], 0))
    assert all(row == [0, 1, 0, 0, 0] for row in filled([0.0, 0.0], -1))
    both = {tuple(row) for row in filled([nan, 1.0], -1)}
    assert both == {(0, 0, 1, 0, 1), (0, 0, 1, 1, 1)}, "seeds draw among all that agree"
    assert len({tuple(row) for row in filled([nan, nan], -1)}) == 4


def test_what_was_asked_stays_even_where_no_face_has_it() -> None:
    assert all(row[:3] == [0, 1, 0] and row[3:] == [1, 1] for row in filled([1.0, 1.0], 1))


def test_a_seed_chooses_alone() -> None:
    nan = torch.nan
    assert filled([nan, nan], -1, range(5, 6)) == filled([nan, nan], -1)[5:6]


def test_nothing_remembered_leaves_everything_open() -> None:
    asked = code(Condition(tags_BT=torch.tensor([[torch.nan, 1.0]]), attributes_BA=torch.tensor([[-1]])), WORDS)
    assert torch.equal(completed(asked, torch.zeros(4, WORDS.codes), WORDS, Noise([1])), asked)
