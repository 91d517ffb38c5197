"""Data that goes, or is cut short, while a run trains on it: one line, and the run goes on from what was saved."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anime_gen.families.dcgan import DCGAN
from anime_gen.run.folder import RunFolder

SMALL = (
    *("-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml", "-c", "experiments/overlay/debug.yaml"),
    *("--data.source=anime_gen.data.Folder", "--model.networks.width=4", "--trainer.accelerator=cpu"),
    *("--trainer.logger=false", "--data.image_size=16", "--data.batch_size=8", "--data.epoch_images=32"),
)


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ANIME_GEN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "faces"
    folder.mkdir()
    for number in range(120):
        Image.fromarray(np.full((16, 16, 3), (number, 2 * number, 255 - number), np.uint8)).save(
            folder / f"{number:03}.png"
        )
    return folder


@pytest.mark.slow
def test_a_run_ends_in_a_line_and_goes_on(pictures, here, tmp_path, monkeypatch):
    run, step = RunFolder(tmp_path / "run"), DCGAN.training_step
    fit = ("fit", *SMALL, f"--data.source.path={pictures}", "--run", run.path, "--trainer.max_epochs=1")
    assert here(*fit).returncode == 0
    saved = run.last.read_bytes()

    def cut(self, batch, batch_idx):
        for path in (tmp_path / "cache").rglob("train-*/image-16.npy"):
            os.truncate(path, 300)
        return step(self, batch, batch_idx)

    go_on = ("resume", run.path, "--trainer.max_epochs=2")
    monkeypatch.setattr(DCGAN, "training_step", cut)
    failed = here(*go_on)
    assert failed.returncode == 2
    (named,) = re.findall(r"^anime-gen: (\S+\.npy) was cut short: delete it, and", failed.stderr, re.MULTILINE)
    assert run.last.read_bytes() == saved
    monkeypatch.setattr(DCGAN, "training_step", step)
    failed = here(*go_on)
    assert failed.returncode == 2
    assert f"{named} is damaged" in failed.stderr
    Path(named).unlink()
    aside = pictures.rename(tmp_path / "aside")
    failed = here(*go_on)
    assert failed.returncode == 2
    assert failed.stderr.endswith(f"anime-gen: the folder {pictures} does not exist: check the path\n")
    aside.rename(pictures)
    assert here(*go_on).returncode == 0


def test_what_is_packed_is_trained_on_to_the_end(pictures, here, tmp_path, monkeypatch):
    """The folder and the cache go after the first batch: their columns are open."""
    step = DCGAN.training_step

    def gone(self, batch, batch_idx):
        for place in (pictures, tmp_path / "cache"):
            shutil.rmtree(place, ignore_errors=True)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(DCGAN, "training_step", gone)
    run = RunFolder(tmp_path / "run")
    fit = ("fit", *SMALL, f"--data.source.path={pictures}", "--run", run.path, "--trainer.max_epochs=1")
    assert here(*fit).returncode == 0
    assert run.last.exists()
