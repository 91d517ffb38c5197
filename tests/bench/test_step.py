"""The bench of a step at toy size: its figures are of the family that was named, and its shares are shares."""

import json
from pathlib import Path

import pytest
import torch

from anime_gen.bench import step, training
from anime_gen.cli.describe import example, training_cost
from anime_gen.cli.train import suite
from anime_gen.contract import UserError

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = ["--data.source.faces=200", "--data.image_size=16", "--data.batch_size=8"]


def words(family):
    return ["-c", "experiments/shared.yaml", "-c", f"experiments/family/{family}.yaml", *SMALL]


def test_a_family_at_toy_size(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(training.SIDES, "cpu", 128)
    monkeypatch.setattr(step, "fastest_precision", lambda accelerator: "32-true")
    out = tmp_path / "step.json"
    step.main(["experiments/family/mlpgan.yaml", "--json", str(out), "--seconds=0.1", *SMALL])
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


def test_the_arithmetic_is_what_describe_counts(monkeypatch):
    monkeypatch.chdir(ROOT)
    plain = [*words("mlpgan"), "--trainer.precision=32-true"]
    found = training.cost(plain, 0.1)
    cli = suite(plain, run=False, measuring=True)
    few, many = (training_cost(cli.model, example(cli.model, cli.datamodule, count))[0] for count in (2, 4))
    assert found.gmacs_per_second / found.images_per_second * 1e9 == pytest.approx((many - few) / 2, rel=1e-6)


def test_a_lazy_regulariser_counts_as_often_as_it_has_its_turn(monkeypatch):
    monkeypatch.chdir(ROOT)
    small = ["--model.width=16", "--model.channel_base=128", "--model.channel_max=16", "--trainer.precision=32-true"]

    def per_image(every):
        found = training.cost([*words("stylegan2"), *small, f"--model.regularisers.r1_every={every}"], 0.05)
        assert found.batches % max(every, 1) == 0
        return found.gmacs_per_second / found.images_per_second

    never, always, seldom = map(per_image, (0, 1, 4))
    assert never < seldom < always
    assert seldom - never == pytest.approx((always - never) / 4, rel=1e-6)


class Interrupted(Exception):
    pass


def test_what_breaks_leaves_nothing_behind(monkeypatch):
    """Neither a counter nor a profile goes on in what is run next."""
    monkeypatch.chdir(ROOT)

    def prepare(module):
        module.training_step = lambda *rest: (_ for _ in ()).throw(Interrupted())

    with pytest.raises(Interrupted):
        training.cost(words("mlpgan"), 0.1, prepare=prepare)
    assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()


def test_no_such_family():
    with pytest.raises(UserError, match="experiments/family/"):
        step.main(["experiments/family/nothing.yaml"])
