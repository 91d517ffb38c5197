"""Ten minutes are ten minutes: a run measures its machine, and is from then on a function of pictures."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from anime_gen.cli import main, pace
from anime_gen.cli.pace import Length, Pace, length
from anime_gen.cli.places import unclaimed

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ("-c", "experiments/shared.yaml", "-c", "experiments/family/mlpgan.yaml")
SMALL = ("--data.source.faces=200", "--data.image_size=16", "--data.batch_size=8", "--data.score_images=16",
         "--trainer.precision=32-true", "--scoring.train_images=64")  # fmt: skip


def test_minutes_become_whole_batches():
    # 600 s less 20 s of measuring and 3 scorings of 10 s: 550 s of batches of 0.5 s, in three epochs.
    assert length(10, Pace(0.5, 10, 20), 3, 32) == Length(3, 367 * 32)


def test_dear_scorings_are_fewer():
    assert length(10, Pace(0.5, 100, 0), 6, 32) == Length(1, 1000 * 32)


def test_a_run_shorter_than_one_scoring_still_trains():
    assert length(0.5, Pace(0.5, 100, 20), 2, 32) == Length(1, 32)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests")  # for the slow trainer
    monkeypatch.setattr(pace, "LEAST_SECONDS", 0.5)
    monkeypatch.setattr(pace, "LEAST_BATCHES", 10)


def settings(folder, **keys):
    """A file of settings with a slow trainer's callback at the end of the list."""
    overlay = folder / "slow.yaml"
    slow = {"class_path": "callbacks.slow.Slow", "init_args": {"seconds": 0.1}}
    overlay.write_text(yaml.safe_dump({"trainer": {"callbacks+": [slow]}, **keys}))
    return overlay


def test_a_slow_machine_is_given_fewer_pictures(here, quick, tmp_path):
    run = tmp_path / "run"
    done = here("fit", "--minutes=0.15", *SHARED, *SMALL, "-c", settings(tmp_path), "--run", run)
    assert done.returncode == 0, done.stderr
    assert "0.15 minutes here" in done.stderr
    config = yaml.safe_load((run / "config.yaml").read_text())
    images = config["data"]["epoch_images"] * config["trainer"]["max_epochs"]
    # Of nine seconds: at least 1.3 s of measuring, some scoring, and batches of 8 that take 0.1 s and more: how much
    # more depends on what else the machine does.
    assert 40 <= images <= 77 * 8
    # What the run is goes by pictures alone.
    assert config["minutes"] is None
    records = json.loads((run / "metrics.json").read_text())
    assert records[-1]["nimg"] == images
    assert not list(run.glob("**/*.tmp"))

    # The same pictures in another run are the same run, whatever the clock says. (The callback that slows is ours.)
    again = tmp_path / "again"
    faster = tmp_path / "faster.yaml"
    faster.write_text((run / "config.yaml").read_text().replace("seconds: 0.1", "seconds: 0.0"))
    done = here("fit", "-c", faster, "--run", again)
    assert done.returncode == 0, done.stderr
    assert "minutes here" not in done.stderr
    ours = {record["name"]: record["value"] for record in records if record["name"].startswith("fd_")}
    theirs = {r["name"]: r["value"] for r in json.loads((again / "metrics.json").read_text()) if r["name"] in ours}
    assert ours == theirs


EXPLICIT = {
    "keys": (["--trainer.max_epochs=1", "--data.epoch_images=16"], {}),
    "spaced keys": (["--trainer.max_epochs", "1", "--data.epoch_images", "16"], {}),
    "a file of one's own": (["--trainer.limit_train_batches=2"], {"data": {"epoch_images": 16}}),
    "a file that says none": (["--trainer.limit_train_batches=2"], {"minutes": None}),
}


@pytest.mark.parametrize(("words", "keys"), EXPLICIT.values(), ids=EXPLICIT.keys())
def test_an_explicit_length_wins(words, keys, here, quick, tmp_path):
    own = ("-c", settings(tmp_path, **keys), *words, "--trainer.limit_val_batches=0")
    done = here("fit", "--minutes=5", *SHARED, *SMALL, *own, "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "minutes here" not in done.stderr


def minutes(capsys, *words):
    with pytest.raises(SystemExit):
        main(["fit", *map(str, words), "--print_config"])
    return yaml.safe_load(capsys.readouterr().out)["minutes"]


@pytest.mark.parametrize("family", ["stylegan2_s5", "stylegan2_ada", "diffusion_thesis"])
def test_large_recipes_have_no_minutes_unless_asked(family, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    files = ("-c", "experiments/shared.yaml", "-c", f"experiments/family/{family}.yaml")
    # What `make experiment` gives by default comes before the files, what the user asks for after them.
    assert minutes(capsys, "--minutes=10", *files) is None
    assert minutes(capsys, "--minutes=10", *files, "--minutes=3") == 3
    assert minutes(capsys, "--minutes=10", *SHARED) == 10


@pytest.mark.parametrize(
    ("asked", "given"),
    [((), "fit --minutes=10 --config"), (("MINUTES=3",), "mlpgan.yaml --minutes=3"), (("RESUME=runs/x/y",), "resume")],
)
def test_make_gives_ten_minutes_or_what_is_asked(asked, given):
    dry = subprocess.run(
        ["make", "--dry-run", "experiment", "MODEL=mlpgan", *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    command = " ".join(dry.stdout.replace("\\\n", " ").split())
    assert given in command
    assert command.count("--minutes") == (not asked or "MINUTES" in asked[0])


def test_a_run_without_scorings_has_minutes_too(here, quick, tmp_path):
    own = ("-c", settings(tmp_path), "--trainer.limit_val_batches=0", "--run", tmp_path / "run")
    done = here("fit", "--minutes=0.05", *SHARED, *SMALL, *own)
    assert done.returncode == 0, done.stderr
    assert "a scoring takes 0 s" in done.stderr


def test_minutes_must_be_some(here):
    done = here("fit", *SHARED, "--minutes=0")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "minutes" in done.stderr


@pytest.mark.slow
def test_all_ranks_share_one_number(anime_gen, tmp_path):
    run = tmp_path / "run"
    done = anime_gen("fit", "--minutes=0.1", *SHARED, *SMALL, "--run", run, "--trainer.devices=2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("minutes here") == 1
    config = yaml.safe_load((run / "config.yaml").read_text())
    images = config["data"]["epoch_images"] * config["trainer"]["max_epochs"]
    assert json.loads((run / "metrics.json").read_text())[-1]["nimg"] == images


def test_two_runs_of_one_second_have_two_folders(tmp_path):
    folder = tmp_path / "dcgan" / "20260101-120000"
    assert [unclaimed(folder).name for _ in range(3)] == [folder.name, f"{folder.name}-2", f"{folder.name}-3"]
