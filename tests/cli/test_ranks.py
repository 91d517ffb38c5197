"""Two processes train, score and sample as one does."""

import json

import pytest
import torch
import yaml

SMALL = {
    "diffusion": {"network": {"init_args": {"channels": [8, 16]}}, "settings": {"steps": 2}},
    "dcgan": {"networks": {"class_path": "anime_gen.families.dcgan.network.Convolutional", "init_args": {"width": 8}}},
}


def scores(run) -> dict[str, float | None]:
    return {record["name"]: record["value"] for record in json.loads((run / "metrics.json").read_text())}


@pytest.mark.parametrize("family", SMALL)
def test_two_ranks(family, anime_gen, tmp_path):
    settings = {
        "model": {"init_args": SMALL[family]},
        "data": {
            "source": {"class_path": "anime_gen.data.PaintedFaces", "init_args": {"faces": 200}},
            "image_size": 16,
            "batch_size": 8,
            "epoch_images": 40,
            "score_images": 19,  # which two ranks cannot share evenly
        },
        "trainer": {"max_epochs": 1, "precision": "32-true"},
    }
    overlay = tmp_path / "small.yaml"
    overlay.write_text(yaml.safe_dump(settings))
    trained = tmp_path / "trained"
    yamls = ("-c", "experiments/shared.yaml", "-c", f"experiments/family/{family}.yaml", "-c", overlay)
    done = anime_gen("fit", *yamls, "--run", trained, "--trainer.devices=2")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "sync_dist" not in done.stderr
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["images_shown"] == 40, "images are counted over all ranks"
    records = json.loads((trained / "metrics.json").read_text())
    assert len({record["name"] for record in records}) == len(records), "one rank writes"
    assert {record["protocol"].get("num_fake", 19) for record in records} == {19}, "every picture counts once"

    again = tmp_path / "again"
    config = ("--config", trained / "config.yaml", "--ckpt_path", trained / "checkpoints" / "last.ckpt")
    done = anime_gen("validate", *config, "--run", again, "--trainer.devices=1", "--trainer.strategy=auto")
    assert done.returncode == 0, done.stderr[-3000:]
    alone, together = scores(again), scores(trained)
    asked = {name: value for name, value in alone.items() if value is not None}
    assert "fd_judge" in asked
    assert asked == pytest.approx({name: together[name] for name in asked}, rel=1e-5, abs=1e-6)
    assert {name for name, value in together.items() if value is None} == set(alone) - set(asked)
