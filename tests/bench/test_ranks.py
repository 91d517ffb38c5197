"""ranks-bench at toy size."""

from pathlib import Path

import pytest

from anime_gen.bench import ranks
from anime_gen.contract import UserError

ROOT = Path(__file__).resolve().parent.parent.parent
FAMILY = Path("experiments/family/mlpgan.yaml")
SMALL = ("--data.source.faces=200", "--data.image_size=16", "--data.batch_size=8")


@pytest.mark.slow
def test_one_and_two_in_turn(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert ranks.main([str(FAMILY), "--rounds", "1", "--batches", "2", *SMALL]) == 0
    name, one, two, efficiency = capsys.readouterr().out.splitlines()[-1].split()
    assert name == "mlpgan"
    assert float(efficiency) == pytest.approx(float(two) / float(one) / 2, rel=0.02)


@pytest.mark.slow
def test_what_cannot_be_trained_is_said_in_a_line(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=r"mlpgan on 1 devices: anime-gen: .*image_size"):
        ranks.paced(FAMILY, 1, 2, ["--data.image_size=big"], tmp_path)
