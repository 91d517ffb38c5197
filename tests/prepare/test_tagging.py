"""Tags of prepared faces: what somebody wrote stays, what is guessed says so, and who counts how changes nothing."""

import numpy as np
import pytest
import torch

from anime_gen.contract import UserError
from anime_gen.data.manifest import read_manifest
from anime_gen.prepare import Whole
from anime_gen.prepare.picture import Work
from anime_gen.prepare.pipeline import prepare
from anime_gen.prepare.rules import Rules
from anime_gen.prepare.tagging import Tagging
from anime_gen.tagging.network import Tagger
from anime_gen.vocabulary import Vocabulary

RULES = Rules(size=64, margin=0.0)


@pytest.fixture
def tagger(tmp_path):
    """One of random weights that is sure of things."""
    torch.manual_seed(0)
    words = Vocabulary(["smile", "hat", "long hair"], {"hair": ["blue", "green", "red"]})
    network = Tagger(words, 16, "resnet10t", {"channels": [8, 12, 16, 16], "stem_width": 4})
    with torch.no_grad():
        network.heads.weight.mul_(20)
        network.heads.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 0.0, 5.0, 0.0]))
    path = tmp_path / "tagger.safetensors"
    network.save(path)
    return str(path)


def labelled(raw):
    for index in range(4):
        (raw / f"{index:02}.txt").write_text("hat, smile\n")


def test_what_somebody_wrote_stays_and_the_rest_is_guessed(raw, tagger, tmp_path):
    labelled(raw)
    plain, tagged = (
        Work(raw, tmp_path / name, Whole(), RULES, tagging=who) for name, who in (("a", None), ("b", Tagging(tagger)))
    )
    prepare(plain, 1)
    prepare(tagged, 1)
    rows = read_manifest(tmp_path / "b/manifest.csv").rows
    assert len(rows) == 12
    for row, before in zip(rows, read_manifest(tmp_path / "a/manifest.csv").rows, strict=True):
        assert row.tags == before.tags
        guessed = {guess.word for guess in row.guessed_tags if guess.confidence}
        assert {guess.origin for guess in row.guessed_tags if guess.confidence} <= {"tagger"}
        if before.tags:
            assert before.tags == ("hat", "smile")
            assert guessed <= {"long hair"}
        else:
            assert guessed <= {"smile", "hat", "long hair"}
    guesses = [guess for row in rows for guess in row.guessed_tags if guess.confidence]
    assert len(guesses) > 8
    assert any(row.guessed_classes for row in rows)
    # As `anime-gen tag` does it, of whole batches.
    network = Tagger.load(tmp_path / "tagger.safetensors")
    picture = network.open(tmp_path / "b" / rows[-1].file)[None].float() / 127.5 - 1
    told = network.beliefs(network.look(picture)).tags_NT[0].numpy()
    for guess in rows[-1].guessed_tags:
        if guess.confidence:
            sure = told[network.vocabulary.tags.index(guess.word)]
            assert np.isclose(guess.confidence, sure if guess.present else 1 - sure, atol=0.01)


def test_the_number_of_processes_and_a_stop_change_no_byte(raw, tagger, tmp_path):
    labelled(raw)
    for name, processes in (("one", 1), ("two", 2)):
        prepare(Work(raw, tmp_path / name, Whole(), RULES, tagging=Tagging(tagger)), processes)
    whole = (tmp_path / "one/manifest.csv").read_bytes()
    assert (tmp_path / "two/manifest.csv").read_bytes() == whole
    journal = tmp_path / "one/journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:5]) + lines[5][:9])
    (tmp_path / "one/manifest.csv").unlink()
    prepare(Work(raw, tmp_path / "one", Whole(), RULES, tagging=Tagging(tagger)), 2)
    assert (tmp_path / "one/manifest.csv").read_bytes() == whole
    with pytest.raises(UserError, match="was begun with tagger "):
        prepare(Work(raw, tmp_path / "one", Whole(), RULES), 1)


def test_what_is_no_tagger_is_told_before_a_picture_is_read(raw, tagger, tmp_path):
    for who, message in (
        (Tagging(str(tmp_path / "none.safetensors")), "there is no tagger"),
        (Tagging(tagger, words="smile"), "--words: this tagger has words of its own"),
        (Tagging(tagger, least=2.0), "--least_tag 2.0: a confidence from 0 to 1"),
        (Tagging(f"wd:{tmp_path}"), "wd"),
    ):
        with pytest.raises(UserError, match=message):
            prepare(Work(raw, tmp_path / "out", Whole(), RULES, tagging=who), 1)
    assert not (tmp_path / "out").exists()
