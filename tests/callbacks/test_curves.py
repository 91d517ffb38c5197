"""What reaches the loggers, and when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from anime_gen.callbacks import Curves
from anime_gen.contract import Batch, Condition, Stopwatch


@pytest.mark.parametrize("stopped", [None, 3, 5])
def test_a_loss_that_is_taken_now_and_then_is_plotted_too(stopped: int | None) -> None:
    """Every third batch has a penalty, every fourth is a point: without memory the two would rarely meet.

    Neither would they after a kill.
    """
    points: list[tuple[dict[str, float], int]] = []
    logger = SimpleNamespace(log_metrics=lambda scalars, step: points.append((scalars, step)))
    trainer: Any = SimpleNamespace(world_size=1, loggers=[logger])
    module: Any = SimpleNamespace(images_shown=0, device=torch.device("cpu"), stopwatch=Stopwatch())
    batch = Batch(torch.zeros(2, 3, 4, 4), Condition(), torch.arange(2))
    curves = Curves(every_batches=4)
    curves.on_fit_start(trainer, module)
    for number in range(8):
        if number == stopped:
            state = curves.state_dict()
            curves = Curves(every_batches=4)
            curves.load_state_dict(state)
        module.images_shown += 2
        outputs = {"loss": torch.tensor(float(number))}
        if number % 3 == 0:
            outputs["penalty"] = torch.tensor(10.0 + number)
        curves.on_train_batch_start(trainer, module, batch, number)
        curves.on_train_batch_end(trainer, module, outputs, batch, number)
    assert [step for _, step in points] == [8, 16]
    assert [(scalars["train/loss"], scalars["train/penalty"]) for scalars, _ in points] == [(3, 13), (7, 16)]
