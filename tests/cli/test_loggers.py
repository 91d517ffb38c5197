"""`--trainer.logger`: what is written beside TensorBoard's files, in the run's folder."""

import csv
import tomllib
from pathlib import Path

import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning_utilities.core.imports import RequirementCache

from anime_gen.cli.loggers import WANDB, Rows, loggers, possible
from anime_gen.cli.train import suite

ROOT = Path(__file__).resolve().parent.parent.parent
TINY = (
    *("-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml", "-c", "experiments/overlay/debug.yaml"),
    *("--data.source=anime_gen.data.PaintedFaces", "--data.source.faces=200", "--data.epoch_images=160"),
)
without_wandb = pytest.mark.skipif(bool(RequirementCache(WANDB)), reason="wandb is installed")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_a_step(tmp_path):
    path = tmp_path / "metrics.csv"
    table = Rows(path)
    table.log_metrics({"loss": 1.0}, 20)
    table.log_metrics({"loss": 0.5}, 40)
    assert rows(path) == [{"step": "20", "loss": "1.0"}, {"step": "40", "loss": "0.5"}]
    table.log_metrics({"score": 7}, 40)  # a new column
    table.log_metrics({"alarm": 0}, 40)
    table.log_metrics({"loss": 0.25}, 60)
    table.log_metrics({"score": 6}, 60)  # a longer row in the place of a shorter one
    expected = [
        {"step": "20", "loss": "1.0", "score": "", "alarm": ""},
        {"step": "40", "loss": "0.5", "score": "7.0", "alarm": "0.0"},
        {"step": "60", "loss": "0.25", "score": "6.0", "alarm": ""},
    ]
    assert rows(path) == expected
    # Killed after 60, resumed from 20.
    again = Rows(path)
    again.log_metrics({"loss": 0.5}, 40)
    assert rows(path) == [expected[0], expected[1]]
    again.log_metrics({"loss": 0.2}, 60)
    assert [row["loss"] for row in rows(path)] == ["1.0", "0.5", "0.2"]


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ([], ["TensorBoardLogger"]),
        (["--trainer.logger=true"], ["TensorBoardLogger"]),
        (["--trainer.logger=false"], []),
        (["--trainer.logger=TensorBoardLogger"], ["TensorBoardLogger"]),
        (["--trainer.logger=lightning.pytorch.loggers.CSVLogger"], ["TensorBoardLogger", "CSVLogger"]),
        (["--trainer.logger+=CSVLogger"], ["TensorBoardLogger", "CSVLogger"]),
        (["--trainer.logger=[CSVLogger,TensorBoardLogger]"], ["TensorBoardLogger", "CSVLogger"]),
        (["-c", "trainer: {logger: [CSVLogger]}"], ["TensorBoardLogger", "CSVLogger"]),
        (
            ["-c", "trainer: {logger: {class_path: CSVLogger, init_args: {name: a}}}"],
            ["TensorBoardLogger", "CSVLogger"],
        ),
    ],
    ids=str,
)
def test_spellings(words, kinds, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    cli = suite([*TINY, *words, f"--run={tmp_path}"], run=False)
    assert [type(logger).__name__ for logger in cli.trainer.loggers] == kinds
    assert all(Path(logger.log_dir).is_relative_to(tmp_path) for logger in cli.trainer.loggers)


def test_tensorboard_files_of_ones_own_are_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    cli = suite([*TINY, "--trainer.logger=TensorBoardLogger", "--trainer.logger.name=more", f"--run={tmp_path}"], False)
    assert [Path(logger.log_dir) for logger in cli.trainer.loggers] == [tmp_path, tmp_path / "more"]


def test_a_run_with_a_table_and_its_resumption(here, tmp_path):
    run = tmp_path / "dcgan" / "one"
    assert here("fit", *TINY, "--trainer.logger=CSVLogger", "--run", run).returncode == 0
    table = rows(run / "metrics.csv")
    assert [row["step"] for row in table] == ["160", "320"]
    assert table[0]["train/loss_generator"]
    assert table[0]["score/fd_judge"], "curves and scores of one step stand in one row"
    assert list(run.glob("events.out.tfevents.*"))
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["trainer"]["logger"]["init_args"]["save_dir"] == ".", "another run may start from it"

    assert here("resume", run, "--trainer.max_epochs=3").returncode == 0
    assert rows(run / "metrics.csv")[:2] == table
    assert [row["step"] for row in rows(run / "metrics.csv")] == ["160", "320", "480"]

    of_test = tmp_path / "dcgan" / "one-test"
    checkpoint = run / "checkpoints" / "last.ckpt"
    words = ("--config", run / "config.yaml", "--run", of_test, "--ckpt_path", checkpoint)
    assert here("test", *words).returncode == 0
    assert not (of_test / "metrics.csv").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(("=WandbLogger",), ("package wandb", "uv pip install -e '.[wandb]'"), marks=without_wandb),
        pytest.param(("+=WandbLogger",), ("package wandb", "uv pip install -e '.[wandb]'"), marks=without_wandb),
        (("=Wandb",), ("Wandb", "CSVLogger, WandbLogger", "false")),
        (("=CSVLogger", ".folder=x"), ("'folder'", "--trainer.logger.help NAME")),
        (("=MLFlowLogger",), ("MLFlowLogger", "mlflow")),
    ],
    ids=str,
)
def test_mistakes(here, words, expected, tmp_path):
    if "MLFlowLogger" in words[0] and RequirementCache("mlflow"):
        pytest.skip("mlflow is installed")
    done = here("fit", *TINY, *(f"--trainer.logger{word}" for word in words), "--run", tmp_path / "run")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("anime-gen: trainer.logger: ")
    assert all(word in line for word in expected), line
    assert possible().count("\n") == 0


def test_pyproject_asks_for_the_same_wandb():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["wandb"] == [WANDB]


def test_none(tmp_path):
    assert loggers(False, tmp_path) is False
    (own,) = loggers(None, tmp_path)
    assert isinstance(own, TensorBoardLogger)
    assert not isinstance(own, CSVLogger)


def test_wandb_without_a_network(anime_gen, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = tmp_path / "dcgan" / "one"
    done = anime_gen("fit", *TINY, "--trainer.logger=WandbLogger", "--run", run)
    assert done.returncode == 0, done.stderr[-2000:]
    (first,) = (run / "wandb").glob("offline-run-*")
    assert len(list(first.glob("files/media/images/samples_*.png"))) == 2
    kept = b"".join(path.read_bytes() for path in first.glob("*.wandb"))
    for word in (b"score/fd_judge", b"train/loss_generator", b"anime_gen", b"dcgan/one"):
        assert word in kept
    done = anime_gen("resume", run, "--trainer.max_epochs=3")
    assert done.returncode == 0, done.stderr[-2000:]
    assert len({path.name.split("-")[-1] for path in (run / "wandb").glob("offline-run-*")}) == 1, "another run"
    assert len(list((run / "wandb").glob("offline-run-*"))) == 2


def test_wandb_without_an_account(anime_gen, tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    done = anime_gen("fit", *TINY, "--trainer.logger=WandbLogger", "--run", tmp_path / "run")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "WANDB_MODE=offline" in done.stderr.strip().splitlines()[-1]
