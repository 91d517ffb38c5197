"""`anime-gen tag`: what somebody wrote stays, the rest is filled in."""

import numpy as np
import pytest
import torch

from anime_gen.data.folder import Folder
from anime_gen.data.manifest import Guess, Manifest, Row, read_manifest, write_manifest
from anime_gen.tagging.completion import ORIGINS, Completed
from anime_gen.tagging.examine import Labels
from anime_gen.tagging.network import Tagger
from anime_gen.tagging.writing import as_manifest, given_labels, prepared, with_guesses
from anime_gen.vocabulary import Vocabulary
from tests.tagging.conftest import painted, truth

NAN = float("nan")
WORDS = Vocabulary(["smile", "hat", "blue hair"], {"hair": ["blue", "red"], "eye": ["aqua", "red"]})


def test_what_is_given_in_numbers():
    rows = [
        Row("a.png", ("smile",), classes=("red",)),
        Row("b.png", None, classes=(None,), guessed_tags=(Guess("hat", 1.0), Guess("smile", 1.0, "", False))),
        Row("c.png", ("bow",), classes=("violet",)),
    ]
    labels = given_labels(Manifest(("hair",), rows), WORDS)
    # Nobody is plainly tagged with a hat or with blue hair: that they are absent was never said.
    assert labels.tags_NT.nan_to_num(-1).tolist() == [[1, -1, -1], [0, 1, -1], [0, -1, -1]]
    assert labels.classes_NA.tolist() == [[1, -1], [-1, -1], [-1, -1]]


def test_older_guesses_make_room_and_persons_stay():
    guesses = (Guess("smile", 0.9, "tagger"), Guess("hat", 1.0), Guess("bow", 0.8, "tagger"), Guess("blue hair", 0.0))
    row = Row("a.png", ("fang",), "hi", "test", (None, "long"), guessed_tags=guesses)
    row = row._replace(guessed_classes=(Guess("blue", 0.6, "tagger"), None))
    found = prepared(Manifest(("hair", "style"), [row]), ["a.png", "b.png"], WORDS)
    assert found.groups == ("hair", "style", "eye")
    one, two = found.rows
    assert one == row._replace(
        classes=(None, "long", None), guessed_tags=(Guess("hat", 1.0), Guess("bow", 0.8, "tagger")), guessed_classes=()
    )
    assert two == Row("b.png", classes=(None, None, None))
    kept = row._replace(guessed_classes=(Guess("blue", 1.0), None))
    (same,) = prepared(Manifest(("hair", "style"), [kept]), [], WORDS).rows
    assert same.guessed_classes == (Guess("blue", 1.0), None, None)


def filled(tags, origins, classes, class_origins):
    tags_NT, classes_NA = torch.tensor(tags), torch.tensor(classes)
    sure = [torch.where(torch.tensor(part) > 0, 0.75, 1.0) for part in (origins, class_origins)]
    origin = [torch.tensor(part, dtype=torch.int8) for part in (origins, class_origins)]
    return Completed(Labels(tags_NT, classes_NA), sure[0], origin[0], sure[1], origin[1])


def test_guesses_are_added_to_what_is_written():
    rows = [
        Row("a.png", ("smile",), classes=("violet", None)),
        Row("b.png", None, classes=(None, "aqua"), guessed_tags=(Guess("hat", 1.0),)),
    ]
    tagger = ORIGINS.index("tagger")
    origins = [[0, tagger, 0], [tagger, 0, 0]], [[tagger, tagger], [tagger, 0]]
    made = filled([[1, 0, NAN], [1, 1, NAN]], origins[0], [[1, 0], [0, 0]], origins[1])
    one, two = with_guesses(Manifest(("hair", "eye"), rows), WORDS, made).rows
    # Fully tagged: "blue hair" would be absent if it were not said that nobody knows.
    assert one.guessed_tags == (Guess("hat", 0.75, "tagger", present=False), Guess("blue hair", 0.0))
    assert one.tags == ("smile",)
    assert one.classes == ("violet", None)  # no word of the tagger's, and yet somebody's
    assert one.guessed_classes == (None, Guess("aqua", 0.75, "tagger"))
    assert two.guessed_tags == (Guess("hat", 1.0), Guess("smile", 0.75, "tagger"))
    assert two.guessed_classes == (Guess("blue", 0.75, "tagger"), None)


def test_labels_without_a_manifest_of_their_own(tmp_path):
    made = filled([[1, 0, NAN]], [[0, 2, 0]], [[1, -1]], [[3, 0]])
    write_manifest(tmp_path / "a.csv", as_manifest(["face 1"], WORDS, made))
    assert (tmp_path / "a.csv").read_text() == (
        'file,tags,hair,eye\nface 1,"smile@1, -hat@0.75 ensemble",red@0.75 neighbours,\n'
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tagger of coloured pictures, trained for a second."""
    from anime_gen.data import AnimeFaces
    from anime_gen.tagging.train import fit_and_report

    folder = painted(tmp_path_factory.mktemp("tagged") / "faces", 200, 200, False)
    data = AnimeFaces(Folder(folder), image_size=16, batch_size=16)
    out = tmp_path_factory.mktemp("weights") / "tagger.safetensors"
    fit_and_report(data, out, images=1600, options={"channels": [16, 24, 32, 48], "stem_width": 8})
    return out


def test_a_folder_without_labels_gets_them(here, coloured, trained):
    folder = coloured(40, 0)
    (folder / "manifest.csv").unlink()
    (folder / "broken.png").write_text("no picture")
    done = here("tag", folder, "--tagger", trained)
    assert done.returncode == 0, done.stderr
    groups, rows, _ = read_manifest(folder / "manifest.csv")
    assert groups == ("hair",)
    told = truth_of(folder)
    assert {row.file for row in rows} == told.keys()
    right = [row.guessed_classes[0].word == told[row.file][0] for row in rows if row.guessed_classes]
    assert len(right) > 35
    assert np.mean(right) > 0.9
    assert all(guess.origin == "tagger" and 0.5 <= guess.confidence < 1 for row in rows for guess in row.guessed_tags)
    smiles = {row.file: guess.present for row in rows for guess in row.guessed_tags if guess.word == "smile"}
    assert np.mean([there == told[file][1] for file, there in smiles.items()]) > 0.9
    parts = {"tag_confidence_BT", "attribute_confidence_BA"}
    assert parts <= Folder(folder, min_tag_count=1).parts
    # Again: the same, not more.
    text = (folder / "manifest.csv").read_text()
    assert here("tag", folder, "--tagger", trained).returncode == 0
    assert (folder / "manifest.csv").read_text() == text


def truth_of(folder):
    (folder / "broken.png").unlink(missing_ok=True)
    return truth(folder)


def test_what_was_written_stays_word_for_word(here, coloured, trained):
    folder = coloured(40, 0)
    written = (
        'file,tags,caption,split,hair,mood\n000.png,"Fang, hat",a girl,test,violet,sad\n001.png,smile@1,,,,\n'
        "gone.png,smile,,,red,\n002.png,-smile@1,,,green@0.7 neighbours,\n"
    )
    (folder / "manifest.csv").write_text(written)
    done = here("tag", folder, "--tagger", trained, "--least", 0)
    assert done.returncode == 0, done.stderr
    groups, rows, _ = read_manifest(folder / "manifest.csv")
    before = {row.file: row for row in read_manifest_text(folder.parent, written).rows}
    after = {row.file: row for row in rows}
    assert groups == ("hair", "mood")
    assert [row.file for row in rows[:4]] == ["000.png", "001.png", "gone.png", "002.png"]
    assert len(rows) == 41
    for file, row in before.items():
        assert after[file][:5] == row[:5]
    assert after["gone.png"] == before["gone.png"]
    assert Guess("smile", 1.0) in after["001.png"].guessed_tags
    assert Guess("smile", 1.0, "", present=False) in after["002.png"].guessed_tags
    assert after["002.png"].guessed_classes[0].origin == "tagger"  # an older guess makes room
    # Hats were looked for, smiles, too; not 1girl, which nobody plainly wrote.
    assert {guess.word for guess in after["000.png"].guessed_tags} == {"1girl"}


def read_manifest_text(folder, text):
    (folder / "before.csv").write_text(text)
    return read_manifest(folder / "before.csv")


def test_completion_of_a_folder(here, coloured, trained):
    folder = coloured(120, 80)
    done = here("tag", folder, "--tagger", trained, "--complete", "--agree", 0.7, "--alone", 0.9)
    assert done.returncode == 0, done.stderr
    told = truth(folder)
    rows = read_manifest(folder / "manifest.csv").rows
    found = [row for row in rows if row.guessed_classes]
    assert {row.file for row in found} <= {f"{number:03}.png" for number in range(80, 120)}
    assert len(found) > 25
    assert np.mean([row.guessed_classes[0].word == told[row.file][0] for row in found]) > 0.9
    assert {guess.origin for row in rows for guess in row.guessed_tags} <= set(ORIGINS[2:])
    (folder / "manifest.csv").unlink()
    done = here("tag", folder, "--tagger", trained, "--complete")
    assert "--complete: 0 pictures have labels; it learns from at least 20" in done.stderr


def test_an_interrupted_write_leaves_the_old_manifest(here, coloured, trained, monkeypatch):
    folder = coloured(20, 20)
    before = (folder / "manifest.csv").read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Tagger, "look", interrupt)
    assert here("tag", folder, "--tagger", trained).returncode == 130
    assert (folder / "manifest.csv").read_bytes() == before
    assert not list(folder.glob("*.tmp"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--tagger", "nowhere.safetensors"], "there is no tagger nowhere.safetensors"),
        (["--tagger", "wd:nowhere"], "wd: there is no config.json in nowhere: fetch"),
        (["--tagger", "x", "--least", "2"], "--least 2.0: a confidence from 0 to 1"),
        (["--tagger", "x", "--words", "smile"], "--words: this tagger has words of its own"),
        ([], "arguments are required: tagger"),
    ],
)
def test_mistakes_are_one_line(here, coloured, words, expected):
    done = here("tag", coloured(20, 20), *words)
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
