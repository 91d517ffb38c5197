"""Two processes train, score and sample as one does."""

import json
from pathlib import Path

import pytest
import torch
import yaml

SMALL = {
    "diffusion": {"network": {"init_args": {"channels": [8, 16]}}, "settings": {"steps": 2}},
    "dcgan": {"networks": {"class_path": "anime_gen.families.dcgan.Convolutional", "init_args": {"width": 8}}},
    # Adaptive augmentation, path lengths and the average style are agreed on by all ranks.
    "stylegan2": {
        "width": 8,
        "channel_base": 64,
        "channel_max": 8,
        "regularisers": {"path_every": 2, "r1_every": 2, "mixing": 0.5},
    },
}


def scores(run) -> dict[str, float | None]:
    return {record["name"]: record["value"] for record in json.loads((run / "metrics.json").read_text())}


def small(family: str, folder: Path) -> tuple[object, ...]:
    """Settings for seconds, with numbers of pictures that ranks cannot share evenly."""
    settings = {
        "model": {"init_args": SMALL[family]},
        "data": {
            "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 200}},
            "image_size": 16,
            "batch_size": 8,
            "epoch_images": 40,
            "score_images": 19,
        },
        "trainer": {"max_epochs": 1, "precision": "32-true"},
    }
    overlay = folder / "small.yaml"
    overlay.write_text(yaml.safe_dump(settings))
    return ("-c", "experiments/shared.yaml", "-c", f"experiments/family/{family}.yaml", "-c", overlay)


@pytest.mark.parametrize(
    "family", [name if name == "stylegan2" else pytest.param(name, marks=pytest.mark.slow) for name in SMALL]
)
def test_two_ranks(family, anime_gen, tmp_path):
    trained = tmp_path / "trained"
    done = anime_gen("fit", *small(family, tmp_path), "--run", trained, "--trainer.devices=2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "sync_dist" not in done.stderr
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["images_shown"] == 40, "images are counted over all ranks"
    records = json.loads((trained / "metrics.json").read_text())
    assert len({record["name"] for record in records}) == len(records), "one rank writes"
    for record in records:
        drawn = 64 if record["name"].startswith("diversity") else 19  # of the grid
        assert record["protocol"].get("num_fake", drawn) in (0, drawn), f"{record['name']}: every picture counts once"

    again = tmp_path / "again"
    config = ("--config", trained / "config.yaml", "--ckpt_path", trained / "checkpoints" / "last.ckpt")
    done = anime_gen("validate", *config, "--run", again, "--trainer.devices=1")
    assert done.returncode == 0, done.stderr[-3000:]
    alone, together = scores(again), scores(trained)
    asked = {name: value for name, value in alone.items() if value is not None}
    assert "fd_judge" in asked
    assert asked == pytest.approx({name: together[name] for name in asked}, rel=1e-6, abs=1e-9)
    assert {name for name, value in together.items() if value is None} == set(alone) - set(asked)


@pytest.mark.slow
@pytest.mark.parametrize("family", SMALL)
def test_any_number_of_ranks_draws_and_scores_the_same(family, anime_gen, tmp_path):
    """Pictures to the byte, scores within 1e-6; 19 pictures for 2 and 3 ranks, and a grid of 64 for 3."""
    trained = tmp_path / "trained"
    done = anime_gen("fit", *small(family, tmp_path), "--run", trained)
    assert done.returncode == 0, done.stderr[-3000:]
    config = ("--config", trained / "config.yaml", "--ckpt_path", trained / "checkpoints" / "last.ckpt")
    values, drawn = [], []
    for world in (1, 2, 3):
        for verb in ("validate", "predict"):
            done = anime_gen(verb, *config, "--run", tmp_path / verb / str(world), f"--trainer.devices={world}")
            assert done.returncode == 0, done.stderr[-3000:]
        values.append(scores(tmp_path / "validate" / str(world)))
        drawn.append(
            {
                path.name: path.read_bytes()
                for verb, folder in (("validate", "grids"), ("predict", "predictions"))
                for path in (tmp_path / verb / str(world) / folder).iterdir()
            }
        )
    assert len(drawn[0]) > 19
    for world in (1, 2):
        assert drawn[world] == drawn[0]
        assert values[world].keys() == values[0].keys()
        for name, value in values[0].items():
            assert values[world][name] == (value if value is None else pytest.approx(value, rel=1e-6, abs=1e-9)), name
