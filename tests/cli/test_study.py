"""An experiment file's runs: planned, tried, trained once, resumed, reported, compared."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from anime_gen.cli import study as page
from anime_gen.cli.study import parse, try_settings
from anime_gen.cli.train import OneLineParser
from anime_gen.studies import plan as planning
from anime_gen.studies.ledger import read_entry
from anime_gen.studies.plan import plan

ROOT = Path(__file__).resolve().parent.parent.parent
DEBUG = ("-c", "experiments/overlay/debug.yaml", "--data.source.faces=200")
GOOD = {
    "title": "small",
    "seeds": [0],
    "overlay": {"data.image_size": 16},
    "runs": {
        "convolutional": {"family": "dcgan", "set": {"model.networks.width": 8, "model.augment": None}},
        "connected": {"family": "mlpgan", "set": {"model.networks.hidden": 8}},
    },
}


def read_study(path):
    return planning.read_study(path, OneLineParser(exit_on_error=False))


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump({**GOOD, **changes}, sort_keys=False))
        return path

    return write


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").rglob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_have_settings_that_fit_takes(path):
    if "runs" not in yaml.safe_load(path.read_text()):
        assert path.parent.name in ("family", "overlay") or path.stem == "shared", "an experiment file has runs"
        return
    try_settings(plan(read_study(path), Path("runs") / path.stem))


def test_words_arrive_as_they_were_written(write):
    source = {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 123}}
    keys = {
        "data.source": source,
        "model.betas": [0.1, 0.2],
        "model.augment": "anime_gen.blocks.augment.DiffAugment",
    }
    study = read_study(write(overlay=keys, runs={"a": {"family": "dcgan"}}))
    cli = page.suite(plan(study, Path("out"))[0].words, run=False)
    assert cli.datamodule.source.number == 123
    assert cli.config.model.init_args.betas == (0.1, 0.2)
    assert cli.config.model.init_args.augment.class_path.endswith("DiffAugment")
    assert study.overlay == keys


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"seed": [0]}, "seed"),
        ({"seeds": ["x"]}, "seeds"),
        ({"seeds": [1, 1]}, "each seed once"),
        ({"at": "noon"}, "at"),
        ({"runs": {}}, "at least one run"),
        ({"runs": {"a": {"family": "gan"}}}, "there is no experiments/family/gan.yaml; there are: acgan, "),
        ({"runs": {"a": {"family": "dcgan", "sett": {"x": 1}}}}, "sett"),
        ({"runs": {"a/b": {"family": "dcgan"}}}, "no slash"),
        ({"runs": {"a": {"family": "dcgan", "set": {"model.wide": 3}}}}, "runs.a: "),
        ({"runs": {"a": {"family": "dcgan", "set": {"data.image_size": 30}}}}, "runs.a: "),
    ],
)
def test_a_mistake_is_found_before_anything_is_trained(write, here, tmp_path, changes, expected):
    done = here("study", write(**changes), "--out", tmp_path / "out", *DEBUG)
    assert done.returncode == 2
    assert expected in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_no_file(here, tmp_path):
    assert "there is no file" in here("study", tmp_path / "none.yaml").stderr
    (tmp_path / "broken.yaml").write_text("runs: [")
    assert "is no YAML" in here("study", tmp_path / "broken.yaml").stderr
    assert "name an experiment file" in here("study").stderr


def test_where_a_study_lies():
    file = "experiments/ablation/landmarks.yaml"
    assert parse([file, "--data.batch_size=8"]) == (Path(file), Path("runs/landmarks"), ["--data.batch_size=8"])
    assert parse([file, "--out", "x"])[1] == Path("x")


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Lets a shell script stand for the processes that train, which test_a_study has for real; says their words."""
    monkeypatch.setattr(page, "try_settings", lambda jobs: None)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    log = tmp_path / "log"

    def command(script):
        (tmp_path / "python").write_text(f'#!/bin/sh\necho "$@" >> {log}\n{script}\n')
        (tmp_path / "python").chmod(0o755)
        log.write_text("")
        return log

    return command


def test_stopped_from_outside(write, tmp_path, command):
    """A run that a signal has ended is kept for the next call, and no other is begun."""
    log = command("exit 130")
    with pytest.raises(KeyboardInterrupt):
        page.main("study", [str(write()), "--out", str(tmp_path / "out")])
    assert len(log.read_text().splitlines()) == 1
    assert read_entry(plan(read_study(write()), tmp_path / "out")[0]).done is False


def test_one_that_fails_does_not_stop_the_rest(write, here, tmp_path, command, monkeypatch):
    calls = []
    monkeypatch.setattr(page, "anime_gen", lambda words: calls.append(words) or 0)
    log = command('case "$*" in *out/convolutional*) exit 1;; esac')
    words = ("study", write(seeds=[0, 1]), "--out", tmp_path / "out")
    done = here(*words)
    assert done.returncode == 2
    assert "failed: convolutional, seed 0; convolutional, seed 1 (" in done.stderr.strip().splitlines()[-1]
    assert len(log.read_text().splitlines()) == 4
    assert [Path(word).parent.name for word in calls.pop()[1:3]] == ["connected", "connected"]
    (tmp_path / "out" / "convolutional" / "1" / "config.yaml").touch()  # it had begun
    log = command("")
    assert here(*words).returncode == 0
    begun, resumed = log.read_text().splitlines()
    assert begun.startswith("-m anime_gen fit --config=experiments/shared.yaml")
    assert begun.endswith(f"--seed_everything=0 --data.seed=0 --run {tmp_path}/out/convolutional/0")
    assert resumed == f"-m anime_gen resume {tmp_path}/out/convolutional/1"
    log = command("")
    assert here(*words).returncode == 0
    assert log.read_text() == ""


@pytest.mark.slow
def test_a_study(write, here, tmp_path, monkeypatch):
    """One run is killed: the others are trained and compared. The next call goes on with it. The next does nothing."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))
    monkeypatch.syspath_prepend(ROOT / "tests")  # for the killer
    calls = []
    monkeypatch.setattr(page, "anime_gen", lambda words: calls.append(words) or 0)  # the comparison has its own tests
    callbacks = [{"class_path": f"anime_gen.callbacks.{name}"} for name in ("EMA", "Provenance", "Resume")]
    callbacks.append({"class_path": "callbacks.killer.KillAt", "init_args": {"images": 48}})
    small = {"data.epoch_images": 32, "data.batch_size": 8, "trainer.max_epochs": 2, "trainer.callbacks": callbacks[:3],
             "data.source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 200}}}  # fmt: skip
    runs = {
        "killed": {"family": "mlpgan", "set": {"model.networks.hidden": 8, "trainer.callbacks": callbacks}},
        "whole": {"family": "mlpgan", "set": {"model.networks.hidden": 8}},
    }
    out = tmp_path / "out"
    words = ("study", write(overlay=small, runs=runs, at="final"), "--out", out, "--data.image_size=16")
    killed, whole = (out / name / "0" for name in runs)

    first = here(*words)
    assert first.returncode == 2
    assert first.stderr.strip().splitlines()[-1].startswith("anime-gen: study: failed: killed, seed 0 ")
    assert [json.loads((run / "study.json").read_text())["done"] for run in (killed, whole)] == [False, True]
    assert calls.pop() == ["compare", str(whole), "--at", "final", "--out", str(out / "comparison")]

    config = yaml.safe_load((killed / "config.yaml").read_text())
    config["trainer"]["callbacks"].pop()  # the killer
    (killed / "config.yaml").write_text(yaml.safe_dump(config))
    before = (whole / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    second = here(*words)
    assert second.returncode == 0, second.stderr[-2000:]
    assert "1 of 1: killed, seed 0" in second.stdout
    sittings = json.loads((killed / "provenance.json").read_text())
    assert [sitting["images_shown"] for sitting in sittings] == [0, 32]
    assert calls.pop() == ["compare", str(killed), str(whole), "--at", "final", "--out", str(out / "comparison")]

    began = time.monotonic()
    monkeypatch.setattr(subprocess, "Popen", None)
    third = here(*words)
    assert third.returncode == 0, third.stderr[-2000:]
    assert "whole, seed 0: done in " in third.stdout
    assert time.monotonic() - began < 10
    assert (whole / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before
