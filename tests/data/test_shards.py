"""Shards show what the folder shows that they were written of: the same batches, on any number of ranks and workers."""

import json
import os
import pickle
import shutil
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.data import AnimeFaces, ChosenTags, Folder, Shards
from anime_gen.data.shards import write_shards
from anime_gen.data.source import SPLITS
from anime_gen.vocabulary import LANDMARKS

PARTS = frozenset({"tags_BT", "tag_confidence_BT", "attributes_BA", "landmarks_BK2", "visible_BK", "caption_BL"})


@pytest.fixture
def labelled(faces):
    """The folder with every kind of label, and a broken picture."""
    names = [f"{place}{number:03}.png" for number in range(120) for place in (["", "more/"][number % 2],)]
    header = ["file", "tags", "caption", "hair", *(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")]
    lines = [",".join(header)]
    for number, name in enumerate(names):
        tags = "smile;hat" if number % 3 else "hat"
        points = ",".join(str(round(0.2 + 0.001 * (number + k), 4)) for k in range(2 * len(LANDMARKS)))
        lines.append(f'{name},"{tags.replace(";", ", ")}",a face {number},{"red" if number % 2 else "blue"},{points}')
    (faces / "manifest.csv").write_text("\n".join(lines) + "\n")
    (faces / "more/017.png").write_bytes((faces / "more/017.png").read_bytes()[:40])
    Image.new("RGB", (30, 20), (9, 200, 3)).save(faces / "more/019.png")  # no square
    return faces


@pytest.fixture
def shards(labelled, tmp_path):
    place = tmp_path / "shards"
    written = write_shards(Folder(labelled), place, megabytes=1)
    assert sum(written.counts.values()) == 119
    assert [line.split(":")[0] for line in written.broken] == ["more/017.png"]
    return place


def batches(source, split, parts=PARTS, workers=0, size=8):
    data = AnimeFaces(source, image_size=size, batch_size=16, num_workers=workers)
    loader = data.stream(parts, 64, 16) if split == "train" else data.loader(split, parts, None)
    return list(loader)


def test_batches_are_the_folders_bit_for_bit(labelled, shards):
    ours, folder = Shards(str(shards)), Folder(labelled)
    assert ours.vocabulary == folder.vocabulary
    assert ours.parts == folder.parts
    for split in SPLITS:
        # The packed path numbers the broken picture, too.
        for one, other in zip(batches(ours, split), batches(folder, split), strict=True):
            torch.testing.assert_close(one.image_BCHW, other.image_BCHW, rtol=0, atol=0)
            for part in PARTS:
                a, b = getattr(one.condition, part), getattr(other.condition, part)
                torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
        data = [AnimeFaces(source, image_size=8) for source in (ours, folder)]
        assert data[0].names(split) == data[1].names(split)
        assert data[0].captions(split) == data[1].captions(split)


def test_sketches_and_other_sizes_are_made_of_the_same_files(labelled, shards):
    for one, other in zip(
        batches(Shards(str(shards)), "test", frozenset({"sketch_B1HW"}), size=20),
        batches(Folder(labelled), "test", frozenset({"sketch_B1HW"}), size=20),
        strict=True,
    ):
        torch.testing.assert_close(one.image_BCHW, other.image_BCHW, rtol=0, atol=0)
        torch.testing.assert_close(one.condition.sketch_B1HW, other.condition.sketch_B1HW, rtol=0, atol=0)


def test_an_address_is_read_range_by_range_and_keeps_nothing(shards, tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_OPTIMIZER_CACHE_FOLDER", str(tmp_path / "litdata"))
    here, there = batches(Shards(str(shards)), "train"), batches(Shards(f"local://{shards}"), "train")
    for one, other in zip(here, there, strict=True):
        torch.testing.assert_close(one.image_BCHW, other.image_BCHW, rtol=0, atol=0)
    assert not list(tmp_path.glob("litdata/**/*.bin"))


def test_workers_and_ranks_see_each_picture_once(shards, monkeypatch):
    source = Shards(str(shards))
    assert [batch.index_B.tolist() for batch in batches(source, "train", workers=2)] == [
        batch.index_B.tolist() for batch in batches(source, "train")
    ]
    seen = []
    for rank in range(3):
        data = AnimeFaces(source, image_size=8, batch_size=16)
        monkeypatch.setattr(data, "_place", lambda rank=rank: (rank, 3))
        seen += [row for batch in data.loader("test", PARTS, None) for row in batch.index_B.tolist()]
    assert sorted(seen) == list(range(source.count("test")))


def test_a_process_opens_them_itself(shards):
    """Forked or sent: it must not inherit what another one opened."""
    column = Shards(str(shards)).streamed("train", 8).open({"image"})["image"]
    before = column[np.arange(4)]
    with get_context("fork").Pool(1) as pool:
        assert (pool.apply(column.__getitem__, (np.arange(4),)) == before).all()
    assert (pickle.loads(pickle.dumps(column))[np.arange(4)] == before).all()


def test_chosen_tags_of_shards(shards):
    data = AnimeFaces(ChosenTags(Shards(str(shards)), ["hat", "cat ears"]), image_size=8, batch_size=16)
    (batch, *_) = data.stream(frozenset({"tags_BT"}), 16, 16)
    assert batch.condition.tags_BT[:, 0].eq(1).all()
    assert batch.condition.tags_BT[:, 1].isnan().all()


def test_nothing_is_scanned_to_begin(shards, monkeypatch):
    source = Shards(str(shards))
    asked = []
    opened = type(source.reader("train")).item
    monkeypatch.setattr(type(source.reader("train")), "item", lambda self, row: asked.append(row) or opened(self, row))
    data = AnimeFaces(source, image_size=8, batch_size=16)
    assert data.count("train") == source.count("train")
    data.content("train")
    next(iter(data.stream(PARTS, 64, 16)))
    assert len(asked) == 16


def edited(shards, split, change):
    path = shards / split / "index.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def test_what_could_run_code_is_not_read(shards):
    edited(shards, "train", lambda index: index["config"].update(data_format=["bytes", "bytes", "pickle", "bytes"]))
    with pytest.raises(UserError, match="holds more than bytes"):
        batches(Shards(str(shards)), "train")
    edited(shards, "test", lambda index: index["chunks"][0].update(filename="../../elsewhere.bin"))
    with pytest.raises(UserError, match="holds more than bytes"):
        batches(Shards(str(shards)), "test")


def test_damage_is_one_line(shards, labelled, tmp_path):
    for name, content, message in (
        ("none.json", None, "there is no "),
        ("shards.json", b"{", "cannot be read"),
        ("shards.json", b"[]", "is damaged"),
        ("shards.json", b'{"form": 2}', "is of form 2, not 1"),
        ("shards.json", b'{"form": 1}', "is damaged"),
        ("train/index.json", b"{}", "is damaged"),
        ("train/chunk-0-0.bin", b"", "cannot be read"),
    ):
        copy = tmp_path / "copy"
        shutil.copytree(shards, copy)
        if content is None:
            shutil.rmtree(copy)
        else:
            (copy / name).write_bytes(content)
        with pytest.raises(UserError, match=message):
            batches(Shards(str(copy)), "train")
        shutil.rmtree(copy, ignore_errors=True)
    with pytest.raises(UserError, match="is there already: give a new folder"):
        write_shards(Folder(labelled), shards)
    with pytest.raises(UserError, match=r"holds shards: say --data\.source=anime_gen\.data\.Shards"):
        Folder(shards).count("train")
    with pytest.raises(UserError, match=r"data\.flatten_words counts the words of all pictures"):
        AnimeFaces(Shards(str(shards)), image_size=8, batch_size=8, flatten_words=True).train_dataloader()


def test_a_stopped_writer_leaves_nothing(labelled, tmp_path, monkeypatch):
    from anime_gen.data import shards

    def stop(*rest):
        raise KeyboardInterrupt

    monkeypatch.setattr(shards, "decode", stop)
    with pytest.raises(KeyboardInterrupt):
        write_shards(Folder(labelled), tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("out")]


@pytest.mark.parametrize("workers", [0, 1])
def test_shards_that_go_are_one_line_from_any_process(shards, workers):
    data = AnimeFaces(Shards(str(shards)), image_size=8, batch_size=8, num_workers=workers)
    next(iter(data.stream(PARTS, 64, 8)))
    later = data.stream(PARTS, 64, 8)
    shutil.rmtree(shards / "train")
    with pytest.raises(UserError, match=r"^(there is no \S+: |\S+: picture \d+ cannot be read )[^\n]*$"):
        list(later)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_chunk_that_is_cut_while_it_is_read_is_one_line(shards, workers):
    data = AnimeFaces(Shards(str(shards)), image_size=8, batch_size=1, num_workers=workers)
    batches = iter(data.stream(PARTS, 64, 1))
    next(batches)
    os.truncate(shards / "train/chunk-0-0.bin", 10)
    with pytest.raises(UserError, match=r"^\S+train/chunk-0-0\.bin was cut short: copy the shards anew$"):
        list(batches)
