"""A run that translates, from training to a photo, as a user types it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from anime_gen.cli.compare import faces
from anime_gen.data import PaintedPhotos
from anime_gen.images import quantise
from anime_gen.reports.runs import read_run
from anime_gen.run.opened import data_of

SMALL = {
    "model": {
        "init_args": {
            "generators": {"init_args": {"width": 4, "max_width": 8}},
            "discriminators": {"init_args": {"width": 4}},
            "landmarks": {"init_args": {"finder_images": 128, "fine_from": 0.4}},
        }
    },
    "data": {
        "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 80}},
        "other_domain": {"class_path": "anime_gen.data.PaintedPhotos", "init_args": {"people": 60}},
        "batch_size": 8,
        "epoch_images": 32,
        "score_images": 9,
    },
    "trainer": {"max_epochs": 1, "precision": "32-true"},
}
YAMLS = ("-c", "experiments/shared.yaml", "-c", "experiments/family/cyclegan_landmarks.yaml")


@pytest.fixture(scope="module")
def trained(anime_gen: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("translation")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    done = anime_gen("fit", *YAMLS, "-c", folder / "small.yaml", "--run", folder / "run", "--trainer.devices=2")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "run"


def values(run: Path) -> dict[str, float | None]:
    return {record["name"]: record["value"] for record in json.loads((run / "metrics.json").read_text())}


def test_both_directions_are_scored_and_shown(trained: Path) -> None:
    found = values(trained)
    measured = {name for name, value in found.items() if value is not None}
    assert measured >= {
        "fd_judge", "fd_judge_back", "kd_judge_back", "fd_render_back", "swd_32_back", "spectrum_db_back",
        "cycle_error_photo", "cycle_error_anime", "inverted", "holes",
        "recoloured", "near_duplicates_judge",
        "landmark_failures_photo", "delta_e", "ssim", "discriminator_accuracy_anime",
        "discriminator_accuracy_photo",
    }  # fmt: skip
    assert "faces@skin=dark" in found
    records = json.loads((trained / "metrics.json").read_text())
    assert len({record["name"] for record in records}) == len(records)
    pairs = next(record for record in records if record["name"] == "delta_e")["protocol"]["num_pairs"]
    assert pairs == 9, "as many as there are photos"
    assert {path.name for path in (trained / "grids").iterdir()} == {"000000032.png", "000000032_translated.png"}


def test_one_rank_scores_as_the_two_that_trained(trained: Path, anime_gen: Callable[..., Any]) -> None:
    config = ("--config", trained / "config.yaml", "--ckpt_path", trained / "checkpoints" / "last.ckpt")
    alone = trained.with_name("alone")
    done = anime_gen("validate", *config, "--run", alone, "--trainer.devices=1")
    assert done.returncode == 0, done.stderr[-3000:]
    together = values(trained)
    for name, value in values(alone).items():
        assert together[name] == (value if value is None else pytest.approx(value, rel=1e-6, abs=1e-9)), name


@pytest.mark.slow
def test_so_it_does_where_each_rank_has_batch_norms_of_its_own(
    anime_gen: Callable[..., Any], on_ranks: Callable[..., Any], tmp_path: Path
) -> None:
    """Discriminators' too, which say what they believe in."""
    small: dict[str, Any] = {
        "model": {"init_args": {"generators": {"init_args": {"width": 4, "max_width": 8}},
                                "discriminators": {"init_args": {"width": 4}}}},
        "data": {**SMALL["data"], "epoch_images": 8},
        "trainer": {"max_epochs": 1, "precision": "32-true"},
    }  # fmt: skip
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
    run, alone = tmp_path / "run", tmp_path / "alone"
    yamls = ("-c", "experiments/shared.yaml", "-c", "experiments/family/cyclegan_baseline.yaml")
    done = on_ranks(2, "fit", *yamls, "-c", tmp_path / "small.yaml", "--run", run)
    assert done.returncode == 0, done.stderr[-3000:]
    config = ("--config", run / "config.yaml", "--ckpt_path", run / "checkpoints" / "last.ckpt")
    done = anime_gen("validate", *config, "--run", alone, "--trainer.devices=1")
    assert done.returncode == 0, done.stderr[-3000:]
    together = values(run)
    for name, value in values(alone).items():
        assert together[name] == (value if value is None else pytest.approx(value, rel=1e-6, abs=1e-9)), name


@pytest.mark.slow
def test_a_resumed_run_keeps_finders_and_pools(trained: Path, anime_gen: Callable[..., Any]) -> None:
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["state_dict"]["assistant.are_trained"]
    assert [len(pools["anime"]) for pools in checkpoint["pools"]] == [16, 16], "each rank has its own"
    done = anime_gen("resume", trained, "--trainer.max_epochs=2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "landmarks of photos" not in done.stdout + done.stderr, "they are not trained again"
    again = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    for name, value in checkpoint["state_dict"].items():
        if name.startswith("assistant.finds_in"):
            assert torch.equal(again["state_dict"][name], value), name
    for pools, before in zip(again["pools"], checkpoint["pools"], strict=True):
        assert torch.equal(pools["photo"][:16], before["photo"])


def test_photos_are_framed_translated_and_doubted(trained: Path, here: Callable[..., Any], tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    pictures = PaintedPhotos(60).fill("test", range(6), frozenset({"image"}), 128).columns["image"]
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(photos / f"person {number}.png")
    noise = np.random.default_rng(0).integers(0, 256, (100, 140, 3), dtype=np.uint8)
    Image.fromarray(noise).save(photos / "noise.png")
    (photos / "broken.jpg").write_bytes(b"no picture")
    # Names are bytes, and as long as the disk takes them.
    odd = [b"\xe9t\xe9.png".decode(errors="surrogateescape"), f"{'l' * 251}.jpg", f"{'l' * 251}.avif"[-255:]]
    for name in odd:
        Image.fromarray(pictures[0]).save(photos / name)
    done = here("translate", trained, photos, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    table = list(csv.DictReader((tmp_path / "out/translations.csv").open(errors="surrogateescape", newline="")))
    assert len({line["translation"] for line in table}) == 11, "eleven names, and an empty one"
    lines = {Path(line["file"]).stem: line for line in table}
    assert lines["noise"]["confidence"] == "low"
    assert "no face found" in lines["noise"]["why"]
    assert lines["broken"]["confidence"] == "unreadable"
    found = [line for line in lines.values() if line["face_x_y_side"]]
    assert len(found) >= 2
    for line in lines.values():
        if line["translation"]:
            assert Image.open(line["translation"]).size == (32, 32)
    assert (tmp_path / "out" / "sheet.png").exists()
    assert "10 of 11 translated" in done.stdout


def test_in_a_comparison_the_photo_stands_beside(trained: Path) -> None:
    sheet, left_out = faces({"one": [read_run(trained)]}, rows=2)
    assert not left_out
    assert sheet is not None
    _, photo_BCHW = data_of(trained).other_pictures("validation", 2)
    side, gap = 96, 4  # 32 px, enlarged three times
    assert sheet.width == 4 * (side + gap) + gap, "the true picture, the photo, two seeds"
    top = sheet.height - 2 * (side + gap)
    for row in (0, 1):
        box = (side + 2 * gap, top + row * (side + gap))
        seen = np.asarray(sheet.crop((*box, box[0] + side, box[1] + side)))[::3, ::3]
        np.testing.assert_array_equal(seen, quantise(photo_BCHW)[row].permute(1, 2, 0).numpy())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("translate", "RUN", "nowhere.jpg"), "nowhere.jpg is not there"),
        (("translate", "RUN", "EMPTY"), "no pictures in"),
        (("translate", "nowhere", "PHOTO"), "nowhere is no run"),
        (("translate", "RUN", "PHOTO", "--out", "EMPTY"), "is the folder of the photos themselves"),
        (("translate", "RUN", "PHOTO", "--out", "PHOTO"), "File exists"),
    ],
)
def test_mistakes_are_one_line(
    words: tuple[str, ...], message: str, trained: Path, here: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    photo = tmp_path / "empty" / "photo.png"
    if "PHOTO" in words:
        Image.new("RGB", (40, 40)).save(photo)
    told = [{"RUN": trained, "EMPTY": tmp_path / "empty", "PHOTO": photo}.get(word, word) for word in words]
    done = here(*told)
    assert done.returncode == 2
    assert message in done.stderr.strip().splitlines()[-1]
    assert not Path("translations").exists(), "nothing is left behind"


def test_landmarks_that_photos_lack_are_named(here: Callable[..., Any], tmp_path: Path) -> None:
    """Folders without landmarks, and a family that needs them: one line, before anything is trained."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(80):
            Image.new("RGB", (32, 32), (number, 90, 90)).save(tmp_path / name / f"{number}.png")
    (tmp_path / "small.yaml").write_text(yaml.safe_dump({**SMALL, "data": {"batch_size": 8, "epoch_images": 16}}))
    done = here(
        "fit", *YAMLS, "-c", tmp_path / "small.yaml", "--run", tmp_path / "run",
        "--data.source=anime_gen.data.Folder", f"--data.source.path={tmp_path / 'b'}",
        "--data.other_domain=anime_gen.data.Folder", f"--data.other_domain.path={tmp_path / 'a'}",
    )  # fmt: skip
    assert done.returncode == 2
    assert "landmarks_BK2" in done.stderr.strip().splitlines()[-1]
