"""The bench of a step at toy size: its figures are of the family that was named, and its shares are shares."""

import json
from pathlib import Path

import pytest

from anime_gen.bench import step
from anime_gen.cli import pace
from anime_gen.contract import UserError

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = ["--data.source.faces=200", "--data.image_size=16", "--data.batch_size=8", "--scoring.train_images=64"]


def test_a_family_at_toy_size(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(pace, "LEAST_SECONDS", 0.2)
    monkeypatch.setattr(pace, "LEAST_BATCHES", 5)
    monkeypatch.setattr(step, "SIDE", 128)
    monkeypatch.setattr(step, "fastest_precision", lambda accelerator: "32-true")
    out = tmp_path / "step.json"
    step.main(["experiments/family/mlpgan.yaml", "--json", str(out), *SMALL])
    [found] = json.loads(out.read_text())
    assert found["precision"] == "32-true"
    assert found["images_per_second"] > 0
    assert 0 < found["gmacs_per_second"] < found["peak_gmacs_per_second"] * 2
    names, shares = zip(*found["costliest"], strict=True)
    assert list(shares) == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1
    # A fully connected GAN multiplies matrices.
    assert {"mm", "addmm"} & set(names)
    assert "mlpgan" in capsys.readouterr().out


def test_no_such_family():
    with pytest.raises(UserError, match="experiments/family/"):
        step.main(["experiments/family/nothing.yaml"])
