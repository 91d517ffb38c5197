import copy
import shutil
from typing import Any

import lightning as L
import pytest
import torch
import yaml
from lightning.pytorch.cli import LightningCLI
from PIL import Image
from torch import nn

from anime_gen.contract import GenerativeModule, UserError
from anime_gen.data import AnimeFaces, Folder, PaintedFaces
from anime_gen.data.manifest import hashed_split
from anime_gen.data.source import SPLITS


class Watcher(GenerativeModule):
    """Learns nothing; keeps which pictures it was shown."""

    def __init__(self, image_size: int = 8, num_tags: int = 0, needs: tuple[str, ...] = ()) -> None:
        super().__init__(image_size)
        self.num_tags = num_tags
        self.weight = nn.Parameter(torch.zeros(()))
        self._needs = frozenset(needs)
        self.seen: list[list[int]] = []
        self.sums: list[float] = []
        self.scored: list[int] = []

    def needs_for(self, settings: Any) -> frozenset[str]:
        return self._needs

    @property
    def averaged(self) -> nn.Module:
        return self

    def generate(self, condition: Any, noise: Any, settings: Any, preview: Any) -> Any:
        raise NotImplementedError

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        told = set(batch.condition)
        assert told == self._needs
        self.seen.append(batch.index_B.tolist())
        self.sums.append(float((batch.image_BCHW * torch.arange(self.image_size)).sum()))
        return {"loss": self.weight * 0}

    def validation_step(self, batch: Any, batch_idx: int) -> Any:
        self.scored += batch.index_B.tolist()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


def data(faces, **settings) -> AnimeFaces:
    return AnimeFaces(**{"source": Folder(faces), "image_size": 8, "batch_size": 16, **settings})


def fit(module, datamodule, tmp_path, **settings):
    ckpt_path = settings.pop("ckpt_path", None)
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        default_root_dir=tmp_path,
        **{"enable_checkpointing": False, **settings},
    )
    trainer.fit(module, datamodule, ckpt_path=ckpt_path)
    return trainer


def test_needs_decide_what_is_built(faces, tmp_path):
    fit(Watcher(32), AnimeFaces(PaintedFaces(60), 32, 16), tmp_path, max_epochs=1)
    built = {path.name.split("-")[0] for path in (tmp_path / "cache" / "packs").rglob("*.npy")}
    labels = {"tags", "attributes", "landmarks", "visible"}
    assert built == {"image", "readable"} | labels, "real pictures are scored with their labels"
    assert {path.name.split("-")[0] for path in (tmp_path / "cache" / "packs").iterdir()} == {"train", "validation"}
    needs = ("landmarks_BK2", "sketch_B1HW", "attributes_BA")
    fit(Watcher(32, needs=needs), AnimeFaces(PaintedFaces(60), 32, 16), tmp_path, max_epochs=1)
    built = {path.name.split("-")[0] for path in (tmp_path / "cache" / "packs").rglob("*.npy")}
    assert built == {"image", "readable", "sketch"} | labels
    train = next(folder for folder in (tmp_path / "cache" / "packs").iterdir() if folder.name.startswith("train"))
    assert "tags" not in {path.name.split("-")[0] for path in train.rglob("*.npy")}


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_is_images_and_the_stream_goes_on(faces, tmp_path, workers):
    module, datamodule = Watcher(), data(faces, epoch_images=48, num_workers=workers)
    fit(module, datamodule, tmp_path, max_epochs=5)
    assert len(module.seen) == 5 * 3
    train, validation = datamodule.count("train"), datamodule.count("validation")
    stream = [index for batch in module.seen for index in batch]
    for start in range(0, 240 - train, train):
        assert sorted(stream[start : start + train]) == list(range(train))
    assert module.scored == 5 * list(range(validation))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [2, 3, 5])
def test_a_resumed_run_shows_what_the_uninterrupted_one_shows(faces, tmp_path, stop, workers, recwarn):
    class Save(L.Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == stop:
                trainer.save_checkpoint(tmp_path / "half.ckpt")

    whole, rest = Watcher(), Watcher()
    fit(whole, data(faces, epoch_images=48, num_workers=workers), tmp_path, max_epochs=3, callbacks=[Save()])
    again = data(faces, epoch_images=48, num_workers=workers)
    fit(rest, again, tmp_path, max_epochs=3, ckpt_path=tmp_path / "half.ckpt")
    assert rest.seen == whole.seen[stop:]
    assert rest.sums == whole.sums[stop:]
    assert not [warning for warning in recwarn if "not resumable" in str(warning.message)]


def test_a_limited_epoch_is_followed_by_the_next_pictures(faces, tmp_path):
    module, datamodule = Watcher(), data(faces, score_images=10)
    fit(module, datamodule, tmp_path, max_epochs=4, limit_train_batches=2)
    stream = [index for batch in module.seen for index in batch]
    assert len(stream) == 4 * 32
    assert sorted(stream[: datamodule.count("train")]) == list(range(datamodule.count("train")))
    assert module.scored == 4 * list(range(10))


class Ranked:
    """As much of a trainer as the loaders ask for."""

    limit_train_batches = 1.0
    state = type("State", (), {"fn": "fit"})

    def __init__(self, rank, world, module):
        self.global_rank, self.world_size, self.lightning_module = rank, world, module


def ranked(datamodule, rank, world):
    mine = copy.copy(datamodule)
    mine.trainer = Ranked(rank, world, Watcher())
    return mine


def test_ranks_share_global_batches_and_evaluation_rows(faces):
    one = data(faces)
    alone = list(one.train_dataloader())
    ranks = [ranked(one, rank, 4) for rank in range(4)]
    for batch, parts in zip(alone, zip(*(r.train_dataloader() for r in ranks), strict=True), strict=True):
        assert torch.equal(batch.image_BCHW, torch.cat([part.image_BCHW for part in parts]))
        assert torch.equal(batch.index_B, torch.cat([part.index_B for part in parts]))
    seen = [i for r in ranks for batch in r.loader("train", frozenset(), 37) for i in batch.index_B.tolist()]
    assert sorted(seen) == list(range(37))
    with pytest.raises(UserError, match="make it a multiple of 3"):
        ranked(one, 0, 3).train_dataloader()


def test_too_few_pictures(faces, tmp_path):
    few = data(faces, batch_size=100)
    with pytest.raises(
        UserError, match=r"training pictures are fewer than one batch of 100: add pictures or set data.b"
    ):
        fit(Watcher(), few, tmp_path, max_epochs=1)
    (faces / "manifest.csv").write_text(
        "file,split\n" + "".join(f"{i:03}.png,{'train' if i > 12 else 'validation'}\n" for i in range(0, 120, 2))
    )
    with pytest.raises(UserError, match=r"7 validation pictures are too few to score: at least 8"):
        fit(Watcher(), data(faces), tmp_path, max_epochs=1)


def test_a_part_that_the_data_has_not(faces, tmp_path):
    with pytest.raises(UserError, match=r"needs landmarks_BK2, tags_BT, which Folder has not"):
        fit(Watcher(needs=("tags_BT", "landmarks_BK2")), data(faces), tmp_path, max_epochs=1)
    with pytest.raises(UserError, match=r"give their folder as data\.other_domain"):
        fit(Watcher(needs=("source_BCHW",)), data(faces), tmp_path, max_epochs=1)


def test_another_domain(faces, tmp_path):
    module = Watcher(32, needs=("source_BCHW",))
    fit(module, data(faces, other_domain=PaintedFaces(60), image_size=32, epoch_images=16), tmp_path, max_epochs=1)
    shown = data(faces, other_domain=PaintedFaces(60), image_size=32)
    dataset = shown._evaluation("validation", frozenset({"source_BCHW"}))
    assert dataset.__getitems__(range(5)).condition.source_BCHW.shape == (5, 3, 32, 32)
    other = shown.record("validation")["other_domain"]
    assert other["class"] == "PaintedFaces"
    assert other["pictures"] == {"validation": 9}
    (faces / "manifest.csv").write_text("file,split\n000.png,train\n")
    one_sided = data(faces, source=PaintedFaces(60), other_domain=Folder(faces))
    with pytest.raises(UserError, match=r"data\.other_domain has no validation pictures: add some"):
        fit(Watcher(needs=("source_BCHW",)), one_sided, tmp_path, max_epochs=1)


def test_a_checkpoint_of_other_words_is_refused(faces, tmp_path):
    def labelled(words):
        rows = "".join(f"{i:03}.png,{words[i // 2 % 2]},{'train' if i < 90 else 'val'}\n" for i in range(0, 120, 2))
        (faces / "manifest.csv").write_text(f"file,hair,split\n{rows}")
        return data(faces)

    trainer = fit(Watcher(), labelled(["red", "gray"]), tmp_path, max_epochs=1)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    fit(Watcher(), labelled(["grey", "red"]), tmp_path, max_epochs=2, ckpt_path=tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="other words than the data has: classes of hair gone: red, new: blue"):
        fit(Watcher(), labelled(["grey", "blue"]), tmp_path, max_epochs=2, ckpt_path=tmp_path / "a.ckpt")


def test_a_run_that_goes_on_with_other_pictures_says_so(faces, tmp_path, caplog):
    before = data(faces)
    fit(Watcher(), before, tmp_path, max_epochs=1).save_checkpoint(tmp_path / "a.ckpt")
    count = before.count("train")
    fit(Watcher(), data(faces), tmp_path, max_epochs=2, ckpt_path=tmp_path / "a.ckpt")
    assert "have changed" not in caplog.text
    for name in before.names("train")[:3]:
        (faces / name).unlink()
    fit(Watcher(), data(faces), tmp_path, max_epochs=2, ckpt_path=tmp_path / "a.ckpt")
    [line] = [record.getMessage() for record in caplog.records if "have changed" in record.getMessage()]
    assert f"({count} pictures then, {count - 3} now): it goes on with those that there are" in line


def test_showcase_captions_and_record(faces):
    painted = AnimeFaces(PaintedFaces(60), 32, 16)
    assert painted.showcase(4).tags_BT is None
    painted.trainer = Ranked(0, 1, Watcher(32, needs=("tags_BT", "visible_BK")))
    assert painted.showcase(4).tags_BT.shape == (4, painted.num_tags)
    assert painted.showcase(100).visible_BK.shape == (9, 24)
    assert len(painted.captions("validation")) == painted.count("validation") == 9
    record = painted.record("validation")
    assert record["pictures"] == {"validation": 9}
    assert yaml.safe_load(yaml.safe_dump(record)) == record
    other = AnimeFaces(PaintedFaces(60, seed=1), 32, 16, mirror=False)
    assert record["key"] != other.record("validation")["key"]
    assert (painted.presentation()["mirror"], other.presentation()["mirror"]) == (True, False)


def test_the_record_is_of_the_content(faces, tmp_path):
    def record(folder):
        return data(folder).record(*SPLITS)

    (faces / "000.png").write_text("broken")
    first = record(faces)
    assert sum(first["pictures"].values()) == 119
    shutil.copytree(faces, tmp_path / "copy", copy_function=shutil.copyfile)
    assert record(tmp_path / "copy")["key"] == record(faces)["key"] == first["key"]
    split = hashed_split("002.png")
    Image.new("RGB", (24, 24)).save(faces / "002.png")
    assert {s for s in SPLITS if record(faces)["key"][s] != first["key"][s]} == {split}
    (faces / "002.png").rename(faces / "002.PNG")
    assert record(faces)["key"] != first["key"]


def test_settings_that_make_no_sense(faces):
    with pytest.raises(UserError, match=r"data\.batch_size is 0"):
        data(faces, batch_size=0)
    for setting, message in (
        ({"score_images": 1}, r"data\.score_images is 1: it must be at least 2"),
        ({"num_workers": -1}, r"data\.num_workers is -1: it must be at least 0"),
        ({"image_size": 100_000}, r"data\.image_size is 100000: it must be at most 4096"),
    ):
        with pytest.raises(UserError, match=message):
            data(faces, **setting)
    with pytest.raises(UserError, match="20 is the least"):
        PaintedFaces(3)


def test_a_split_that_cannot_be_scored(faces):
    rows = "".join(f"{i:03}.png,{'validation' if i == 4 else 'train'}\n" for i in range(0, 120, 2))
    (faces / "manifest.csv").write_text(f"file,split\n{rows}")
    module = ranked(data(faces), 0, 1)
    with pytest.raises(UserError, match="0 test pictures are too few to score: at least 2"):
        module.test_dataloader()
    with pytest.raises(UserError, match="1 validation pictures are too few to score: at least 2"):
        module.val_dataloader()


def cli(config, tmp_path) -> LightningCLI:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))

    class Linked(LightningCLI):
        def add_arguments_to_parser(self, parser):
            for name in ("image_size", "num_tags"):
                parser.link_arguments(f"data.{name}", f"model.{name}", apply_on="instantiate")

    return Linked(
        Watcher,
        AnimeFaces,
        run=False,
        save_config_callback=None,
        args=["--config", str(tmp_path / "config.yaml")],
    )


def test_the_command_line_makes_it_from_yaml(faces, tmp_path):
    settings = {
        "source": {"class_path": "anime_gen.data.Folder", "init_args": {"path": str(faces), "min_tag_count": 1}},
        "image_size": 16,
        "cache_dir": str(tmp_path / "elsewhere"),
    }
    (faces / "manifest.csv").write_text("file,tags\n000.png,smile\n002.png,hat\n")
    made = cli({"data": settings}, tmp_path)
    assert isinstance(made.datamodule.source, Folder)
    assert made.datamodule.source.cache == tmp_path / "elsewhere"
    assert made.model.image_size == 16
    assert made.model.num_tags == 2
    # Nothing was decoded to find that out.
    assert not (tmp_path / "elsewhere" / "packs").exists()


def test_the_command_line_makes_painted_faces_by_default(tmp_path):
    made = cli({"data": {"batch_size": 8}}, tmp_path)
    assert isinstance(made.datamodule.source, PaintedFaces)
    assert made.model.num_tags == made.datamodule.num_tags > 50
    assert made.datamodule.num_landmarks == 24
    made = cli(
        {"data": {"source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 40}}}}, tmp_path
    )
    assert made.datamodule.source.number == 40


def test_what_is_trained_beside_goes_on_where_it_was(faces):
    wanted = frozenset[str]()
    whole = list(data(faces).stream(wanted, 64, 16))
    rest = list(data(faces).stream(wanted, 64, 16, start=32))
    assert [batch.index_B.tolist() for batch in rest] == [batch.index_B.tolist() for batch in whole[2:]]
    assert all(torch.equal(a.image_BCHW, b.image_BCHW) for a, b in zip(rest, whole[2:], strict=True))


def test_what_a_stream_follows_from(faces):
    told = data(faces).stream_record()
    assert data(faces).stream_record() == told
    for other in ({"seed": 1}, {"mirror": False}, {"image_size": 16}):
        assert data(faces, **other).stream_record() != told
