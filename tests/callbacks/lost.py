"""A rank that dies, fails or hangs on purpose."""

import os
import signal
import time

import lightning as L

from anime_gen.contract import UserError


class Lost(L.Callback):
    def __init__(self, rank: int, images: int, how: str) -> None:
        self.rank = rank
        self.images = images
        self.how = how

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_rank != self.rank or pl_module.images_shown != self.images:
            return
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.how == "mistake":
            raise UserError("no such picture")
        elif self.how == "hang":
            time.sleep(600)
