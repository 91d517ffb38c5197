"""`anime-gen prepare`, as a user types it."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from anime_gen.painter import render, sample_face


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for index in range(8):
        Image.fromarray(render(sample_face(0, index), 96)).save(folder / f"{index}.png")
    (folder / "broken.png").write_bytes(b"")
    return folder


def test_from_a_heap_to_a_training_set(raw, here, tmp_path):
    out = tmp_path / "out"
    words = ("prepare", raw, "--out", out, "--detector=Whole", "--size=64", "--processes=1")
    done = here(*words)
    assert done.returncode == 0, done.stderr
    assert "8 faces of 9 pictures kept; left out: broken file 1" in done.stdout
    assert f"next: make experiment MODEL=diffusion DATA={out}" in done.stdout
    report = json.loads((out / "report.json").read_text())
    assert report["left_out"] == {"broken file": 1}
    assert report["cases"][0]["source"] == "broken.png"
    assert report["rules"]["margin"] == 0.0, "a whole picture has its margin already"
    page = (out / "report.html").read_text()
    assert page.count('<img src="data:image/jpeg') == 8
    assert "Left out: broken file" in page
    shards = here(*words, "--shards", tmp_path / "shards")
    assert f"next: make experiment MODEL=diffusion DATA={tmp_path}/shards" in shards.stdout
    pictures = json.loads((tmp_path / "shards/shards.json").read_text())
    assert sum(split["count"] for split in pictures["splits"].values()) == 8
    assert here(*words, "--shards", tmp_path / "shards").returncode == 0
    assert json.loads((tmp_path / "shards/shards.json").read_text()) == pictures
    assert not (tmp_path / "shards.before").exists()
    other = here("prepare", raw, "--out", tmp_path / "other", "--detector=Whole", "--shards", tmp_path / "shards")
    assert "are of other pictures: give a new folder" in other.stderr
    assert json.loads((tmp_path / "shards/shards.json").read_text()) == pictures
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    again = here(*words)
    assert again.stdout == done.stdout
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "{raw}/inside"], "is in the folder of the raw pictures"),
        (["--out", "{raw}"], "is in the folder of the raw pictures"),
        (["--out", "{raw}.out", "--size=3"], "--size 3: from 16 to 4096 pixels"),
        (["--out", "{raw}.out", "--processes=0"], "--processes 0: at least 1"),
        (["--out", "{raw}.out", "--several=some"], "several"),
        (["--out", "{raw}.out", "--detector=Whole", "--shards={raw}"], "is there already, and holds no shards"),
        (["--out", "{raw}.out", "--words=smile"], "--words is of a tagger"),
        (
            ["--out", "{raw}.out", "--detector=Whole", "--landmarks=Heatmaps", "--landmarks.weights=none"],
            "there is no file none",
        ),
        (["--out", "{raw}.out", "--detector=Cascade", "--detector.weights=none.xml"], "there is no file none.xml"),
        (["--out", "{raw}/0.png", "--detector=Whole"], "0.png"),
        (["--out", "{raw}.out", "--detector=Whole", "--least_face=500"], "no face is left: "),
    ],
)
def test_mistakes_are_one_line(raw, here, words, message):
    done = here("prepare", raw, *(word.format(raw=raw) for word in words))
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.strip().count("\n") == 0, done.stderr


def test_nobody_elses_pictures_are_touched(raw, here, tmp_path):
    before = {path: path.read_bytes() for path in raw.iterdir()}
    held = tmp_path / "held"
    (held / "faces").mkdir(parents=True)
    for path in raw.glob("?.png"):
        (held / "faces" / path.name).write_bytes(path.read_bytes())
    for words, message in (
        ((held / "faces", "--out", held), "holds the folder of the raw pictures"),
        ((raw, "--out", held), "is not empty, and nothing that was prepared"),
    ):
        done = here("prepare", *words, "--detector=Whole")
        assert done.returncode == 2
        assert message in done.stderr
    out = tmp_path / "out"
    words = ("prepare", raw, "--out", out, "--detector=Whole", "--size=64", "--processes=1")
    assert here(*words).returncode == 0
    (out / "faces" / "mine.png").write_bytes(b"mine")
    assert here(*words).returncode == 0
    assert (out / "faces" / "mine.png").read_bytes() == b"mine"
    assert len(list((held / "faces").iterdir())) == 8
    assert {path: path.read_bytes() for path in raw.iterdir()} == before


def test_a_card_beside_the_pictures_is_no_picture_and_no_label(raw, here):
    (raw / "broken.png").unlink()
    (raw / "0.txt").write_text("smile, hat")
    first = here("card", raw)
    assert first.returncode == 0, first.stderr
    again = here("card", raw)
    assert again.returncode == 0, again.stderr
    assert "8 pictures, 2 tags" in first.stdout
    assert again.stdout == first.stdout


def test_a_card(raw, here, tmp_path):
    (raw / "broken.png").unlink()
    (raw / "0.txt").write_text("smile, $100 $x$")
    done = here("card", raw, "--out", tmp_path / "card")
    assert done.returncode == 0, done.stderr
    assert "8 pictures, 2 tags" in done.stdout
    assert {path.name for path in (tmp_path / "card").iterdir()} == {"card.md", "card.png", "card.json"}
    assert json.loads((tmp_path / "card/card.json").read_text())["pictures"] == 8
    refused = here("card")
    assert refused.returncode == 2
    assert "name a folder, or a source" in refused.stderr


def test_places_that_cannot_be_written_are_one_line(raw, here, tmp_path):
    """Whatever verb it is: a folder in a file's place stands for a full disk, or one of somebody else's."""
    (tmp_path / "card/card.json").mkdir(parents=True)
    done = here("card", raw, "--out", tmp_path / "card")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "card.json" in done.stderr
    assert "mend that, or name another place" in done.stderr


def test_who_does_not_read_on_gets_no_complaint():
    """`anime-gen ... | head -1`"""
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m anime_gen fit --help | head -1; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("usage: anime-gen")
    assert done.stderr == ""
    assert done.returncode in (0, 141)
