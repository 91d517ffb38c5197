"""What a StyleGAN2 run can be asked beside samples, as a user types it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

SMALL = {
    "model": {"init_args": {"width": 8, "channel_base": 64, "channel_max": 8}},
    "data": {
        "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 80}},
        "image_size": 16,
        "batch_size": 8,
        "epoch_images": 32,
        "score_images": 9,
    },
    "trainer": {"max_epochs": 1, "precision": "32-true"},
}
YAMLS = ("-c", "experiments/shared.yaml", "-c", "experiments/family/stylegan2.yaml")


@pytest.fixture(scope="module")
def trained(typed: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("styles")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    done = typed("fit", *YAMLS, "-c", folder / "small.yaml", "--run", folder / "run")
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "run"


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_walks_draw_what_they_say(trained: Path, here: Callable[..., Any], tmp_path: Path) -> None:
    sheets = {}
    for verb, options in {
        "mix": ("--coarse=0-1", "--fine=2-4", "--tags=smile"),
        "walk": ("--seeds=0-1", "--frames=5"),
        "along": ("--tags=smile,blue hair", "--seeds=3", "--columns=3"),
    }.items():
        out = tmp_path / f"{verb}.png"
        done = here(verb, trained, "--out", out, *options)
        assert done.returncode == 0, done.stderr
        sheets[verb] = size(out)
    assert sheets["mix"][0] > sheets["mix"][1], "four columns, three rows"
    done = here("walk", trained, "--out", tmp_path / "walk.gif", "--seeds=0-1", "--frames=4")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "walk.gif") as film:
        assert film.n_frames > 4


def test_pictures_are_projected(trained: Path, here: Callable[..., Any], tmp_path: Path) -> None:
    pictures = [tmp_path / name for name in ("red.png", "blue.png")]
    for picture, colour in zip(pictures, [(200, 120, 90), (90, 120, 200)], strict=True):
        Image.new("RGB", (40, 30), colour).save(picture)
    options = ("--out", tmp_path / "found", "--steps=8", "--tags=smile", "--plus=true")
    done = here("project", trained, *pictures, *options)
    assert done.returncode == 0, done.stderr
    w_NLD = load_file(tmp_path / "found" / "projection.safetensors")["w_NLD"]
    assert w_NLD.shape == (2, 6, 8)
    assert not torch.equal(w_NLD[0], w_NLD[1])
    assert size(tmp_path / "found" / "projection.png")[1] > size(tmp_path / "found" / "projection.png")[0] / 2
    for picture in pictures:
        assert re.search(rf"^{re.escape(str(picture))}: 0\.\d+ away$", done.stdout, re.M), "each has an error"
    done = here("project", trained, pictures[0], tmp_path / "none.png", "--out", tmp_path / "other")
    assert done.returncode == 2
    assert f"{tmp_path / 'none.png'}: there is no picture that can be read" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, "before anything is searched"


def test_weights_begin_another_run(trained: Path, here: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    done = here("weights", trained, "--out", out)
    assert done.returncode == 0, done.stderr
    overlay = tmp_path / "other.yaml"
    transfer = {"model": {"init_args": {"start_from": str(out), "labels": "nothing"}}}
    settings = {**SMALL, "model": {"init_args": {**SMALL["model"]["init_args"], **transfer["model"]["init_args"]}}}  # type: ignore[index, dict-item]
    overlay.write_text(yaml.safe_dump(settings))
    done = here("fit", *YAMLS, "-c", overlay, "--run", tmp_path / "other", "--trainer.max_epochs=0")
    assert done.returncode == 0, done.stderr[-3000:]
    done = here("fit", *YAMLS, "-c", overlay, "--run", tmp_path / "another")
    assert done.returncode == 0, done.stderr[-3000:]
    out.unlink()
    done = here("sample", tmp_path / "another", "--out", tmp_path / "faces.png", "--seeds=0-3")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        ("mix", ("--layers=70-80",), "this run has layers 0 to 5"),
        ("mix", ("--coarse=a-b",), "coarse: a-b: give numbers and ranges"),
        ("walk", ("--frames=1",), "give 2 or more"),
        ("along", ("--tags=wings",), "is not in this model's vocabulary"),
        ("along", ("--tags=-smile",), "tells this run nothing"),
        ("along", ("--tags=smile", "--columns=1"), "give 2 or more"),
        ("along", ("--tags=",), "name tags to follow"),
    ],
)
def test_wishes_that_cannot_be(
    verb: str, options: tuple[str, ...], message: str, trained: Path, here: Callable[..., Any], tmp_path: Path
) -> None:
    done = here(verb, trained, "--out", tmp_path / "out.png", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
