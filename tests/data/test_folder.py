import errno
import json
import logging
import os

import numpy as np
import pytest
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.data.folder import Folder, labels_of
from anime_gen.data.pack import Pack, report_unreadable
from anime_gen.data.source import OF_ANY_PICTURE, SPLITS
from anime_gen.vocabulary import LANDMARKS


def names(folder: Folder) -> dict[str, list[str]]:
    return {split: [folder.name(split, row) for row in range(folder.count(split))] for split in SPLITS}


def test_a_plain_folder_is_split_by_name_and_has_no_labels(faces):
    folder = Folder(faces)
    listed = names(folder)
    everything = [name for split in SPLITS for name in listed[split]]
    assert len(set(everything)) == len(everything) == 120
    assert folder.parts == OF_ANY_PICTURE  # such as lines
    assert folder.vocabulary.tags == ()
    # Adding pictures moves no other picture to another split.
    Image.new("RGB", (9, 9)).save(faces / "zzz.JPEG")
    (faces / "._000.png").write_bytes(b"a Mac leaves these")
    (faces / "notes.txt").write_text("not a picture")
    grown = names(Folder(faces))
    assert sum(map(len, grown.values())) == 121
    assert all(set(listed[split]) <= set(grown[split]) for split in SPLITS)


def test_pictures_are_those_of_the_files(faces):
    pack = Pack(Folder(faces), "train", 16)
    pixels = pack.open({"image"})["image"]
    numbers = [int(pack.source.name("train", row)[-7:-4]) for row in range(len(pixels))]
    np.testing.assert_array_equal(pixels[:, 8, 8, 0], numbers)


def test_broken_files_are_named_skipped_and_counted(faces, caplog):
    for name in ("000.png", "002.png", "more/001.png"):
        (faces / name).write_bytes((faces / name).read_bytes()[:60])
    (faces / "004.png").write_text("not a picture at all")
    (faces / "manifest.csv").write_text("file,split\n" + "".join(f"{i:03}.png,train\n" for i in range(0, 120, 2)))
    pack = Pack(Folder(faces), "train", 8)
    readable = pack.open({"image", "readable"})["readable"]
    assert np.flatnonzero(~readable).tolist() == [0, 1, 2]
    for name in ("000.png", "002.png", "004.png"):
        assert f"skipped {name}: " in caplog.text


def test_mostly_broken_is_an_error_and_leaves_nothing(faces):
    for path in faces.rglob("*.png"):
        path.write_text("oops")
    pack = Pack(Folder(faces), "train", 8)
    with pytest.raises(UserError, match=r"files of the train split could not be read \(first: .*\.png"):
        pack.open({"image", "readable"})
    assert not list(pack.folder.glob("*.npy*"))


def test_a_pipe_is_no_picture_and_is_not_waited_for(faces, caplog):
    os.mkfifo(faces / "pipe.png")
    assert sum(map(len, names(Folder(faces)).values())) == 120
    assert "pipe.png (no file)" in caplog.text


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(UserError, match="does not exist: check the path"):
        Folder(tmp_path / "nowhere").count("train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="there are no pictures in"):
        Folder(tmp_path / "empty").count("train")


def test_files_that_the_manifest_names_but_are_not_there(faces, caplog):
    (faces / "manifest.csv").write_text("file\n000.png\nmore/001.png\ngone.png\n")
    assert sum(map(len, names(Folder(faces)).values())) == 2
    assert "1 of 3 files of the manifest are not in" in caplog.text
    assert "gone.png" in caplog.text
    (faces / "manifest.csv").write_text("file\ngone.png\n")
    with pytest.raises(UserError, match=r"none of the 1 files of the manifest is in .* \(first: gone.png\)"):
        Folder(faces).count("train")


def test_words_and_parts_are_those_of_the_pictures_that_are_there(faces):
    points = ",".join(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
    there, gone = ",".join([""] * 48), ",".join(["0.5"] * 48)
    (faces / "manifest.csv").write_text(
        f"file,tags,hair,{points}\n000.png,hat,red,{there}\ngone.png,fang,blue,{gone}\n"
    )
    folder = Folder(faces, min_tag_count=1)
    assert folder.vocabulary.as_dict() == {"tags": ["hat"], "attributes": {"hair": ["red"]}}
    assert folder.parts == {
        "tags_BT", "tag_confidence_BT", "attributes_BA", "attribute_confidence_BA", "caption_BL", *OF_ANY_PICTURE,
    }  # fmt: skip


def test_pictures_without_a_row_are_counted(faces, caplog):
    (faces / "manifest.csv").write_text("file\n" + "".join(f"{i:03}.png\n" for i in range(2, 120, 2)))
    assert sum(map(len, names(Folder(faces)).values())) == 59
    assert (
        f"61 of 120 pictures in {faces} have no row in {faces}/manifest.csv and are left out: 000.png, " in caplog.text
    )


def test_pictures_without_a_json_file_stay(faces, caplog):
    (faces / "004.json").write_text('{"tags": ["hat"]}')
    folder = Folder(faces, min_tag_count=1)
    assert sum(map(len, names(folder).values())) == 120
    assert folder.vocabulary.tags == ("hat",)
    assert "left out" not in caplog.text


@pytest.mark.parametrize("loop", ["again", "more/up"])
def test_a_folder_that_links_lead_back_to_is_read_once(faces, loop):
    plain = names(Folder(faces))
    (faces / loop).symlink_to(faces)
    (faces / "a copy of more").symlink_to(faces / "more")
    assert names(Folder(faces)) == plain
    # Links to other folders are followed.
    elsewhere = faces.parent / "elsewhere"
    elsewhere.mkdir()
    Image.new("RGB", (9, 9)).save(elsewhere / "a.png")
    (faces / "linked").symlink_to(elsewhere)
    assert sum(map(len, names(Folder(faces)).values())) == 121


def test_what_cannot_be_opened_is_named(faces, caplog, monkeypatch):
    (faces / "lost.png").symlink_to(faces / "nowhere.png")
    (faces / "shut").mkdir()
    scandir = os.scandir

    def guarded(path):
        if str(path).endswith("shut"):  # as for a user who may not, which root never is
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert sum(map(len, names(Folder(faces)).values())) == 120
    expected = "lost.png (No such file or directory), shut (Permission denied)"
    assert f"skipped 2 files or folders in {faces}: {expected}" in caplog.text


def test_one_rank_warns_for_all(faces, caplog, monkeypatch):
    (faces / "lost.png").symlink_to(faces / "nowhere.png")
    (faces / "000.png").write_text("broken")
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    folder = Folder(faces)
    for split in SPLITS:
        report_unreadable(folder, split, np.zeros(folder.count(split), bool))
    assert caplog.text == ""


def test_an_empty_colour_says_nothing_about_the_tags_of_that_colour(faces):
    (faces / "labels.csv").write_text("file,hair,eye\n000.png,red,\n002.png,blue,aqua\n004.png,,aqua\n006.png,,\n")
    folder = Folder(faces, min_tag_count=1)
    assert folder.vocabulary.tags == ("aqua eyes", "blue hair", "red hair")
    tags = {}
    for split in SPLITS:
        tags |= dict(zip(names(folder)[split], folder.fill(split, range(4), {"tags"}, 8).columns["tags"], strict=True))
    assert tags["000.png"].tolist() == [-1, 0, 1]
    assert tags["002.png"].tolist() == [1, 1, 0]
    assert tags["004.png"].tolist() == [1, -1, -1]
    assert tags["006.png"].tolist() == [-1, -1, -1]


def test_a_manifest_elsewhere_and_its_labels(faces, tmp_path):
    points = ",".join(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
    values = ",".join(["0.25", "0.75"] * 24)
    (tmp_path / "mine.csv").write_text(
        f"file,split,tags,hair,{points}\n"
        f'000.png,train,"smile, gray_hair",gray,{values}\n'
        f"002.png,train,,,{',' * 47}\n"
        f"004.png,train,hat,blue,{values}\n"
    )
    folder = Folder(faces, tmp_path / "mine.csv", min_tag_count=1)
    labels = {"tags_BT", "attributes_BA", "landmarks_BK2", "visible_BK", "caption_BL"}
    assert folder.parts == labels | OF_ANY_PICTURE | {"tag_confidence_BT", "attribute_confidence_BA"}
    assert folder.vocabulary.tags == ("grey hair", "hat", "smile")
    columns = Pack(folder, "train", 8).open({"tags", "attributes", "landmarks", "visible"})
    assert columns["tags"].tolist() == [[1, 0, 1], [-1, -1, -1], [0, 1, 0]]
    assert columns["attributes"].tolist() == [[1], [-1], [0]]
    assert (columns["landmarks"][0] == (0.25, 0.75)).all()
    assert np.isnan(columns["landmarks"][1]).all()
    assert columns["visible"].all(1).tolist() == [True, False, True]


def test_landmarks_follow_the_crop(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    landmarks = [[100, 50], [60, 10], [40, 50], *[[140, 90]] * 21]
    (tmp_path / "a.json").write_text(json.dumps({"landmarks": landmarks}))
    folder = Folder(tmp_path)
    (split,) = [split for split in SPLITS if folder.count(split)]
    columns = Pack(folder, split, 8).open({"landmarks", "visible"})
    np.testing.assert_allclose(columns["landmarks"][0][[0, 1, 3]], [[0.5, 0.5], [0.1, 0.1], [0.9, 0.9]], atol=1e-6)
    # 40 of 200 pixels is left of the square.
    assert np.isnan(columns["landmarks"][0, 2]).all()
    assert columns["visible"][0].tolist() == [True, True, False, *[True] * 21]


def test_other_labels_are_converted_once_into_the_cache(faces, caplog):
    (faces / "labels.csv").write_text("file,hair\n" + "".join(f"{i:03}.png,gray\n" for i in range(120)))
    before = sorted(faces.rglob("*"))
    with caplog.at_level(logging.WARNING):
        assert Folder(faces).vocabulary.tags == ("grey hair",)
        assert Folder(faces).vocabulary.attributes == {"hair": ("grey",)}
    assert caplog.text.count("those of labels.csv, converted to a manifest") == 1
    assert sorted(faces.rglob("*")) == before
    assert len(labels_of(faces).rows) == 120


def test_a_conversion_that_fails_names_the_source_and_is_not_kept(faces, monkeypatch):
    (faces / "labels.csv").write_text("file,hair\n000.png,red\n000.png,blue\n")
    with pytest.raises(UserError, match=r"/labels\.csv, line 3: 000.png was given already on line 2"):
        Folder(faces).count("train")

    def half(path, manifest):
        path.parent.mkdir(parents=True)
        path.write_text("half of it")

    (faces / "labels.csv").write_text("file,hair\n000.png,red\n")
    with monkeypatch.context() as patch:
        patch.setattr("anime_gen.data.folder.write_manifest", half)
        with pytest.raises(UserError):
            Folder(faces).count("train")
    assert Folder(faces).vocabulary.attributes == {"hair": ("red",)}
    monkeypatch.setattr("anime_gen.data.folder.CONVERSION", 99)
    assert Folder(faces).vocabulary.attributes == {"hair": ("red",)}
    assert len(list((Folder(faces).cache / "manifests").iterdir())) == 2


def test_a_file_name_in_bytes(faces):
    name = b"\xe9t\xe9.png".decode("utf-8", "surrogateescape")
    (faces / "000.png").rename(faces / name)
    (faces / "002.json").write_text('{"caption": "a girl"}')
    assert name in {file for listed in names(Folder(faces)).values() for file in listed}
    assert not list(Folder(faces).cache.rglob("*.tmp"))


def test_nothing_to_convert(faces):
    assert labels_of(faces) is None


def test_a_label_edit_does_not_decode_again_but_a_changed_picture_does(faces):
    def keys():
        return Folder(faces).picture_key("train"), Folder(faces).label_key("train")

    (faces / "manifest.csv").write_text("file,split,hair\n000.png,train,red\n002.png,train,blue\n")
    first = keys()
    (faces / "manifest.csv").write_text("file,split,hair\n000.png,train,red\n002.png,train,red\n")
    second = keys()
    Image.new("RGB", (30, 30)).save(faces / "000.png")
    third = keys()
    assert first[0] == second[0] != third[0]
    assert first[1] != second[1] == third[1]
