"""Which loggers are shown a picture."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from anime_gen.callbacks.show import show


def test_every_logger_that_can_show_pictures_does():
    seen: list[tuple[Any, ...]] = []
    wandb = SimpleNamespace(log_image=lambda name, pictures, step: seen.append(("wandb", name, len(pictures), step)))
    writer = SimpleNamespace(
        add_image=lambda name, picture, step, dataformats: seen.append(("tensorboard", name, picture.shape, step))
    )
    table = SimpleNamespace(experiment=SimpleNamespace(log_metrics=None))
    trainer: Any = SimpleNamespace(
        state=SimpleNamespace(fn="fit"), loggers=[SimpleNamespace(experiment=writer), table, wandb]
    )
    picture = Image.fromarray(np.zeros((4, 6, 3), dtype=np.uint8))
    show(picture, "samples", 640, trainer)
    assert seen == [("tensorboard", "samples", (4, 6, 3), 640), ("wandb", "samples", 1, 640)]
    trainer.state.fn = "validate"
    show(picture, "samples", 640, trainer)
    assert len(seen) == 2
