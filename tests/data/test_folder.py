import json
import logging

import numpy as np
import pytest
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.data.folder import Folder, convert
from anime_gen.data.pack import Pack
from anime_gen.data.source import SPLITS
from anime_gen.vocabulary import LANDMARKS


def names(folder: Folder) -> dict[str, list[str]]:
    return {split: [folder.name(split, row) for row in range(folder.count(split))] for split in SPLITS}


def test_a_plain_folder_is_split_by_name_and_has_no_labels(faces):
    folder = Folder(faces)
    listed = names(folder)
    everything = [name for split in SPLITS for name in listed[split]]
    assert len(set(everything)) == len(everything) == 120
    assert folder.parts == frozenset()
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
    assert folder.parts == {"tags_BT", "attributes_BA", "landmarks_BK2", "visible_BK"}
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
    assert caplog.text.count("was converted to a manifest") == 1
    assert sorted(faces.rglob("*")) == before
    assert len(convert(faces).rows) == 120


def test_nothing_to_convert(faces):
    with pytest.raises(UserError, match=r"neither a labels.csv nor JSON"):
        convert(faces)


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
