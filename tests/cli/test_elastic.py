"""A run goes on on another number of devices: no picture is left out, none comes twice, and what differs is said."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from anime_gen.data.sampler import Stream

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
    [(1, 2), *(pytest.param(*ranks, marks=pytest.mark.slow) for ranks in ((2, 1), (2, 3), (3, 2)))],
)
def test_no_picture_is_left_out_or_comes_twice(before, after, anime_gen, on_ranks, tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_TRUST", "callbacks,golden")
    on: Callable = lambda world, *words: on_ranks(world, *words) if world > 1 else anime_gen(*words)  # noqa: E731
    seen, run = tmp_path / "seen", tmp_path / "run"
    seen.mkdir()
    stopped = on(before, "fit", *settings(seen, killer(images=120)), "--run", run)
    assert stopped.returncode == 130, stopped.stderr[-3000:]
    assert 0 < torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["images_shown"] < PASS
    unhurt(run)
    resumed = on(after, "resume", run, f"--trainer.devices={after}")
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    said = [line for line in resumed.stderr.splitlines() if "devices: the same pictures in the same order" in line]
    assert len(said) == 1
    assert said[0].startswith(f"goes on on {after} instead of {before} devices")
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["images_shown"] == PASS
    assert sorted(shown(seen)) == list(range(PASS)), "each once in the pass that was cut"
    assert shown(seen) == Stream(PASS, 0).at(np.arange(PASS))[0].tolist()
    # And on as many as at last it says nothing.
    again = on(after, "resume", run, "--trainer.max_epochs=1")
    assert again.returncode == 0, again.stderr[-3000:]
    assert "instead of" not in again.stderr
