"""Minutes of training at the defaults: does a family learn what it is for? (`make test-slow`)"""

import json

import pytest

# What a short run must at least reach, far from what a whole one does: (score, bound, whether more is better).
BOUNDS = {
    "diffusion": [("accuracy_hair", 0.5, True), ("faces", 0.9, True), ("landmark_nme", 0.12, False)],
    # Measured with seeds 0, 1, 2: 0.18, 0.27, 0.42; 88 (92 elsewhere), 76, 62. A run that learns nothing: 0, 190.
    "dcgan": [("faces", 0.1, True), ("fd_judge", 110.0, False)],
}


@pytest.mark.slow
@pytest.mark.parametrize("family", BOUNDS)
def test_a_short_run_learns(family, anime_gen, tmp_path):
    run = tmp_path / family
    short = ("--trainer.max_epochs=1", "--data.epoch_images=25600", "--data.source.faces=6000")
    yamls = ("-c", "experiments/shared.yaml", "-c", f"experiments/family/{family}.yaml")
    done = anime_gen("fit", *yamls, "--data.source=anime_gen.data.PaintedFaces", *short, "--run", run, timeout=580)
    assert done.returncode == 0, done.stderr[-3000:]
    scores = {record["name"]: record["value"] for record in json.loads((run / "metrics.json").read_text())}
    for name, bound, more in BOUNDS[family]:
        assert (scores[name] > bound) == more, (name, scores)
