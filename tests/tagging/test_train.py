"""`anime-gen tagger fit` on a folder that is learned in seconds."""

import json

import pytest
import torch
from safetensors.torch import load_file

from anime_gen import fitting
from anime_gen.contract import UserError
from anime_gen.fitting import Done
from anime_gen.tagging import train
from anime_gen.tagging.network import Tagger
from anime_gen.tagging.train import budget, jittered
from tests.tagging.conftest import truth

SMALL = '{"channels": [16, 24, 32, 48], "stem_width": 8}'


def keys(folder):
    source = "--data.source=anime_gen.data.Folder", f"--data.source.path={folder}"
    return *source, "--data.image_size=16", "--data.batch_size=16"


def test_learns_calibrates_and_reports(here, coloured, tmp_path):
    folder, out = coloured(300, 300), tmp_path / "out" / "tagger.safetensors"
    done = here("tagger", "fit", *keys(folder), "--images", 2000, "--out", out, "--options", SMALL)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.with_suffix(".json").read_text())
    assert report["test"]["groups"]["hair"]["accuracy"] > 0.9
    assert report["test"]["tags"]["smile"]["average_precision"] > 0.9
    assert report["training"]["images"] == 2000
    assert report["data"]["pictures"]["test"] == report["test"]["pictures"]
    assert report["backbone"]["options"] == json.loads(SMALL)
    assert "hair" in done.stdout
    assert "smile" in done.stdout
    tagger = Tagger.load(out)
    assert tagger.calibration.as_dict() != Tagger(tagger.vocabulary, 16).calibration.as_dict()
    told = truth(folder)
    beliefs = tagger.beliefs(tagger.look(torch.stack([tagger.open(folder / name) for name in told]) / 127.5 - 1))
    said = [tagger.vocabulary.attributes["hair"][i] for i in beliefs.classes[0].argmax(1).tolist()]
    assert sum(a == hair for a, (hair, _, _) in zip(said, told.values(), strict=True)) > 0.9 * len(told)


def test_the_same_seed_learns_the_same(here, coloured, tmp_path):
    folder = coloured(120, 120)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        done = here(
            "tagger", "fit", *keys(folder), "--images=160", "--seed", seed, "--out", tmp_path / f"{name}.safetensors"
        )
        assert done.returncode == 0, done.stderr
    weights = [Tagger.load(tmp_path / f"{name}.safetensors").heads.weight for name in "abc"]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["paint"], "tagger: there is no 'paint'; it is one of fit, doubts, complete"),
        (["fit", "--minutes=0"], "tagger: give it some --minutes, or --images, above 0"),
        (["fit", "--images=-5"], "tagger: give it some --minutes, or --images, above 0"),
        (["fit", "--minute=1"], "minute"),
        (["fit", "--backbone=resnet10x", "--images=16"], "timm has no backbone 'resnet10x'"),
        (["doubts", "--top=0"], "tagger doubts: --top=0: at least 1"),
        (["complete", "--agree=2"], "tagger complete: --agree=2.0: a confidence from 0 to 1"),
    ],
)
def test_mistakes_are_one_line(here, coloured, words, expected):
    done = here("tagger", *words, *keys(coloured(60, 60)) * (len(words) > 1))
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_labels_there_is_nothing_to_learn(here, coloured):
    folder = coloured(60, 60)
    (folder / "manifest.csv").unlink()
    done = here("tagger", "fit", *keys(folder), "--images=16")
    assert "tagger: these pictures have no labels to learn from" in done.stderr


def test_help_names_the_actions(here):
    said = here("tagger").stdout
    assert all(action in said for action in ("fit", "doubts", "complete"))


def test_budgets():
    half = Done(images=50, seconds=60.0)
    assert budget(5, 100)(half) == 0.5
    assert budget(2, None)(half) == 0.5
    with pytest.raises(UserError):
        budget(-1, None)


def interrupted(monkeypatch, after):
    """Ctrl-C in a step, after so many; every step before is saved."""
    learn, steps = train.training_loss, []

    def loss(*arguments, **focus):
        if len(steps) == after:
            raise KeyboardInterrupt
        steps.append(1)
        return learn(*arguments, **focus)

    monkeypatch.setattr(fitting, "SAVE_SECONDS", 0.0)
    monkeypatch.setattr(train, "training_loss", loss)


def same_weights(one, other):
    pairs = [load_file(path) for path in (one, other)]
    return pairs[0].keys() == pairs[1].keys() and all(torch.equal(pairs[0][name], pairs[1][name]) for name in pairs[0])


def test_after_a_ctrl_c_the_same_command_goes_on(here, coloured, tmp_path, monkeypatch):
    folder = coloured(120, 120)

    def fit(name, *words):
        out = tmp_path / name / "tagger.safetensors"
        return out, here("tagger", "fit", *keys(folder), "--images=160", "--options", SMALL, "--out", out, *words)

    whole, _ = fit("whole")
    with monkeypatch.context() as patch:
        interrupted(patch, after=4)
        out, done = fit("cut")
    assert done.returncode == 130
    assert "tagger.safetensors.unfinished: stopped; the same command goes on after 64 images" in done.stderr
    assert [path.name for path in out.parent.iterdir()] == ["tagger.safetensors.unfinished"]
    _, done = fit("cut")
    assert "tagger.safetensors.unfinished: going on after 64 images" in done.stderr
    assert same_weights(out, whole)
    assert json.loads(out.with_suffix(".json").read_text())["training"]["images"] == 160
    assert sorted(path.name for path in out.parent.iterdir()) == ["tagger.json", "tagger.safetensors"]
    with monkeypatch.context() as patch:
        interrupted(patch, after=4)
        fit("other")
    out, done = fit("other", "--seed=1")
    assert "begun with other settings (seed); starting anew" in done.stderr
    assert not same_weights(out, whole)


def test_jitter_moves_each_picture_a_little_in_its_own_way():
    image = torch.zeros(4, 3, 32, 32)
    image[:, :, 8:24, 8:24] = 1
    torch.manual_seed(0)
    moved = jittered(image)
    assert moved.shape == image.shape
    assert all(not torch.allclose(moved[i], moved[j]) for i in range(4) for j in range(i))
    assert ((moved - image).abs().mean((1, 2, 3)) < 0.25).all()
    flat = torch.full((2, 3, 8, 8), 0.7)
    torch.testing.assert_close(jittered(flat), flat)  # no border of another colour
