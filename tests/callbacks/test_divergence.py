"""The alarm rings for training that has diverged, and not for one bad batch."""

from types import SimpleNamespace

import pytest
import torch

from anime_gen.callbacks import Divergence
from anime_gen.contract import UserError

BATCH = 8


def alone(fine: bool) -> bool:
    return fine


def train(alarm: Divergence, losses: list[float], agree=alone) -> None:
    trainer = SimpleNamespace(world_size=1, strategy=SimpleNamespace(reduce_boolean_decision=agree))
    batch = SimpleNamespace(image_BCHW=torch.zeros(BATCH, 3, 4, 4))
    for index, loss in enumerate(losses):
        module = SimpleNamespace(images_shown=(index + 1) * BATCH)
        outputs = {"loss": torch.tensor(loss), "other": torch.tensor(1.0)}
        alarm.on_train_batch_end(trainer, module, outputs, batch, index)


def test_says_what_diverged_and_since_when():
    losses = [1.0] * 10 + [float("nan")] * 30
    with pytest.raises(UserError, match=r"training diverged: loss not finite since about 88 images"):
        train(Divergence(every_batches=5, patience=3), losses)


def test_a_fluke_is_no_divergence():
    train(Divergence(every_batches=1, patience=3), [1.0, float("inf"), float("nan"), 1.0] * 5)


def test_all_ranks_stop_when_one_diverges():
    with pytest.raises(UserError, match=r"a loss not finite since about 8 images"):
        train(Divergence(every_batches=1, patience=3), [1.0] * 10, agree=lambda fine: False)
