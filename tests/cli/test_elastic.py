"""A run goes on on another number of devices: no picture is left out, none comes twice, and what differs is said."""

import signal
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
import torch
import yaml

from anime_gen.data.sampler import Stream
from anime_gen.run.folder import RunFolder
from anime_gen.run.lock import alone

# Ranks agree to stop after every sixteenth batch: in the middle of an epoch of forty.
PASS = 480
BATCH = 12


def settings(folder: Path, *killers: dict) -> tuple[object, ...]:
    callbacks = [
        {"class_path": "anime_gen.callbacks.EMA"},
        {"class_path": "anime_gen.callbacks.Best"},
        {"class_path": "anime_gen.callbacks.Resume"},
        {"class_path": "callbacks.killer.Shown", "init_args": {"folder": str(folder)}},
        *killers,
    ]
    overlay = folder.with_suffix(".yaml")
    blocks = {"class_path": "golden.blocks.Blocks", "init_args": {"pictures": PASS}}
    overlay.write_text(
        yaml.safe_dump(
            {
                "model": {"init_args": {"networks": {"init_args": {"width": 4}}}},
                "data": {"source": blocks, "image_size": 16, "batch_size": BATCH, "epoch_images": PASS,
                         "score_images": 8},
                "scoring": {"train_images": 8},
                "trainer": {"max_epochs": 1, "precision": "32-true", "callbacks": callbacks},
            }
        )
    )  # fmt: skip
    return ("-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml", "-c", overlay)


def killer(**init_args: object) -> dict:
    return {"class_path": "callbacks.killer.KillAt", "init_args": {"number": int(signal.SIGTERM), **init_args}}


def shown(folder: Path) -> list[int]:
    """Every picture that was shown, in order; a step that came twice comes twice."""
    return [int(picture) for file in sorted(folder.iterdir()) for picture in file.read_text().split()]


def unhurt(run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["trainer"]["callbacks"] = [
        one for one in config["trainer"]["callbacks"] if not one["class_path"].endswith("KillAt")
    ]
    (run / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize(
    ("before", "after"),
    [(2, 1), *(pytest.param(*ranks, marks=pytest.mark.slow) for ranks in ((1, 2), (2, 3), (3, 2)))],
)
def test_no_picture_is_left_out_or_comes_twice(before, after, anime_gen, on_ranks, tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_TRUST", "callbacks,golden")

    def on(world: int, *words: object) -> CompletedProcess[str]:
        return on_ranks(world, *words) if world > 1 else anime_gen(*words, "--trainer.devices=1")

    seen, run = tmp_path / "seen", tmp_path / "run"
    seen.mkdir()
    stopped = on(before, "fit", *settings(seen, killer(images=120)), "--run", run)
    assert stopped.returncode == 130, stopped.stderr[-3000:]
    assert 0 < torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["images_shown"] < PASS
    unhurt(run)
    resumed = on(after, "resume", run)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    said = [line for line in resumed.stderr.splitlines() if "devices: the same pictures in the same order" in line]
    assert len(said) == 1
    assert said[0].startswith(f"goes on on {after} instead of {before} devices")
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["images_shown"] == PASS
    assert sorted(shown(seen)) == list(range(PASS)), "each once in the pass that was cut"
    assert shown(seen) == Stream(PASS, 0).at(np.arange(PASS))[0].tolist()


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False], ids=["of the first rank alone", "of both"])
def test_one_sigterm_saves_first(first, anime_gen, monkeypatch, tmp_path):
    """Under Lightning's own launcher, as it is typed."""
    monkeypatch.setenv("ANIME_GEN_TRUST", "callbacks,golden")
    seen, run = tmp_path / "seen", tmp_path / "run"
    seen.mkdir()
    stopped = anime_gen("fit", *settings(seen, killer(images=120, first=first)), "--run", run, "--trainer.devices=2")
    assert stopped.returncode == 130, stopped.stderr[-3000:]
    assert "Traceback" not in stopped.stderr
    line = f"stopped after 204 images, all saved; to go on: make experiment RESUME={run}"
    assert stopped.stderr.splitlines().count(line) == 1
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["images_shown"] == 204
    with alone(RunFolder(run)):  # nobody trains there any more
        pass


def test_what_cannot_be_shared_or_is_held_is_refused(anime_gen, here, tmp_path):
    """On several ranks as on one: the first says so, before there is another."""
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    yamls = ("-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml")
    small = ("--data.source.faces=200", "--data.image_size=16", "--data.batch_size=8", "--data.epoch_images=8",
             "--data.score_images=8", "--scoring.train_images=8", "--trainer.max_epochs=1",
             "--trainer.limit_val_batches=0", "--model.networks.width=4")  # fmt: skip
    done = here("fit", *yamls, *small, "--run", run)
    assert done.returncode == 0, done.stderr[-3000:]
    refused = here("resume", run, "--trainer.devices=3")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1] == (
        "anime-gen: this run's batches of 8 pictures (data.batch_size) cannot be shared by 3 devices: go on with "
        "--trainer.devices=1 or 2 or 4 or 8"
    )
    with alone(RunFolder(run)):
        refused = anime_gen("resume", run, "--trainer.devices=2")
    assert refused.returncode == 2
    assert "another process trains in" in refused.stderr.splitlines()[-1]
