"""A family's training of one step, without a run around it."""

import lightning as L
from torch.utils.data import DataLoader

from anime_gen.cli.describe import Single


def one_step(module, batch, *callbacks):
    """Trains on the batch once; returns the trainer."""
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )
    trainer.fit(module, DataLoader(Single(batch), batch_size=None))
    return trainer
