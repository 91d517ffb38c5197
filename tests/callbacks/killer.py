"""Callbacks that die as a machine does, or meet a disk that is full, at a chosen moment."""

import os
import resource
import signal
from pathlib import Path
from typing import Literal

import lightning as L


def die(number: int = int(signal.SIGKILL)) -> None:
    os.kill(os.getpid(), number)


class KillAt(L.Callback):
    """kill -9 after so many images.

    Args:
        images: shown.
        number: of the signal.
        first: only the first of several ranks is sent it.
    """

    def __init__(self, images: int, number: int = int(signal.SIGKILL), first: bool = False) -> None:
        self.images = images
        self.number = number
        self.first = first

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if pl_module.images_shown == self.images and (trainer.is_global_zero or not self.first):
            die(self.number)


class Shown(L.Callback):
    """Keeps which pictures each step has shown, in the order of the ranks.

    Args:
        folder: gets a file for each step and rank.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        pictures = " ".join(map(str, batch.index_B.tolist()))
        with (self.folder / f"{pl_module.images_shown:06d}-{trainer.global_rank}").open("a") as file:
            file.write(f"{pictures}\n")


class KillIn(L.Callback):
    """kill -9 in the first save, scoring or grid from so many images on.

    Args:
        images: shown, at least.
        what: "write": half of a checkpoint is written; "rename": it is written and not yet in its place; "scoring": the
            samples are drawn; "grid": one is about to be written; "scored": the scores are in metrics.json, and no
            checkpoint knows them.
        number: of the signal, for a scoring.
    """

    def __init__(
        self,
        images: int,
        what: Literal["write", "rename", "scoring", "grid", "scored"],
        number: int = int(signal.SIGKILL),
    ) -> None:
        self.images = images
        self.what = what
        self.number = number

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if pl_module.images_shown + len(batch.image_BCHW) < self.images:
            return
        if self.what == "write":
            import torch

            save = torch.save

            def half(saved, file):
                save(saved, file)
                file.truncate(file.tell() // 2)
                die()

            torch.save = half
        if self.what == "rename":
            replace = Path.replace

            def before(path, target):
                if Path(target).suffix == ".ckpt":
                    die()
                return replace(path, target)

            Path.replace = before

        if self.what == "grid":
            from anime_gen.callbacks import grids

            grids.write_picture = lambda *rest: die()

    def on_validation_batch_end(self, trainer, pl_module, *rest):
        if self.what == "scoring" and pl_module.images_shown >= self.images:
            die(self.number)

    def on_validation_end(self, trainer, pl_module):
        if self.what == "scored" and pl_module.images_shown >= self.images:
            die()


class Full(L.Callback):
    """No file may grow beyond so many bytes after so many images."""

    def __init__(self, images: int, size: int) -> None:
        self.images, self.size = images, size

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if pl_module.images_shown >= self.images:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
