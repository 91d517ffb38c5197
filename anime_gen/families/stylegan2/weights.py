"""Weights as safetensors, and a start from weights that were trained on something else."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import Tensor, nn

from anime_gen.contract import UserError
from anime_gen.files import read_tensors
from anime_gen.run.checkpoints import read_checkpoint

log = logging.getLogger(__name__)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name, `generator.` and `discriminator.` before them, as `anime-gen import` and `weights` write them.

    A checkpoint of this family serves as well.

    Raises:
        UserError: no such file, or something else.
    """
    if path.suffix == ".ckpt":
        return read_checkpoint(path)["state_dict"]
    try:
        return read_tensors(path)[0]
    except FileNotFoundError as reason:
        raise UserError(f"model.start_from: there is no file {path}") from reason
    except (ValueError, OSError) as reason:
        raise UserError(
            f"model.start_from: {path} is no whole safetensors file; `anime-gen weights RUN --out FILE` and `anime-gen "
            "import` write some"
        ) from reason


def start_from(module: nn.Module, path: Path) -> None:
    """Copies every tensor whose name and shape the module has; what depends on labels or size is new, and is named.

    Raises:
        UserError: none of them fits.
    """
    ours, given = module.state_dict(), read_weights(path)
    fitting = {name: given[name] for name in given if name in ours and ours[name].shape == given[name].shape}
    # Biases of three colours fit everywhere, and noise is drawn, not learned: that they fit says nothing.
    if not any(part.ndim > 1 and not name.endswith("noise_HW") for name, part in fitting.items()):
        raise UserError(
            f"model.start_from: nothing in {path} fits these networks; channel_base, channel_max and width must be "
            "those it was trained with"
        )
    module.load_state_dict(fitting, strict=False)
    fresh = sorted({name for name in ours if name.startswith(("generator.", "discriminator."))} - set(fitting))
    log.info("started from %s: %d tensors; new are %s", path, len(fitting), ", ".join(fresh) or "none")
