"""A run folder on disk, and the family inside it. The one place that knows a run's layout.

runs/<family>/<name>/
  config.yaml         every setting, resolved
  provenance.json     package versions, git state, command, machine
  metrics.json        scores, each with images shown, seconds and protocol
  checkpoints/        last.ckpt to go on from, best.ckpt by score
  grids/              sample grids, PNG, by images shown
  events.out.*        TensorBoard
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, NamedTuple

import torch

from anime_gen.contract import GenerativeModule, UserError
from anime_gen.vocabulary import Vocabulary


class Trained(NamedTuple):
    """A family ready to sample: its averaged weights, and the words it knows."""

    module: GenerativeModule
    vocabulary: Vocabulary
    images_shown: int


def checkpoint_of(run: Path, name: str = "best") -> Path:
    """The checkpoint file of a run folder (`best`, or `last` where no score has chosen one), or `run` if it is a file.

    Raises:
        UserError: nothing to load there.
    """
    if run.is_file():
        return run
    if not run.is_dir():
        raise UserError(f"{run} is no run: give a folder such as runs/diffusion/NAME, or a .ckpt file")
    for candidate in (name, "last"):
        path = run / "checkpoints" / f"{candidate}.ckpt"
        if path.exists():
            return path
    raise UserError(f"{run} holds no checkpoint yet (looked for checkpoints/{name}.ckpt and checkpoints/last.ckpt)")


def load(run: Path, checkpoint: str = "best", device: str = "cpu") -> Trained:
    """Loads the family of a run with its averaged weights, in eval mode, without its data.

    Raises:
        UserError: no checkpoint, or a file that is not one of ours.
    """
    path = checkpoint_of(run, checkpoint)
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        class_path, vocabulary = saved["family"], Vocabulary.from_dict(saved["AnimeFaces"]["vocabulary"])
    except Exception as reason:
        raise UserError(f"{path} is not a checkpoint of this suite ({type(reason).__name__}: {reason})") from reason
    module_name, class_name = class_path.rsplit(".", 1)
    family: type[GenerativeModule] = getattr(importlib.import_module(module_name), class_name)
    module = family.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    module.averaged.load_state_dict(saved["callbacks"]["EMA"]["averaged"])
    return Trained(module.to(device).eval(), vocabulary, int(module.images_shown))
