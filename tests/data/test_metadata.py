"""Every form in which people keep labels is read; what is not used is named."""

import json
import logging
import shutil

import pytest
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.data.folder import Folder, labels_of
from anime_gen.data.manifest import Guess, Row
from anime_gen.data.metadata.beside import convert_json, tags_or_caption
from anime_gen.data.metadata.described import described
from anime_gen.data.metadata.tables import convert_labels_csv
from anime_gen.vocabulary import LANDMARKS

SENTENCE = "a girl with long hair, who smiles at whoever looks at her"


def test_labels_csv_keeps_labels_and_leaves_the_detectors_boxes(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("file,hair,eye,likelihood,left_eye_x,nose_x\n2.jpg,gray,aqua,0.9,0.5,0.4\n4.jpg,,,1,,\n")
    got = convert_labels_csv(tmp_path, ["labels.csv"], ["images/2.jpg", "images/4.jpg"])
    assert got.groups == ("hair", "eye")
    assert got.rows == [
        Row("images/2.jpg", ("grey hair", "aqua eyes"), classes=("grey", "aqua")),
        Row("images/4.jpg", None, classes=(None, None)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,hair\n2.jpg,gray\n", "labels.csv: it needs the columns `file`"),
        ("file,hair\n2.jpg,red\nimages/2.jpg,blue\n", "labels.csv, line 3: images/2.jpg was given already on line 2"),
        ("file,hair\n2.jpg,red\n,blue\n", "labels.csv, line 3: `file` is empty"),
        ("file,hair\n" + "".join(f"{i}.jpg,{i}\n" for i in range(80)), "labels.csv: column `hair` has 80 different"),
    ],
)
def test_labels_csv_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError) as caught:
        convert_labels_csv(tmp_path, ["labels.csv"], ["images/2.jpg"])
    assert message in str(caught.value)


def s1(tmp_path, told):
    Image.new("RGB", (100, 50)).save(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(told if isinstance(told, str) else json.dumps(told))
    return convert_json(tmp_path, ["a.json"], ["a.png", "unlabelled.png"])


def test_s1_json(tmp_path):
    everything = {"tags": ["long_hair", "Smile"], "caption": "a girl", "landmarks": {"nose": [256, 384]}}
    row, unlabelled = s1(tmp_path, {**everything, "width": 512, "height": 512}).rows
    assert unlabelled == Row("unlabelled.png")
    assert row.tags == ("long hair", "smile")
    assert row.caption == "a girl"
    assert row.landmarks_K2[LANDMARKS.index("nose")].tolist() == [0.5, 0.75]
    assert row.visible_K.sum() == 1
    row = s1(tmp_path, {"tags": "smile, hat", "landmarks": [[50, 25]] * 24, "caption": "a\r girl\n"}).rows[0]
    assert row.caption == "a girl"
    assert row.tags == ("smile", "hat")
    assert (row.landmarks_K2 == 0.5).all()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("{", "is not JSON"),
        ([], "a JSON object is expected"),
        ({"tags": 3}, "tags must be"),
        ({"tags": {"smile": 10**400}}, "tags must be"),
        ("", "is empty"),
        ("[" * 100_000, "is not JSON"),
        ({"landmarks": [[10**400, 2]] * 24}, "two numbers"),
        ({"caption": "a\0b"}, "is no character"),
        ({"caption": "a girl " * 30_000}, "209999 characters of tags or caption are more than 131072"),
        ({"tags": ["\ud83d"]}, "'\\ud83d' in tags or caption is no character"),
        ({"landmarks": {"noze": [1, 2]}}, "unknown landmark 'noze': did you mean nose?"),
        ({"landmarks": [[1, 2]] * 23}, "must be 24"),
        ({"landmarks": [[1, 2, 3]] * 24}, "two numbers"),
        ({"landmarks": {"nose": [120, 10]}}, "nose lies outside"),
        ({"landmarks": {"nose": [1, 1]}, "width": 0, "height": 5}, "positive numbers"),
    ],
)
def test_s1_mistakes_are_named(tmp_path, told, message):
    with pytest.raises(UserError) as caught:
        s1(tmp_path, told)
    assert message in str(caught.value)
    assert "a.json" in str(caught.value)


@pytest.fixture
def pictures(tmp_path):
    """A function that makes small pictures of some names."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8)).save(tmp_path / name)
        return tmp_path

    return make


def rows(folder):
    return {row.file: row for row in labels_of(folder).rows}


def test_what_boards_and_downloaders_write(pictures):
    folder = pictures("a.png", "b.jpg", "c.png", "d.png", "e.png")
    told = {
        "a.json": {"id": 3, "tag_string": "1girl long_hair smile", "rating": "g", "image_width": 8},  # Danbooru
        "b.jpg.json": {"tags": "1girl long_hair >_<"},  # gallery-dl
        "c.json": {"tags": {"general": ["smile", "hat"], "character": ["miku, hatsune"]}},  # e621
        "d.json": {"tags": [{"id": 1, "name": "blue_eyes", "category": "0"}]},  # the Danbooru2018 dump
        "e.json": {"tags": {"long_hair": 0.9, "hat": 0.2}, "hair": "blond"},  # a tagger
    }
    for name, content in told.items():
        # Notepad puts a byte order mark first, PowerShell writes UTF-16.
        (folder / name).write_text(json.dumps(content), encoding="utf-16" if name == "d.json" else "utf-8-sig")
    got = rows(folder)
    assert got["a.png"].tags == ("1girl", "long hair", "smile")
    assert got["b.jpg"].tags == ("1girl", "long hair", ">_<")
    assert got["c.png"].tags == ("smile", "hat", "miku hatsune")
    assert got["d.png"].tags == ("blue eyes",)
    assert got["e.png"].guessed_tags == (Guess("long hair", 0.9, "tagger"), Guess("hat", 0.2, "tagger"))
    assert got["e.png"].classes == ("blonde",)
    assert Folder(folder, min_tag_count=1).vocabulary.attributes == {"hair": ("blonde",)}


def test_a_tag_of_two_words_is_one_tag(tmp_path):
    assert described({"tags": "long hair"}, "a.png", "a.json").row.tags == ("long hair",)
    assert described({"tags": "long_hair"}, "a.png", "a.json").row.tags == ("long hair",)
    assert described({"tags": "long hair, smile"}, "a.png", "a.json").row.tags == ("long hair", "smile")


def test_one_bad_file_costs_one_picture_its_labels(pictures, caplog):
    folder = pictures("a.png", "b.png", "c.png", "d.png")
    for name in "abc":
        (folder / f"{name}.json").write_text('{"tags": ["hat"]}')
    (folder / "b.json").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        got = rows(folder)
    assert [got[f"{name}.png"].tags for name in "abcd"] == [("hat",), None, ("hat",), None]
    assert f"1 of 3 JSON files could not be used, and their pictures have no labels: {folder}/b.json is empty" in (
        caplog.text
    )
    (folder / "c.json").write_text("[]")
    with pytest.raises(UserError, match=r"b\.json is empty"):
        labels_of(folder)


@pytest.mark.parametrize(
    ("text", "tags", "caption"),
    [
        ("1girl, long hair, smile", ["1girl", "long hair", "smile"], ""),
        ("cowboy shot\nsword\nred hat", ["cowboy shot", "sword", "red hat"], ""),
        ("1girl long_hair smile", ["1girl", "long_hair", "smile"], ""),
        ("long hair", ["long hair"], ""),
        ("smile\n", ["smile"], ""),
        (SENTENCE, [], SENTENCE),
        ("A girl, smiling.", [], "A girl, smiling."),
        ("a girl smiles", [], "a girl smiles"),
        ("", [], ""),
    ],
)  # fmt: skip
def test_a_text_is_tags_or_a_caption(text, tags, caption):
    assert tags_or_caption(text, usual=False) == (tags, caption)


def test_a_text_that_may_be_either_is_what_its_folder_has(pictures):
    either = "a girl with blue hair, smiling"
    for others, tags, caption in (
        (["sword, cowboy shot, red hat"], ("a girl with blue hair", "smiling"), None),
        ([SENTENCE, "A boy."], None, either),
        ([], ("a girl with blue hair", "smiling"), None),
    ):
        folder = pictures(*(f"{name}.png" for name in range(1 + len(others))))
        for name, text in enumerate([either, *others]):
            (folder / f"{name}.txt").write_text(text)
        got = rows(folder)["0.png"]
        assert (got.tags, got.caption) == (tags, caption)
        shutil.rmtree(folder)


def test_a_string_for_each_category_of_tags_is_several():
    got = described({"tags": {"general": "hat smile", "species": ["cat ears"]}}, "a.png", "a.json")
    assert got.row.tags == ("hat", "smile", "cat ears")


def test_text_files_beside_pictures(pictures):
    folder = pictures("a.png", "b.png", "x/c.png")
    (folder / "a.txt").write_text("1girl, long hair", encoding="utf-8-sig")
    (folder / "a.caption").write_text("a girl")
    (folder / "x/c.png.txt").write_text("a girl with a hat smiles")
    got = rows(folder)
    assert got["a.png"] == Row("a.png", ("1girl", "long hair"), "a girl")
    assert got["b.png"] == Row("b.png")
    assert got["x/c.png"].caption == "a girl with a hat smiles"


def test_metadata_tables(pictures, caplog):
    folder = pictures("a.png", "b.png", "train/c.png", "7.jpg")
    lines = [
        {"file_name": "a.png", "text": "a girl", "tags": ["hat"], "score": 3},
        {"file_name": "b.png", "hair": "blue", "eye": None},
        {"id": 7, "tag_string": "hat smile"},
    ]
    (folder / "metadata.jsonl").write_text("\n\n".join(map(json.dumps, lines)))
    (folder / "train/metadata.csv").write_text('file_name,tags,split\nc.png,"hat, smile",val\n')
    got = rows(folder)
    assert got["a.png"] == Row("a.png", ("hat",), "a girl", classes=(None,))
    assert got["b.png"] == Row("b.png", ("blue hair",), classes=("blue",))
    assert got["7.jpg"].tags == ("hat", "smile")
    assert got["train/c.png"].split == "validation"
    assert "columns of" in caplog.text
    assert "not used: score" in caplog.text


def test_parquet(pictures):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    folder = pictures("a.png", "b.png")
    table = pandas.DataFrame({"file_name": ["a.png", "b.png"], "tags": [["hat", "smile"], []], "caption": ["x", None]})
    table.to_parquet(folder / "metadata.parquet")
    assert rows(folder) == {"a.png": Row("a.png", ("hat", "smile"), "x"), "b.png": Row("b.png")}


def test_what_stylegans_tool_writes(pictures):
    folder = pictures("00000/img0.png", "00000/img1.png")
    (folder / "dataset.json").write_text('{"labels": [["00000/img0.png", 3], ["00000/img1.png", 0]]}')
    assert labels_of(folder).groups == ("class",)
    assert [row.classes for row in labels_of(folder).rows] == [("3",), ("0",)]
    (folder / "dataset.json").write_text('{"labels": null}')
    assert [row.classes for row in labels_of(folder).rows] == [(), ()]
    (folder / "dataset.json").write_text('{"labels": [["00000/img0.png", [0.5, 1]]]}')
    with pytest.raises(UserError, match=r"dataset\.json.*a number of a class.*vectors have no names"):
        labels_of(folder)


@pytest.mark.parametrize(
    ("names", "groups", "splits"),
    [
        (("cat/a.png", "dog/b.png"), ("class",), [None, None]),
        (("train/a.png", "val/b.png", "test/c.png"), (), ["test", "train", "validation"]),
        (("train/cat/a.png", "valid/dog/b.png"), ("class",), ["train", "validation"]),
    ],
)
def test_folders_that_say_something(pictures, names, groups, splits):
    got = labels_of(pictures(*names))
    assert got.groups == groups
    assert [row.split for row in got.rows] == splits
    assert all(all(row.classes) for row in got.rows)


@pytest.mark.parametrize(
    "names", [("a.png", "x/b.png"), ("0001/a.png", "0002/b.png"), ("all/a.png", "all/b.png"), ("train/a.png",)]
)
def test_folders_that_say_nothing(pictures, names):
    assert labels_of(pictures(*names)) is None


def test_labels_that_are_not_used_are_named(pictures, caplog):
    folder = pictures("a.png", "b.png")
    (folder / "a.json").write_text('{"tags": ["hat"]}')
    (folder / "b.txt").write_text("smile")
    (folder / "film.mp4").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert Folder(folder, min_tag_count=1).vocabulary.tags == ("hat",)
    assert "labels of" in caplog.text
    assert "JSON files beside pictures (a.json), converted" in caplog.text
    assert "not used: text files beside pictures (b.txt); labels are taken from" in caplog.text
    assert f"1 files in {folder} are of no kind that is read: 1 .mp4" in caplog.text


def test_the_longest_name_there_may_be(pictures):
    """A sidecar's name may be longer than any name can be."""
    longest = "a" * 251 + ".png"
    folder = pictures(longest, "b.png")
    (folder / "b.json").write_text('{"tags": ["hat"]}')
    got = rows(folder)
    assert got[longest] == Row(longest)
    assert got["b.png"].tags == ("hat",)


def test_a_class_folder_of_any_bytes_is_a_class(pictures):
    odd = b"\xe9t\xe9".decode(errors="surrogateescape")
    folder = pictures(f"{odd}/a.png", "other/b.png")
    assert Folder(folder).vocabulary.attributes == {"class": ("\\udce9t\\udce9", "other")}


def test_a_table_that_names_no_picture_is_told(pictures, caplog):
    folder = pictures("a.png", "b.png")
    (folder / "metadata.jsonl").write_text('{"file_name": "x.png", "text": "a girl"}')
    with caplog.at_level(logging.WARNING):
        labels_of(folder)
    assert "are those of metadata tables (metadata.jsonl)" in caplog.text
    assert "1 of 1 files of the manifest are not in" in caplog.text
