"""Pictures for the run's loggers."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
from PIL import Image


def show(picture: Image.Image, name: str, images: int, trainer: L.Trainer) -> None:
    """Hands a picture to every logger that can show one, while the run trains; the others pass it over.

    Args:
        picture: what callbacks draw.
        name: which of the run's pictures it is; they stand together.
        images: shown so far, the step of all that is logged.
        trainer: of the run.
    """
    if trainer.state.fn != "fit":
        return
    loggers: list[Any] = trainer.loggers
    for logger in loggers:
        if hasattr(logger, "log_image"):  # Lightning's name for it, such as wandb's has
            logger.log_image(name, [picture], step=images)
        elif hasattr(logger.experiment, "add_image"):  # TensorBoard's writer
            logger.experiment.add_image(name, np.asarray(picture), images, dataformats="HWC")
