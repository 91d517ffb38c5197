"""Seconds of a run: what is done once for a data set is no part of them, and does not keep the first step waiting."""

import json
import time
from pathlib import Path

from anime_gen.callbacks import Scoring
from anime_gen.metrics import reference

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = ("--data.source.faces=200", "--data.image_size=16", "--data.batch_size=8", "--data.score_images=16",
         "--data.epoch_images=16", "--trainer.max_epochs=1", "--trainer.precision=32-true",
         "--scoring.train_images=64")  # fmt: skip


def test_training_pictures_are_looked_at_after_the_first_steps_and_in_no_time(here, monkeypatch, tmp_path):
    looked, shown = Scoring._look_at_training, []

    def slowly(self, stage):
        shown.append(stage.module.images_shown)
        time.sleep(5)
        looked(self, stage)

    monkeypatch.setattr(reference, "load", lambda *rest: False)
    monkeypatch.setattr(Scoring, "_look_at_training", slowly)
    settings = ("-c", "experiments/shared.yaml", "-c", "experiments/family/mlpgan.yaml")
    began = time.monotonic()
    done = here("fit", *settings, *SMALL, "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert shown == [16]
    records = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert "copies_judge" in {record["name"] for record in records}
    assert max(record["seconds"] for record in records) < time.monotonic() - began - 5
