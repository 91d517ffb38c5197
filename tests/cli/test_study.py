"""An experiment file's runs: planned, tried, trained once, resumed, reported, compared."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from anime_gen.cli import study as page
from anime_gen.cli.study import Entry, Job, parse, plan, read_entry, read_study, seconds_left, try_settings, write_entry
from anime_gen.contract import UserError

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


def test_plan(write):
    jobs = plan(read_study(write(seeds=[3, 5])), Path("out"), ["--trainer.max_epochs=1"])
    assert [(job.name, job.seed) for job in jobs] == [
        ("convolutional", 3), ("connected", 3), ("convolutional", 5), ("connected", 5)
    ]  # fmt: skip
    assert jobs[2].folder == Path("out/convolutional/5")
    assert jobs[2].words == [
        "--config=experiments/shared.yaml",
        "--config=experiments/family/dcgan.yaml",
        "--data.image_size=16",
        "--model.networks.width=8",
        "--model.augment=null",
        "--trainer.max_epochs=1",
        "--seed_everything=5",
        "--data.seed=5",
    ]


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
    assert "No such file" in here("study", tmp_path / "none.yaml").stderr
    (tmp_path / "broken.yaml").write_text("runs: [")
    assert "is no YAML" in here("study", tmp_path / "broken.yaml").stderr
    assert "name an experiment file" in here("study").stderr


def test_where_a_study_lies():
    file = "experiments/ablation/landmarks.yaml"
    assert parse([file, "--data.batch_size=8"]) == (Path(file), Path("runs/landmarks"), ["--data.batch_size=8"])
    assert parse([file, "--out", "x"])[1] == Path("x")


def test_a_folder_with_other_settings_is_left_alone(tmp_path):
    job = Job("a", 0, tmp_path / "a" / "0", ["--x=1"])
    write_entry(job, Entry(job.words, True, 5.0))
    assert read_entry(job) == Entry(["--x=1"], True, 5.0)
    with pytest.raises(UserError, match=r"other settings \(--x=1, --x=2\)"):
        read_entry(Job("a", 0, job.folder, ["--x=2"]))
    (job.folder / "study.json").unlink()
    (job.folder / "config.yaml").touch()
    with pytest.raises(UserError, match="no study has started"):
        read_entry(job)


def test_a_run_of_the_same_settings_by_older_names_is_gone_on_with(tmp_path):
    job = Job("a", 0, tmp_path / "a" / "0", ["--model.loss=anime_gen.blocks.Hinge"])
    entry = Entry(["--model.loss=anime_gen.adversarial.Hinge"], True, 5.0)
    write_entry(job, entry)
    assert read_entry(job) == entry


def test_seconds_left():
    jobs = [Job(name, seed, Path(name) / str(seed), []) for seed in (0, 1) for name in ("a", "b", "c")]
    entries = {job.folder: Entry([]) for job in jobs}
    assert seconds_left(jobs, entries, jobs) is None
    entries[Path("a/0")] = Entry([], True, 10.0)
    entries[Path("b/0")] = Entry([], True, 30.0)
    entries[Path("a/1")] = Entry([], False, 4.0)
    todo = [job for job in jobs if not entries[job.folder].done]
    assert seconds_left(todo, entries, jobs) == 20 + (10 - 4) + 30 + 20


@pytest.mark.parametrize(("number", "ends"), [(signal.SIGTERM, True), (signal.SIGINT, False)])
def test_signals(number, ends):
    """SIGTERM is passed on; a Ctrl-C reaches the run from the terminal, and must not end the study before it."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        with page.passed_on(process) as came:
            os.kill(os.getpid(), number)
            if ends:
                assert process.wait(30) == -signal.SIGTERM
            else:
                assert process.poll() is None
        process.kill()
    assert came == [number]


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
    last = tmp_path / "out" / "convolutional" / "1" / "checkpoints" / "last.ckpt"
    last.parent.mkdir()
    last.touch()
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
    assert "whole, seed 0: done in 0:0" in third.stdout
    assert time.monotonic() - began < 10
    assert (whole / "checkpoints" / "last.ckpt").stat().st_mtime_ns == before
