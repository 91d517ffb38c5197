"""The kind `hint`, from its page through training, the command line and a grid to an export."""

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from anime_gen.cli import main
from anime_gen.conditions import KINDS, Condition, Facts
from anime_gen.conditions.hint import painted, strokes_of
from anime_gen.conditions.kind import Asking, Picture
from anime_gen.data import AnimeFaces, PaintedFaces
from anime_gen.errors import UserError
from anime_gen.images import draw_condition
from anime_gen.run.trained import load
from anime_gen.vocabulary import Vocabulary

FACTS = Facts(16, Vocabulary([], {}))


def test_strokes_have_the_picture_s_colours_and_are_sparse():
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32], halves[:, 32:] = (200, 30, 40), (10, 60, 220)
    hint = strokes_of(halves, 64)
    on = hint[..., 3] > 0
    assert 0.005 < on.mean() < 0.4
    assert np.array_equal(hint, strokes_of(halves, 64)), "the same picture has the same hint"
    assert not np.array_equal(hint, strokes_of(halves[:, ::-1], 64))
    red_left = hint[:, :20][on[:, :20]][:, 0] > hint[:, :20][on[:, :20]][:, 2]
    blue_right = hint[:, 44:][on[:, 44:]][:, 2] > hint[:, 44:][on[:, 44:]][:, 0]
    assert np.concatenate([red_left, blue_right]).mean() > 0.9


def test_the_data_has_a_hint_of_every_picture(tmp_path):
    [batch] = AnimeFaces(PaintedFaces(60), 32, 16, cache_dir=tmp_path).stream(frozenset({"hint_B4HW"}), 16, 16)
    hint = batch.condition["hint_B4HW"]
    assert hint.shape == (16, 4, 32, 32)
    on = hint[:, 3:].expand(-1, 3, -1, -1) == 1
    assert (hint[:, :3][~on] == 0).all()
    near = (hint[:, :3] - batch.image_BCHW).abs()
    assert float(near[on].mean()) < float((hint[:, :3].flip(0) - batch.image_BCHW).abs()[on.flip(0)].mean()) / 1.5


def test_what_is_no_hint_is_refused():
    ask = KINDS["hint"].options[0].rows
    for picture, message in (
        (Image.new("RGBA", (9, 9)), "nothing is painted"),
        (Image.new("RGBA", (9, 9), "red"), "clear"),
    ):
        with pytest.raises(UserError, match=message):
            ask(Picture(picture), Asking(FACTS))


def test_a_grid_shows_the_strokes_in_their_colours():
    rgba = np.zeros((1, 16, 16, 4), np.uint8)
    rgba[0, 4:8, 4:8] = (255, 0, 0, 255)
    panel = np.asarray(draw_condition(Condition(hint_B4HW=painted(rgba)), 0, FACTS.vocabulary, 32))
    assert panel[12, 12].tolist() == [255, 0, 0]
    assert panel[2, 2].tolist() == [20, 20, 24]


def test_trained_sampled_and_exported(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("ANIME_GEN_CACHE", str(tmp_path / "cache"))
    small = {
        "model": {
            "init_args": {
                "network": {"init_args": {"channels": [8, 16]}},
                "settings": {"steps": 2},
                # Enough that the hint reaches the picture.
                "optimizer": {"lr": 5e-3, "warmup_images": 16},
            }
        },
        "data": {"image_size": 16, "batch_size": 16, "epoch_images": 160, "score_images": 8,
                 "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 100}}},
        "scoring": {"train_images": 16},
        "trainer": {"max_epochs": 1, "precision": "32-true"},
    }  # fmt: skip
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
    files = ["shared.yaml", "family/diffusion.yaml", "overlay/hint.yaml"]
    configs = [word for file in files for word in ("-c", f"experiments/{file}")]
    run = tmp_path / "run"
    assert main(["fit", *configs, "-c", str(tmp_path / "small.yaml"), "--run", str(run)]) == 0
    module = load(run).module
    assert "hint_B4HW" in module.needs
    assert module.kinds[-1] == "hint"
    # Score against the true picture: a hint says where things are.
    assert "ssim" in {record["name"] for record in json.loads((run / "metrics.json").read_text())}
    grid = Image.open(next((run / "grids").glob("*.png")))
    assert grid.width > 8 * 96 + 96, "a panel stands beside the pictures"

    strokes = Image.new("RGBA", (40, 40))
    strokes.paste((0, 90, 255, 255), (5, 5, 15, 30))
    strokes.save(tmp_path / "strokes.png")
    ask = ["--seeds", "0-1", "--guidance", "{hint: 2}"]
    for name, words in (("plain", []), ("hinted", ["--hint", str(tmp_path / "strokes.png")])):
        assert main(["sample", str(run), *words, *ask, "--out", str(tmp_path / f"{name}.png")]) == 0
    assert (tmp_path / "plain.png").read_bytes() != (tmp_path / "hinted.png").read_bytes()

    assert main(["export", str(run), "--out", str(tmp_path / "faces")]) == 0
    config = json.loads((tmp_path / "faces" / "denoiser" / "config.json").read_text())
    assert config["inputs"]["hint"] == {"dtype": "float32", "shape": ["batch", 4, 16, 16], "not_given": "nan"}
    program = torch.export.load(tmp_path / "faces" / "denoiser" / "denoiser.pt2").module()
    tensors = {
        name: torch.zeros(2, *about["shape"][1:], dtype=getattr(torch, about["dtype"]))
        for name, about in config["inputs"].items()
    }
    given, active = ({kind: tensors[prefix + kind] for kind in config["kinds"]} for prefix in ("", "active_"))
    inputs = {"x": tensors["x"] + 0.5, "noise_label": tensors["noise_label"] + 400, "given": given}
    told = program(**inputs, active={**active, "hint": torch.ones(2, dtype=torch.bool)})
    assert not torch.allclose(told, program(**inputs, active=active))
