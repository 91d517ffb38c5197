"""gpu-bench at toy size: it keeps what it has found, keeps its time, and goes on after what fails."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anime_gen.bench import gpu, gpu_parts, gpu_table, journal
from anime_gen.bench.journal import Journal, Late, Part, limit
from anime_gen.contract import UserError

ROOT = Path(__file__).resolve().parent.parent.parent
MACHINE = {"device": "card", "driver": "1.2", "torch": "2", "cuda": "13", "lightning": "2", "cores": 1, "memory_gib": 8}


def measured(monkeypatch, folder, *words):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ANIME_GEN_RUN", "")
    for lacking in ("open_clip", "torch_fidelity"):  # in images for cards
        monkeypatch.setitem(sys.modules, lacking, None)
    assert gpu.main(["--toy", "--out", str(folder), *words]) == 0
    return json.loads((folder / "gpu-bench.json").read_text())


@pytest.mark.slow
def test_toy_size(monkeypatch, tmp_path, capsys):
    found = measured(monkeypatch, tmp_path, "--families", "mlpgan", "--deeper", "mlpgan", "--learn", "vae")
    assert found["failed"] == {}
    assert found["left_out"] == []
    trained = found["parts"]["train mlpgan"]
    assert trained["precision"] == "bf16-mixed"
    assert trained["images_per_second"] > 0
    assert trained["gmacs_per_second"] > 0
    assert found["parts"]["float32 mlpgan"]["precision"] == "32-true"
    assert found["parts"]["compiled mlpgan"]["images_per_second"] > 0
    assert found["parts"]["largest mlpgan"]["batch_size"] == gpu_parts.TOY.most_batch
    assert found["parts"]["sample mlpgan"]["images_per_second"] > 0
    assert found["parts"]["score"]["images"] == gpu_parts.TOY.sampled
    assert set(found["parts"]["loader mlpgan"]) == {"loader", "trainer"}
    assert found["parts"]["learn vae"]["images"] == 16
    assert "fd_judge" in found["parts"]["learn vae"]["scores"]
    assert (tmp_path / "learning.png").stat().st_size > 1000
    printed = capsys.readouterr().out
    assert printed == (table := (tmp_path / "gpu-bench.md").read_text()) + "\n"
    for text in (found["machine"]["device"], f"torch {found['machine']['torch']}", "train mlpgan", "fd_judge"):
        assert text in table


@pytest.mark.slow
def test_every_family_at_toy_size(monkeypatch, tmp_path):
    found = measured(monkeypatch, tmp_path, "--minutes", "20")
    # Too large for 40 seconds on a processor; too small a picture for the third.
    assert {*found["failed"]} <= {"train stylegan2_s5", "train stylegan2_ada", "train cyclegan_resnet"}
    assert found["left_out"] == []
    assert found["parts"]["compiled stylegan2"]["images_per_second"] > 0


def run(folder, parts, seconds=60.0):
    kept = Journal(folder / "found", MACHINE, gpu_table.markdown)
    kept.run(parts, seconds)
    return kept


def test_what_is_there_outlives_what_comes_after(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "BEGAN", time.monotonic())
    seen = {}

    def breaks():
        seen.update(json.loads((tmp_path / "found.json").read_text()))  # as a cut would find it
        raise ValueError("a long story\nwith details")

    def refuses():
        try:
            raise UserError("give another size")
        except UserError as reason:
            raise ValueError("Does not validate") from reason

    parts = [
        Part("first", 0, 9, lambda: {"images_per_second": 1.5}),
        Part("second", 0, 9, breaks),
        Part("third", 0, 9, refuses),
        Part("fourth", 0, 9, lambda: {"chunk": 3}),
    ]
    found = run(tmp_path, parts).found
    assert seen["parts"] == {"first": {"images_per_second": 1.5}}
    assert found["failed"] == {"second": "ValueError: a long story", "third": "UserError: give another size"}
    assert found["parts"]["fourth"] == {"chunk": 3}
    assert json.loads((tmp_path / "found.json").read_text()) == found
    table = (tmp_path / "found.md").read_text()
    assert "# card" in table
    assert "driver 1.2" in table
    assert "ValueError: a long story" in table
    assert not list(tmp_path.glob(".*"))


def test_time_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "BEGAN", time.monotonic())
    parts = [
        Part("endless", 0.1, 0.3, lambda: time.sleep(60)),
        Part("long", 60, 90, lambda: pytest.fail("there is no time for it")),
        Part("short", 0, 9, lambda: {}),
    ]
    kept = run(tmp_path, parts, seconds=20.0)
    assert kept.found["failed"] == {"endless": "Late: took longer than 0 s"}
    assert kept.found["left_out"] == ["long"]
    assert "short" in kept.found["parts"]
    assert "there was no time: long" in (tmp_path / "found.md").read_text()


def test_a_limit_leaves_the_timers_of_others_alone():
    rung = []
    before = signal.signal(signal.SIGALRM, lambda *rest: rung.append(1))
    others = signal.setitimer(signal.ITIMER_REAL, 0.2)
    began = time.monotonic()
    try:
        with pytest.raises(Late), limit(0.05):
            time.sleep(5)
        while not rung and time.monotonic() - began < 5:
            time.sleep(0.01)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, *others)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("room", [0, 1, 63, 64, 100, 500, 1000, 1024, 5000])
def test_the_largest_that_fits(room):
    tried = []

    def fits(count):
        tried.append(count)
        return count <= room

    found = gpu_parts.search(fits, 64, 1024)
    assert found <= room
    assert found == 0 if room < 64 else found >= min(room, 1024) / 1.13
    assert len(tried) <= 9
    assert max(tried) <= 1024


@pytest.mark.parametrize(
    ("error", "ended_by"),
    [
        (
            RuntimeError("CUDA out of memory. Tried to allocate\nmuch"),
            "5: UserError: out of memory: make data.batch_size, data.image_size or a width smaller "
            "(CUDA out of memory. Tried to allocate)",
        ),
        (Late("took longer than 1 s"), "Late: took longer than 1 s"),
    ],
    ids=["memory", "time"],
)
def test_memory_or_time_ends_the_search(monkeypatch, error, ended_by):
    def two_steps(words, count):
        if count > 4:
            raise error

    monkeypatch.setattr(gpu_parts, "two_steps", two_steps)
    found = gpu_parts.largest([], gpu_parts.TOY._replace(most_batch=64))
    assert found == {"batch_size": 4, "ended_by": ended_by}


def test_a_missing_package_is_named_in_one_line():
    lines = (
        "import sys; sys.modules['jsonargparse'] = None; from anime_gen.bench import gpu; sys.exit(gpu.main(['--toy']))"
    )
    done = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "the package jsonargparse is missing" in done.stderr


def test_unknown_families_are_named(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert gpu.main(["--families", "mlpgan", "biggan"]) == 2
    assert "there is no biggan" in capsys.readouterr().err
