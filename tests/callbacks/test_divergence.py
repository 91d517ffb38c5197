"""The alarms ring for training that has diverged or that nothing reaches, and not for one bad batch."""

import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from torch import nn

from anime_gen.callbacks import Diverged, Divergence
from anime_gen.callbacks.divergence import check_weights, not_finite
from tests.callbacks.small import dcgan

ROOT = Path(__file__).resolve().parent.parent.parent
BATCH = 8


class Module(nn.Module):
    """Two networks, one of which has a buffer."""

    images_shown = 0

    def __init__(self):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        self.discriminator = nn.Linear(2, 1)


def alone(fine: bool) -> bool:
    return fine


def trainer_of(module, agree=alone):
    return SimpleNamespace(
        strategy=SimpleNamespace(reduce_boolean_decision=agree),
        optimizers=[torch.optim.Adam(network.parameters()) for network in (module.generator, module.discriminator)],
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace(batch_idx=0)),
        global_step=0,
        default_root_dir="runs/x",
    )


def train(alarm, losses, agree=alone, step=lambda module, trainer: None):
    module = Module()
    trainer = trainer_of(module, agree)
    for index, loss in enumerate(losses):
        trainer.fit_loop.epoch_loop.batch_idx = trainer.global_step = index
        module.images_shown = (index + 1) * BATCH
        step(module, trainer)
        outputs = {"loss": torch.tensor(loss), "other": torch.tensor(1.0)}
        alarm.on_train_batch_end(trainer, module, outputs, None, index)


def test_says_what_diverged_and_since_when():
    losses = [1.0] * 10 + [float("nan")] * 30
    with pytest.raises(Diverged, match=r"training diverged: loss not finite since about 88 images \(step 10\)"):
        train(Divergence(every_batches=5, patience=3), losses)


def test_a_fluke_is_no_divergence():
    train(Divergence(every_batches=1, patience=3), [1.0, float("inf"), float("nan"), 1.0] * 5)


def test_all_ranks_stop_when_one_diverges():
    answers = iter([True, True] * 3 + [False, True] * 3)
    with pytest.raises(Diverged, match=r"a loss not finite since about 32 images"):
        train(Divergence(every_batches=1, patience=3), [1.0] * 10, agree=lambda fine: next(answers))


def test_weights_are_never_a_fluke():
    """Whatever the losses say: a NaN in a weight stays."""

    def ruin(module, trainer):
        if trainer.global_step == 3:
            module.generator[1].running_var[0] = torch.inf

    with pytest.raises(Diverged, match=r"diverged: generator\.1\.running_var not finite after 40 images \(step 4\)"):
        train(Divergence(every_batches=2), [1.0] * 10, step=ruin)


def test_what_is_ruined_is_named():
    module = Module()
    assert not_finite(module) == []
    with torch.no_grad():
        module.discriminator.weight[0, 1] = torch.nan
        module.discriminator.bias[0] = -torch.inf
    assert not_finite(module) == ["discriminator.weight", "discriminator.bias"]
    with pytest.raises(Diverged, match=r"discriminator.weight and 1 more not finite"):
        check_weights(trainer_of(module), module)
    with pytest.raises(Diverged, match="some not finite"):  # on another rank
        check_weights(trainer_of(Module(), agree=lambda fine: False), Module())


def stepping(alarm, slope):
    """One step of each optimiser, whose gradient is so large for this batch and network."""

    def step(module, trainer):
        for number, network in enumerate((module.generator, module.discriminator)):
            for weight in network.parameters():
                weight.grad = torch.full_like(weight, slope(trainer.global_step, number))
            alarm.on_before_optimizer_step(trainer, module, trainer.optimizers[number])

    return step


def test_a_network_that_nothing_reaches_is_named_once():
    alarm = Divergence(every_batches=2, silent=3)
    slope = lambda index, number: float(number == 1 or index < 4)  # noqa: E731
    with pytest.warns(UserWarning, match="no gradient has reached generator since about 40 images") as said:
        train(alarm, [1.0] * 40, step=stepping(alarm, slope))
    assert len(said) == 1


def test_a_gradient_now_and_then_is_enough():
    alarm = Divergence(every_batches=1, silent=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(alarm, [1.0] * 40, step=stepping(alarm, lambda index, number: float(index % 3 == 0)))


def settings(folder, above, images=104):
    """A run of seconds that diverges after so many images while its rate is above."""
    saves = {"every_images": 24, "at_least_seconds": 0}
    callbacks = [
        {"class_path": "anime_gen.callbacks.EMA", "init_args": {"half_life": 100}},
        {"class_path": "anime_gen.callbacks.Divergence", "init_args": {"every_batches": 4}},
        {"class_path": "anime_gen.callbacks.Resume", "init_args": saves},
        {"class_path": "callbacks.spoiler.Spoil", "init_args": {"images": images, "above": above}},
    ]
    return dcgan(folder, max_epochs=3, callbacks=callbacks)


def last(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def rates(saved):
    return [state["param_groups"][0]["lr"] for state in saved["optimizer_states"]]


def test_a_rollback_is_the_command_that_is_offered(here, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests")
    monkeypatch.setenv("ANIME_GEN_TRUST", "callbacks")  # for what spoils it
    own = settings(tmp_path, above=3e-4)
    offered, alone = tmp_path / "offered", tmp_path / "alone"
    done = here("fit", *own, "--run", offered)
    assert "Traceback" not in done.stderr
    assert "not finite after 120 images" in done.stderr.splitlines()[-1]  # at the next save
    told = rates(last(offered))
    assert max(told) > 1e-4
    for factor in (0.5, 0.25):
        saved = last(offered)
        assert saved["images_shown"] < 128
        assert all(tensor.isfinite().all() for tensor in saved["state_dict"].values() if tensor.is_floating_point())
        assert done.returncode == 2
        command = done.stderr.split("anime-gen ")[-1].split()
        assert command == ["resume", str(offered), f"--lr_scale={factor:g}"]
        done = here(*command)
    assert done.returncode == 0, done.stderr[-2000:]
    assert last(offered)["images_shown"] == 192
    assert rates(last(offered)) == pytest.approx([rate / 4 for rate in told])

    done = here("fit", *own, "--rollbacks=3", "--run", alone)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.count("going on from the last save with --lr_scale=") == 2
    said = yaml.safe_load((alone / "config.yaml").read_text())
    assert (said["lr_scale"], said["rollbacks"]) == (0.25, 1)
    ours, theirs = last(alone), last(offered)
    for name, tensor in theirs["state_dict"].items():
        assert torch.equal(tensor, ours["state_dict"][name]), name


def test_a_run_that_diverges_at_once_begins_anew(here, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests")
    monkeypatch.setenv("ANIME_GEN_TRUST", "callbacks")
    words = [*settings(tmp_path, above=5e-4, images=0), "--trainer.max_epochs=1"]
    done = here("fit", *words, "--rollbacks=1", "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "was stopped before its first save: it begins anew" in done.stderr
    assert last(tmp_path / "run")["images_shown"] == 64


@pytest.mark.slow
def test_two_ranks_roll_back_together(anime_gen, tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_TRUST", "callbacks")
    run = tmp_path / "run"
    done = anime_gen("fit", *settings(tmp_path, above=5e-4), "--rollbacks=1", "--trainer.devices=2", "--run", run)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr.count("going on from the last save with --lr_scale=0.5") == 1
    saved = last(run)
    assert saved["images_shown"] == 192
    assert rates(saved) == [4e-4, 4e-4]
