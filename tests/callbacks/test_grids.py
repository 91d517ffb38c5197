"""A grid has a row for each condition there is."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from anime_gen.callbacks import Grids
from anime_gen.contract import Condition
from anime_gen.vocabulary import Vocabulary


class Family:
    """Makes pictures of one shade each, that of their seed."""

    image_size = 8
    device = torch.device("cpu")

    def __init__(self, *needs: str) -> None:
        self.needs = frozenset(needs)

    def sample(self, condition, seeds):
        for part in condition:
            assert part is None or len(part) == len(seeds)
        return (torch.tensor(seeds)[:, None, None, None] / 127.5 - 1).expand(-1, 3, 8, 8)


def trainer(shown, rank=0, world=1):
    data = SimpleNamespace(showcase=shown, vocabulary=Vocabulary(["smile"], {}))
    return SimpleNamespace(
        datamodule=data,
        precision_plugin=SimpleNamespace(forward_context=nullcontext),
        strategy=SimpleNamespace(reduce=lambda part, reduce_op: part),
        global_rank=rank,
        world_size=world,
    )


def told(n):
    return Condition(tags_BT=torch.ones(min(n, 3), 1))


def test_fewer_validation_pictures_than_rows():
    told_few, untold = trainer(told), trainer(lambda n: Condition())
    family = Family("tags_BT")
    few = Grids(rows=16, columns=2).draw(*Grids(rows=16, columns=2).pictures(told_few, family), told_few, family)
    assert (
        few.height
        == Grids(rows=3, columns=2).draw(*Grids(rows=3, columns=2).pictures(told_few, family), told_few, family).height
    )
    pictures, _ = Grids(rows=16, columns=2).pictures(untold, Family())
    assert len(pictures) == 32  # nothing is told: seeds enough


def test_rows_are_told_the_same_and_columns_have_their_seeds():
    pictures, shown = Grids(rows=3, columns=4).pictures(trainer(told), Family("tags_BT"))
    assert pictures[:, 0, 0, 0].tolist() == [0, 1, 2, 3] * 3
    assert shown.tags_BT.shape == (3, 1)
    assert Grids(rows=2, columns=3).pictures(trainer(told), Family())[0][:, 0, 0, 0].tolist() == list(range(6))


@pytest.mark.parametrize("world", [2, 3, 5])
def test_ranks_draw_a_part_each(world):
    family, grids = Family("tags_BT"), Grids(rows=1, columns=4)
    parts = [grids.pictures(trainer(told, rank, world), family)[0].int() for rank in range(world)]
    assert torch.equal(sum(parts), grids.pictures(trainer(told), family)[0].int())
