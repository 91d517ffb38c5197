"""One run, opened once: its family, its words, its data, and pictures of what is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anime_gen.conditions import Condition
from anime_gen.conditions.kind import Input
from anime_gen.contract import GenerativeModule, Preview, unseen, usable
from anime_gen.data import AnimeFaces
from anime_gen.data.text import OpenClip
from anime_gen.images import quantise
from anime_gen.noise import Seed
from anime_gen.run.folder import RunFolder, run_of
from anime_gen.run.trained import Trained, load
from anime_gen.settings.parser import OneLineParser
from anime_gen.settings.registered import check_classes


def data_of(run: Path) -> AnimeFaces:
    """The data that a run was trained on, by its settings.

    Raises:
        UserError: no run, or its data is gone.
    """
    settings = RunFolder(run).settings()
    check_classes(settings["data"], RunFolder(run).config)
    parser = OneLineParser(exit_on_error=False)
    parser.add_class_arguments(AnimeFaces, "data")
    return parser.instantiate_classes(parser.parse_object({"data": settings["data"]})).data


class OpenRun:
    """A run that is ready to draw.

    Args:
        run: its folder, or a .ckpt file.
        checkpoint: best (by score) or last.
        device: cpu, cuda, or auto: a GPU where there is one.

    Raises:
        UserError: nothing to load there, or no such device.
    """

    def __init__(self, run: Path, checkpoint: str = "best", device: str = "auto") -> None:
        self.trained: Trained = load(run, checkpoint, usable(device))
        self.module.fixed = True

    @property
    def module(self) -> GenerativeModule:
        """The family."""
        return self.trained.module

    @property
    def folder(self) -> Path:
        """Of the run."""
        return run_of(self.trained.path)

    @cached_property
    def data(self) -> AnimeFaces:
        """What it was trained on.

        Raises:
            UserError: it is gone, or has other words now: other labels, to the family.
        """
        data = data_of(self.folder)
        data.load_state_dict({"vocabulary": self.trained.vocabulary.as_dict()})
        return data

    @cached_property
    def _tower(self) -> OpenClip | None:
        told = self.trained.text
        return None if told is None else OpenClip(Path(told["weights"]), told["model"])

    def _read(self, caption: str) -> Tensor:
        assert self._tower is not None
        return torch.from_numpy(self._tower.read([caption]))

    def ask(self, given: Mapping[str, Input], settings: Any = None) -> Condition:
        """One row of what is asked for; what nobody mentions stays open.

        Args:
            given: by the names of the options of `anime_gen.conditions`, such as `tags`.
            settings: how it will be sampled; None: as the family's own say.

        Raises:
            UserError: the family was not trained with it, or it cannot be read.
        """
        needs_tower = "text_BD" in self.module.needs
        return self.trained.asked(given, settings, self._read if needs_tower else None)

    def draw(
        self, condition: Condition, seeds: Sequence[Seed], settings: Any = None, preview: Preview = unseen
    ) -> Iterator[Tensor]:
        """Pictures of one row, one for each seed, as they are ready: uint8 (up to `chunk`, 3, H, W) at a time, on the
        CPU. Who stops asking for more has cancelled the rest; a preview that raises ends the chunk at work.
        """
        for start in range(0, len(seeds), self.module.chunk):
            some = seeds[start : start + self.module.chunk]
            yield quantise(self.module.sample(condition.repeated(len(some)), some, settings, preview)).cpu()
