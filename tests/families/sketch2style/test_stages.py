"""A drawing that grows stroke by stroke, and what a user gets of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw

from anime_gen.families.sketch2style.stages import stages_of

FACES = ("--data.source=anime_gen.data.PaintedFaces", "--data.source.faces=80", "--data.image_size=16")
SMALL = ("--data.batch_size=8", "--data.epoch_images=8", "--data.score_images=9", "--trainer.max_epochs=1",
         "--trainer.precision=32-true", "--model.structure=3")  # fmt: skip


def test_a_drawing_grows_by_as_much_each_time_though_all_its_lines_touch() -> None:
    ink = torch.zeros(64, 64)
    ink[8::8], ink[:, 8::8] = 0.9, 0.9
    before = torch.get_rng_state()
    drawn = stages_of(ink, 4, seed=1) > 0
    assert torch.equal(before, torch.get_rng_state())
    shares = drawn.flatten(1).sum(1) / (ink > 0).sum()
    torch.testing.assert_close(shares, torch.tensor([0.25, 0.5, 0.75, 1.0]), rtol=0, atol=0.01)
    assert (drawn[:-1] <= drawn[1:]).all(), "what is drawn stays"
    assert not torch.equal(drawn, stages_of(ink, 4, seed=2) > 0)
    assert torch.equal(stages_of(ink, 1, seed=1)[0, 0], ink)


@pytest.fixture(scope="module")
def run(style: Callable[..., Path], typed: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sketches") / "run"
    shared = ("-c", "experiments/shared.yaml", "-c", "experiments/family/sketch2style.yaml")
    done = typed("fit", *shared, *FACES, *SMALL, f"--model.style={style(*FACES)}", "--run", folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def drawing(path: Path) -> Path:
    picture = Image.new("RGB", (100, 80), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((20, 10, 80, 70), outline="black", width=3)
    pen.line((40, 50, 60, 50), fill="black", width=3)
    picture.save(path)
    return path


def test_a_drawing_becomes_a_film_a_sheet_and_pictures(run: Path, here: Callable[..., Any], tmp_path: Path) -> None:
    done = here(
        "sketch", run, drawing(tmp_path / "face.png"), "--out", tmp_path / "frames", "--stages=2", "--tags=smile"
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "frames").iterdir()} == {
        "face.gif", "face.png", "face_01.png", "face_02.png",
    }  # fmt: skip
    with Image.open(tmp_path / "frames" / "face.gif") as film, Image.open(tmp_path / "frames" / "face_01.png") as first:
        assert film.n_frames == 2
        assert film.size == first.size
        assert first.width > 1.5 * first.height, "the drawing, and its portrait beside it"


def test_wishes_that_cannot_be(run: Path, here: Callable[..., Any], tmp_path: Path) -> None:
    face = drawing(tmp_path / "face.png")
    for words, message in (
        ((tmp_path / "none.png",), "there is no picture that can be read"),
        ((face, "--stages=0"), "give 1 or more"),
        ((face, "--variety=-1"), "variety=-1.0: give 0 or more"),
        ((face, face), "face: several drawings have this name"),
        ((face, "--tags=wings"), "is not in this model's vocabulary"),
    ):
        done = here("sketch", run, *words, "--out", tmp_path / "frames")
        assert done.returncode == 2, words
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "frames").exists()
