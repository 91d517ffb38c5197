"""A grid has a row for each condition there is."""

from contextlib import nullcontext
from types import SimpleNamespace

import torch

from anime_gen.callbacks import Grids
from anime_gen.contract import Condition
from anime_gen.vocabulary import Vocabulary


class Family:
    """Makes grey pictures, one for each seed and condition."""

    def __init__(self, *needs: str) -> None:
        self.needs = frozenset(needs)

    def sample(self, condition, seeds):
        for part in condition:
            assert part is None or len(part) == len(seeds)
        return torch.zeros(len(seeds), 3, 8, 8)


def test_fewer_validation_pictures_than_rows():
    data = SimpleNamespace(
        showcase=lambda n: Condition(tags_BT=torch.ones(min(n, 3), 1)), vocabulary=Vocabulary(["smile"], {})
    )
    trainer = SimpleNamespace(datamodule=data, precision_plugin=SimpleNamespace(forward_context=nullcontext))
    few = Grids(rows=16, columns=2).draw(trainer, Family("tags_BT"))
    assert few.height == Grids(rows=3, columns=2).draw(trainer, Family("tags_BT")).height
    data.showcase = lambda n: Condition()
    assert Grids(rows=16, columns=2).draw(trainer, Family()).height > few.height  # nothing is told: seeds enough
