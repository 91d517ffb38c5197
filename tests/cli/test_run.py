"""One small run, and everything a user does with it."""

import json
import re

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from anime_gen.run import load
from anime_gen.vocabulary import LANDMARKS

SETTINGS = {
    "model": {"init_args": {"channels": [8, 16], "settings": {"steps": 2}}},
    "data": {
        "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 200}},
        "image_size": 16,
        "batch_size": 8,
        "epoch_images": 32,
        "score_images": 16,
    },
    "trainer": {"max_epochs": 2, "precision": "32-true"},
}


@pytest.fixture(scope="module")
def run(anime_gen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    overlay = folder / "small.yaml"
    overlay.write_text(yaml.safe_dump(SETTINGS))
    path = folder / "diffusion" / "one"
    yamls = ("-c", "experiments/shared.yaml", "-c", "experiments/family/diffusion.yaml", "-c", overlay)
    done = anime_gen("fit", *yamls,
                     "--run", path)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert str(path) in done.stdout
    assert "fd_judge" in done.stdout
    return path


def test_a_run_holds_everything(run):
    assert (run / "config.yaml").exists()
    for name in ("last", "best"):
        assert (run / "checkpoints" / f"{name}.ckpt").exists()
    assert list(run.glob("events.out.tfevents.*"))
    assert [path.name for path in sorted((run / "grids").glob("*.png"))] == ["000000032.png", "000000064.png"]
    [sitting] = json.loads((run / "provenance.json").read_text())
    assert sitting["packages"]["torch"] == torch.__version__.split("+")[0]
    records = json.loads((run / "metrics.json").read_text())
    assert {record["nimg"] for record in records} == {32, 64}
    for record in records:
        assert set(record) == {"name", "value", "nimg", "seconds", "protocol"}
        assert record["protocol"]["weights"] == "averaged"
        assert record["protocol"]["data"]
    names = {record["name"] for record in records}
    assert {"fd_judge", "kd_judge", "tag_f1", "accuracy_hair", "landmark_failures", "nearest_ratio"} <= names


def test_the_grid_is_not_empty(run):
    pixels = np.asarray(Image.open(run / "grids" / "000000064.png"))
    assert pixels.std() > 10


def test_a_run_is_never_overwritten(run, here):
    again = here("fit", "--config", run / "config.yaml", "--run", run)
    assert again.returncode == 2
    assert "holds a run already" in again.stderr.splitlines()[-1]


def test_loading_gives_the_averaged_weights(run):
    trained = load(run, "last")
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    averaged = saved["callbacks"]["EMA"]["averaged"]
    differs = False
    for name, value in trained.module.averaged.state_dict().items():
        torch.testing.assert_close(value, averaged[name])
        differs |= not torch.equal(value, saved["state_dict"][f"network.{name}"])
    assert differs, "the average is the trained network: it was never averaged"


def test_sample_writes_what_was_asked(run, here, tmp_path):
    points = tmp_path / "points.json"
    points.write_text(json.dumps({name: [0.2 + 0.02 * i, 0.5] for i, name in enumerate(LANDMARKS)}))
    out = tmp_path / "new" / "grid.png"
    done = here("sample", run, "--tags", "blue_hair, smile, -hat", "--landmarks", points, "--guidance", "3",
                     "--steps", "3", "--seeds", "0-4,9", "--columns", "3", "--out", out)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    picture = Image.open(out)
    assert picture.width > picture.height  # three columns, two rows
    singles = tmp_path / "singles"
    same = [here("sample", run, "--seeds", seeds, "--out", f"{singles}/{i}/") for i, seeds in enumerate(("7", "3-9"))]
    assert [result.returncode for result in same] == [0, 0]
    alone, among = (np.asarray(Image.open(singles / f"{i}" / "000007.png")) for i in (0, 1))
    np.testing.assert_array_equal(alone, among)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--tags", "blu hair"), "near: blue hair"),
        (("--tags", "blue hair, red hair"), "both"),
        (("--seeds", "9-3"), "0-63"),
        (("--guidance", "much"), "guidance"),
        (("--steps", "0"), "at least 1"),
        (("--landmarks", "/no/such.json"), "No such file"),
        (("--stepps", "3"), "stepps"),
    ],
)
def test_sample_says_what_is_wrong(run, here, words, expected):
    done = here("sample", run, *words)
    assert done.returncode == 2, done.stderr[-1500:]
    assert expected in done.stderr.strip().splitlines()[-1]


def test_scoring_again_gives_the_same_scores(run, here, tmp_path):
    """`validate` on the last checkpoint repeats the last scores of the run: EMA weights, seeds and conditions agree."""
    before = json.loads((run / "metrics.json").read_text())
    config = yaml.safe_load((run / "config.yaml").read_text())
    settings = tmp_path / "config.yaml"
    settings.write_text(yaml.safe_dump(config))
    done = here("validate", "--config", settings, "--run", tmp_path / "again",
                     "--ckpt_path", run / "checkpoints" / "last.ckpt")  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    again = json.loads((tmp_path / "again" / "metrics.json").read_text())
    last = {record["name"]: record["value"] for record in before if record["nimg"] == 64}
    assert [record["name"] for record in again] == list(last)
    for record in again:
        expected = last[record["name"]]
        assert record["value"] == (None if expected is None else pytest.approx(expected, rel=1e-5, abs=1e-9))


def test_test_and_predict(run, here, tmp_path):
    common = ("--config", run / "config.yaml", "--run", tmp_path / "more",
              "--ckpt_path", run / "checkpoints" / "best.ckpt")  # fmt: skip
    tested = here("test", *common)
    assert tested.returncode == 0, tested.stderr[-2000:]
    records = json.loads((tmp_path / "more" / "metrics.json").read_text())
    assert {record["protocol"]["split"] for record in records} == {"test"}
    predicted = here("predict", *common)
    assert predicted.returncode == 0, predicted.stderr[-2000:]
    assert len(list((tmp_path / "more" / "predictions").glob("*.png"))) == 30  # 0.15 of 200


def test_describe(here):
    done = here("describe", "experiments/family/dcgan.yaml")
    assert done.returncode == 0, done.stderr[-2000:]
    generator, discriminator = (
        int(re.search(rf"^{name}.*: ([\d,]+) parameters", done.stdout, re.M)[1].replace(",", ""))
        for name in ("generator", "discriminator")
    )
    total = int(re.search(r"all networks: ([\d,]+)", done.stdout)[1].replace(",", ""))
    assert total == generator + discriminator
    assert "multiply-adds" in done.stdout
    assert "kept for the backward" in done.stdout
