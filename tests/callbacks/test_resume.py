"""A run that is killed and resumed equals one that was left alone, bit for bit."""

from pathlib import Path

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

FAMILIES = ["diffusion", "dcgan"]
SMALL = {
    "diffusion": {"network": {"init_args": {"channels": [8, 16]}}, "settings": {"steps": 2}},
    "dcgan": {"networks": {"class_path": "anime_gen.families.dcgan.Convolutional", "init_args": {"width": 8}}},
}


def overlay(folder: Path, family: str, *more: dict) -> Path:
    """Settings under which a family trains for seconds and saves in the middle of its second epoch."""
    callbacks = [
        {"class_path": "anime_gen.callbacks.EMA", "init_args": {"half_life": 100}},
        {"class_path": "anime_gen.callbacks.Curves", "init_args": {"every_batches": 1}},
        {"class_path": "anime_gen.callbacks.Grids", "init_args": {"rows": 1, "columns": 2}},
        {"class_path": "anime_gen.callbacks.Best"},
        {"class_path": "anime_gen.callbacks.Resume", "init_args": {"every_images": 24, "at_least_seconds": 0}},
        *more,
    ]
    settings = {
        "model": {"init_args": SMALL[family]},
        "data": {
            "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 200}},
            "image_size": 16,
            "batch_size": 8,
            "epoch_images": 64,
            "score_images": 16,
        },
        "scoring": {"train_images": 64},
        "trainer": {"max_epochs": 3, "callbacks": callbacks},
    }
    path = folder / "overlay.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def fit(anime_gen, run: Path, family: str, *more: dict):
    run.parent.mkdir(parents=True, exist_ok=True)
    settings = overlay(run.parent, family, *more)
    shared, own = "experiments/shared.yaml", f"experiments/family/{family}.yaml"
    return anime_gen("fit", "-c", shared, "-c", own, "-c", settings, "--run", run)


def curves(run: Path) -> dict[str, dict[int, float]]:
    """Every training curve by images shown. A resumed run's events supersede what the killed one wrote after it."""
    events = EventAccumulator(str(run), size_guidance={"scalars": 0})
    events.Reload()
    return {
        tag: {event.step: event.value for event in events.Scalars(tag)}
        for tag in events.Tags()["scalars"]
        if tag.startswith(("train/", "score/"))
    }


def last(run: Path, name: str = "last") -> dict:
    return torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)


@pytest.fixture(scope="module", params=FAMILIES)
def uninterrupted(request, anime_gen, tmp_path_factory):
    run = tmp_path_factory.mktemp(request.param) / "whole" / "run"
    done = fit(anime_gen, run, request.param)
    assert done.returncode == 0, done.stderr[-2000:]
    return request.param, run


# One batch after a scoring; in the middle of the second epoch; at the last batch of an epoch.
@pytest.mark.parametrize("images", [72, 104, 128])
def test_killed_run_equals_uninterrupted(uninterrupted, images, anime_gen, tmp_path):
    family, whole = uninterrupted
    run = tmp_path / "killed" / "run"
    killer = {"class_path": "callbacks.killer.KillAt", "init_args": {"images": images}}
    killed = fit(anime_gen, run, family, killer)
    assert killed.returncode == -9, killed.stderr[-2000:]
    assert last(run)["images_shown"] < images

    config = yaml.safe_load((run / "config.yaml").read_text())
    config["trainer"]["callbacks"].pop()  # the killer
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    resumed = anime_gen("resume", run)
    assert resumed.returncode == 0, resumed.stderr[-2000:]

    expected, found = last(whole), last(run)
    assert found["images_shown"] == 192
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)
    torch.testing.assert_close(found["callbacks"]["EMA"], expected["callbacks"]["EMA"], rtol=0, atol=0)
    assert curves(run) == curves(whole)
    torch.testing.assert_close(last(run, "best")["state_dict"], last(whole, "best")["state_dict"], rtol=0, atol=0)


def test_interrupt_finishes_the_batch_saves_and_says_how_to_go_on(anime_gen, tmp_path):
    run = tmp_path / "interrupted" / "run"
    killer = {"class_path": "callbacks.killer.KillAt", "init_args": {"images": 80, "number": 2}}
    stopped = fit(anime_gen, run, "dcgan", killer)
    assert stopped.returncode == 130
    # The signal came after batch 10 had been counted: batch 11 at the latest is saved.
    assert last(run)["images_shown"] in (80, 88)
    assert "stopping after this batch" in stopped.stderr
    assert f"RESUME={run}" in stopped.stderr
    assert "Traceback" not in stopped.stderr


@pytest.mark.parametrize("keys", ["--trainer.check_val_every_n_epoch=2", "--trainer.limit_val_batches=0"])
def test_what_comes_after_the_last_scoring_is_saved(here, tmp_path, keys):
    run = tmp_path / "odd" / "run"
    done = fit(lambda *words: here(*words, keys), run, "dcgan")
    assert done.returncode == 0, done.stderr[-2000:]
    assert last(run)["images_shown"] == 192


def test_resume_says_what_is_missing(here, tmp_path):
    nothing = here("resume", tmp_path / "no")
    assert (nothing.returncode, len(nothing.stderr.strip().splitlines())) == (2, 1)
    assert "no config.yaml" in nothing.stderr
