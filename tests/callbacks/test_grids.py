"""A grid has a row for each condition there is."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import lightning as L
import pytest
import torch
from PIL import Image, ImageDraw

from anime_gen.callbacks import EMA, Grids
from anime_gen.cli.train import suite
from anime_gen.contract import Condition
from anime_gen.images import cut, fitted
from anime_gen.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parent.parent.parent


class Family:
    """Makes pictures of one shade each, that of their seed."""

    image_size = 8
    device = torch.device("cpu")

    def __init__(self, *needs: str, varies: bool = True) -> None:
        self.needs = frozenset(needs)
        self.varies = varies

    def sample(self, condition, seeds):
        assert all(len(part) == len(seeds) for part in condition.values())
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


def test_where_seeds_make_no_difference_each_photo_stands_beside_its_translation():
    photos = torch.linspace(-1, 1, 6)[:, None, None, None].expand(-1, 3, 8, 8)
    translator, run = Family("source_BCHW", varies=False), trainer(lambda n: Condition(source_BCHW=photos[:n]))
    grids = Grids(rows=3, columns=4)
    pictures, shown = grids.pictures(run, translator)
    assert pictures[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 0, 1], "the family draws its seeds"
    sheet = grids.draw(pictures, shown, run, translator)
    margin, rows = cut(sheet, 4, 8)
    assert margin.width == 0
    shades = [[picture.getpixel((0, 0))[0] for picture in row] for row in rows]
    assert shades == [[0, 0, 51, 1], [102, 2, 153, 3], [204, 0, 255, 1]]


class Watched(L.Callback):
    """How many grids there are after each batch."""

    def __init__(self) -> None:
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, *rest):
        self.seen.append(len(list((Path(trainer.default_root_dir) / "grids").glob("*.png"))))


@pytest.mark.parametrize("family", ["dcgan", "diffusion"])
def test_an_early_grid_changes_nothing_of_the_training(family, tmp_path):
    """Not even BatchNorm's statistics, which sampling measures anew."""
    found = {}
    for seconds in (0.0, 1e9):
        folder = tmp_path / str(seconds)
        yamls = ("-c", f"{ROOT}/experiments/shared.yaml", "-c", f"{ROOT}/experiments/family/{family}.yaml")
        small = ("--data.source.faces=200", "--data.image_size=16", "--data.batch_size=8", "--data.epoch_images=48",
                 "--trainer.precision=32-true")  # fmt: skip
        cli = suite([*yamls, *small], run=False)
        watched = Watched()
        run = L.Trainer(
            accelerator="cpu", max_epochs=1, limit_val_batches=0, use_distributed_sampler=False, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            default_root_dir=folder, callbacks=[EMA(), Grids(2, 2, early_seconds=seconds), watched],
        )  # fmt: skip
        torch.manual_seed(0)
        run.fit(cli.model, cli.datamodule)
        assert watched.seen == ([0] * 6 if seconds else [1] * 6), "once, and not at every batch"
        found[seconds] = {**cli.model.state_dict(), **run.callbacks[0].state_dict()["averaged"]}
        if not seconds:
            assert [path.name for path in (folder / "grids").iterdir()] == ["000000008.png"]
    for name, value in found[0.0].items():
        assert torch.equal(value, found[1e9][name]), name


@pytest.mark.parametrize(
    "words", ["smile", "blonde hair, red eyes, gender=female, style=retro, bangs", "x, " * 200, "w" * 5 + " i" * 60]
)
def test_what_a_row_is_told_fits_beside_it(words):
    font, said = fitted(words, 136, 92)
    left, _, right, bottom = ImageDraw.Draw(Image.new("L", (1, 1))).multiline_textbbox((0, 0), said, font)
    assert right - left <= 138
    assert bottom <= 92
    assert words.replace(" ", "").startswith(said.replace("\n", "").replace(" ", ""))
    assert font.size == 9 or len(said.split()) == len(words.split())  # cut off where nothing else helps
