"""A run that is killed and resumed equals one that was left alone, bit for bit."""

import json
import re
import shutil
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


def overlay(folder: Path, family: str, *more: dict, every_images: int = 24) -> Path:
    """Settings under which a family trains for seconds: by default it saves in the middle of its second epoch."""
    saves = {"every_images": every_images, "at_least_seconds": 0}
    callbacks = [
        {"class_path": "anime_gen.callbacks.EMA", "init_args": {"half_life": 100}},
        {"class_path": "anime_gen.callbacks.Curves", "init_args": {"every_batches": 1}},
        {"class_path": "anime_gen.callbacks.Grids", "init_args": {"rows": 1, "columns": 2}},
        {"class_path": "anime_gen.callbacks.Best"},
        {"class_path": "anime_gen.callbacks.Resume", "init_args": saves},
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


def fit(anime_gen, run: Path, family: str, *more: dict, every_images: int = 24):
    run.parent.mkdir(parents=True, exist_ok=True)
    settings = overlay(run.parent, family, *more, every_images=every_images)
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


@pytest.fixture(scope="module")
def whole_dcgan(anime_gen, tmp_path_factory):
    run = tmp_path_factory.mktemp("dcgan") / "whole" / "run"
    done = fit(anime_gen, run, "dcgan")
    assert done.returncode == 0, done.stderr[-2000:]
    return run


def unhurt(run: Path) -> None:
    """What the run goes on with has no callback that kills."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    callbacks = config["trainer"]["callbacks"]
    config["trainer"]["callbacks"] = [one for one in callbacks if not one["class_path"].startswith("callbacks.")]
    (run / "config.yaml").write_text(yaml.safe_dump(config))


def scores(run: Path) -> list:
    """Every score, but of time and memory."""
    records = json.loads((run / "metrics.json").read_text())
    elsewhere = ("images_per_second", "peak_memory_gib")
    return [(one["name"], one["nimg"], one["value"]) for one in records if one["name"] not in elsewhere]


def assert_equal(run: Path, whole: Path) -> None:
    """Nothing tells which of the two was interrupted."""
    expected, found = last(whole), last(run)
    assert found["images_shown"] == 192
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)
    torch.testing.assert_close(found["callbacks"]["EMA"], expected["callbacks"]["EMA"], rtol=0, atol=0)
    assert curves(run) == curves(whole)
    assert scores(run) == scores(whole)
    torch.testing.assert_close(last(run, "best")["state_dict"], last(whole, "best")["state_dict"], rtol=0, atol=0)
    for grid in (whole / "grids").iterdir():
        assert (run / "grids" / grid.name).read_bytes() == grid.read_bytes()
    assert not list(run.rglob("*.tmp"))


# One batch after a scoring; in the middle of the second epoch; at the last batch of an epoch.
@pytest.mark.parametrize(
    "images", [pytest.param(72, marks=pytest.mark.slow), 104, pytest.param(128, marks=pytest.mark.slow)]
)
def test_killed_run_equals_uninterrupted(uninterrupted, images, anime_gen, tmp_path):
    family, whole = uninterrupted
    run = tmp_path / "killed" / "run"
    killer = {"class_path": "callbacks.killer.KillAt", "init_args": {"images": images}}
    killed = fit(anime_gen, run, family, killer)
    assert killed.returncode == -9, killed.stderr[-2000:]
    assert last(run)["images_shown"] < images
    unhurt(run)
    resumed = anime_gen("resume", run)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert "devices: the same pictures" not in resumed.stderr, "on as many as before"
    assert_equal(run, whole)


@pytest.mark.parametrize(
    ("what", "images", "every_images", "saved"),
    [
        pytest.param("write", 104, 24, 88, marks=pytest.mark.slow),
        ("rename", 104, 24, 88),
        ("write", 128, 32, 96),
        # A scoring that is to come is saved, too: whether that save was due (every 32 images) or not (every 24).
        pytest.param("scoring", 128, 32, 128, marks=pytest.mark.slow),
        ("scoring", 128, 24, 128),
        pytest.param("grid", 128, 32, 128, marks=pytest.mark.slow),
        pytest.param("scored", 128, 32, 128, marks=pytest.mark.slow),
        pytest.param("scoring", 192, 32, 192, marks=pytest.mark.slow),
        ("scored", 192, 24, 192),
    ],
)
def test_wherever_the_kill_comes(whole_dcgan, what, images, every_images, saved, anime_gen, tmp_path):
    run = tmp_path / "killed" / "run"
    killer = {"class_path": "callbacks.killer.KillIn", "init_args": {"images": images, "what": what}}
    killed = fit(anime_gen, run, "dcgan", killer, every_images=every_images)
    assert killed.returncode == -9, killed.stderr[-2000:]
    assert last(run)["images_shown"] == saved
    unhurt(run)
    resumed = anime_gen("resume", run)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert_equal(run, whole_dcgan)


@pytest.mark.parametrize("what", ["batch", "scoring"])
def test_a_sigterm_before_or_in_a_scoring_leaves_it_for_later(whole_dcgan, what, anime_gen, tmp_path):
    """It is taken when the run goes on, and only then: gone on with once more, the run has not two of them."""
    run = tmp_path / "stopped" / "run"
    killers = {
        "batch": {"class_path": "callbacks.killer.KillAt", "init_args": {"images": 192, "number": 15}},
        "scoring": {
            "class_path": "callbacks.killer.KillIn",
            "init_args": {"images": 192, "what": "scoring", "number": 15},
        },
    }
    stopped = fit(anime_gen, run, "dcgan", killers[what])
    assert stopped.returncode == 130, stopped.stderr[-2000:]
    assert "stopped after 192 images, all saved; to go on: make experiment RESUME=" in stopped.stderr
    assert max(nimg for _, nimg, _ in scores(run)) == 128
    for _ in range(2):
        unhurt(run)
        resumed = anime_gen("resume", run)
        assert resumed.returncode == 0, resumed.stderr[-2000:]
        assert_equal(run, whole_dcgan)


def test_a_full_disk_is_a_line_and_costs_nothing(whole_dcgan, anime_gen, tmp_path):
    run = tmp_path / "full" / "run"
    full = {"class_path": "callbacks.killer.Full", "init_args": {"images": 96, "size": 60_000}}
    stopped = fit(anime_gen, run, "dcgan", full)
    assert stopped.returncode == 2, stopped.stderr[-2000:]
    assert "Traceback" not in stopped.stderr
    assert re.search(rf"File too large; what was saved is whole: make room.* RESUME={run}$", stopped.stderr.strip())
    assert last(run)["images_shown"] == 88
    unhurt(run)
    resumed = anime_gen("resume", run)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert_equal(run, whole_dcgan)


def test_a_damaged_checkpoint_is_passed_over(whole_dcgan, here, tmp_path):
    run = tmp_path / "damaged"
    shutil.copytree(whole_dcgan, run)
    whole = (run / "checkpoints" / "last.ckpt").read_bytes()
    assert last(run, "last-1")["images_shown"] == 192  # before the last scoring
    for damaged in (whole[:-100], whole[: len(whole) // 2] + b"?" + whole[len(whole) // 2 + 1 :], b""):
        (run / "checkpoints" / "last.ckpt").write_bytes(damaged)
        shown = here("sample", run, "--checkpoint", "last", "--out", tmp_path / "x.png")
        assert (shown.returncode, len(shown.stderr.splitlines())) == (2, 1)
        assert re.search(r"last.ckpt is not a checkpoint .*, or damaged: (the checksum|it is cut)", shown.stderr)
    resumed = here("resume", run)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert "going on from last-1.ckpt, which was saved before" in resumed.stderr
    assert_equal(run, whole_dcgan)
    for path in (run / "checkpoints").glob("last*.ckpt"):
        path.write_bytes(b"")
    resumed = here("resume", run)
    assert resumed.returncode == 2
    assert "nothing whole is left to go on from" in resumed.stderr.splitlines()[-1]


def test_a_run_that_was_killed_before_its_first_save_begins_anew(whole_dcgan, anime_gen, here, tmp_path):
    run = tmp_path / "killed" / "run"
    killer = {"class_path": "callbacks.killer.KillAt", "init_args": {"images": 16}}
    killed = fit(anime_gen, run, "dcgan", killer)
    assert killed.returncode == -9, killed.stderr[-2000:]
    unhurt(run)
    again = here("fit", "-c", run / "config.yaml", "--run", run)
    assert again.returncode == 2
    assert f"or go on with RESUME={run}" in again.stderr.splitlines()[-1]
    resumed = anime_gen("resume", run)
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    assert f"{run} was stopped before its first save: it begins anew" in resumed.stderr
    assert_equal(run, whole_dcgan)


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
    more = here("resume", run, "--trainer.max_epochs=4")
    assert more.returncode == 0, more.stderr[-2000:]
    assert last(run)["images_shown"] == 256
    every_second = {128, 256} if "every" in keys else set()
    assert {nimg for _, nimg, _ in (scores(run) if every_second else [])} == every_second


def test_what_a_resumed_run_is_told_otherwise(whole_dcgan, here, tmp_path):
    """It is taken by the optimisers, too, or refused in a line; both survive the next resume."""
    run = tmp_path / "told"
    shutil.copytree(whole_dcgan, run)
    resumed = here("resume", run, "--model.lr_generator=1e-5", "--trainer.max_epochs=4")
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    again = here("resume", run, "--trainer.max_epochs=5")
    assert again.returncode == 0, again.stderr[-2000:]
    saved = last(run)
    generator, discriminator = (state["param_groups"][0]["lr"] for state in saved["optimizer_states"])
    assert generator == saved["hyper_parameters"]["lr_generator"] == 1e-5
    assert discriminator == saved["hyper_parameters"]["lr_discriminator"] > 1e-5
    for key, line in (
        ("--data.batch_size=16", "data.batch_size is 8 in this run, which cannot go on with 16"),
        ("--data.epoch_images=128", "data.epoch_images is 64 in this run, which cannot go on with 128"),
        ("--minutes=3", "a run that goes on keeps its length: leave --minutes"),
        ("--model.networks.width=16", "does not fit these settings"),
    ):
        refused = here("resume", run, key)
        assert refused.returncode == 2
        assert line in refused.stderr.splitlines()[-1]
    assert last(run)["images_shown"] == 320


def test_resume_says_what_is_missing(here, tmp_path):
    nothing = here("resume", tmp_path / "no")
    assert (nothing.returncode, len(nothing.stderr.strip().splitlines())) == (2, 1)
    assert "no config.yaml" in nothing.stderr
