"""Out of memory: the batch that fits is found and offered, and what is offered works."""

import re
from itertools import pairwise

import pytest
import torch

from anime_gen.cli import room
from anime_gen.families.dcgan import DCGAN
from anime_gen.run.folder import RunFolder

SMALL = (
    *("-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml", "-c", "experiments/overlay/debug.yaml"),
    *("--data.source=anime_gen.data.PaintedFaces", "--data.source.faces=200", "--model.networks.width=4"),
    *("--trainer.accelerator=cpu", "--trainer.logger=false", "--data.image_size=16", "--data.epoch_images=32"),
)


@pytest.fixture
def memory(monkeypatch):
    """Has room for so many pictures a batch."""
    told = {"pictures": 5}
    step = DCGAN.training_step

    def training_step(self, batch, batch_idx):
        if len(batch.image_BCHW) > told["pictures"]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(DCGAN, "training_step", training_step)
    return told


def test_the_batch_that_is_offered_fits(memory, here, tmp_path):
    words = ("fit", *SMALL, "--run", tmp_path / "run")
    failed = here(*words, "--data.batch_size=16")
    assert failed.returncode == 2
    line = failed.stderr.strip().splitlines()[-1]
    assert "a batch of 16 does not fit, one of 4 does" in line
    (key,) = re.findall(r"--data\.batch_size=\d+", line)
    # The same name of a run: what never trained does not keep it.
    assert here(*words, key).returncode == 0
    assert RunFolder(tmp_path / "run").last.exists()


@pytest.mark.slow
def test_a_run_that_was_saved_stays_whole(memory, here, tmp_path):
    run = RunFolder(tmp_path / "run")
    assert here("fit", *SMALL, "--run", run.path, "--data.batch_size=4").returncode == 0
    saved = run.last.read_bytes()
    memory["pictures"] = 3
    failed = here("resume", run.path, "--trainer.max_epochs=3")
    assert failed.returncode == 2
    line = failed.stderr.strip().splitlines()[-1]
    assert "one of 2 does: begin a new run with --data.batch_size=2" in line
    assert f"make experiment RESUME={run.path}" in line
    assert run.last.read_bytes() == saved
    memory["pictures"] = 4
    assert here("resume", run.path, "--trainer.max_epochs=3").returncode == 0


def test_of_a_scoring_no_batch_is_offered(here, tmp_path, monkeypatch):
    def generate(*rest):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(DCGAN, "generate", generate)
    failed = here("fit", *SMALL, "--run", tmp_path / "run", "--data.batch_size=8")
    assert failed.returncode == 2
    assert "does not fit" not in failed.stderr
    assert "anime-gen: out of memory: make " in failed.stderr


@pytest.mark.slow
def test_where_nothing_fits(memory, here, tmp_path):
    memory["pictures"] = 0
    failed = here("fit", *SMALL, "--run", tmp_path / "run", "--data.batch_size=8")
    assert failed.returncode == 2
    assert "no smaller batch than 8 fits: make data.image_size or a width smaller" in failed.stderr


@pytest.mark.parametrize("size", [1, 2, 7, 12, 60, 64])
def test_smaller_batches_are_whole_parts(size):
    sizes = list(room.smaller(size))
    assert all(size % one == 0 for one in sizes)
    assert all(2 * after <= before for before, after in pairwise([size, *sizes]))
    assert not sizes if size == 1 else sizes[-1] == 1


def test_words_of_a_run_are_left_out():
    words = ["--run", "x", "-c", "a.yaml", "--ckpt_path=y", "--minutes", "3", "--data.seed=1", "--run=z"]
    assert room.without_run(words) == ["-c", "a.yaml", "--data.seed=1"]
