"""The average begins at the weights there are when the run begins, not at those the constructor drew."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from anime_gen.callbacks import EMA

TRAINER = SimpleNamespace(world_size=1)


@pytest.fixture
def module():
    return SimpleNamespace(averaged=nn.Linear(2, 2), device=torch.device("cpu"), images_shown=64)


def test_a_checkpoint_without_an_average_is_scored_on_its_own_weights(module):
    ema = EMA()
    ema.setup(TRAINER, module, "validate")
    restored = torch.full((2, 2), 3.0)
    module.averaged.weight.data.copy_(restored)  # as Lightning does between setup and start
    ema.on_validation_start(TRAINER, module)
    torch.testing.assert_close(module.averaged.weight.data, restored)
    assert ema.weights == "trained"


def test_scores_know_when_there_is_an_average(module):
    ema = EMA()
    ema.on_fit_start(TRAINER, module)
    assert ema.weights == "trained"
    ema.on_train_batch_end(TRAINER, module, {}, SimpleNamespace(image_BCHW=torch.zeros(8, 3, 4, 4)), 0)
    assert ema.weights == "averaged"
    again = EMA()
    again.load_state_dict(ema.state_dict())
    again.on_validation_start(TRAINER, module)
    assert again.weights == "averaged"
