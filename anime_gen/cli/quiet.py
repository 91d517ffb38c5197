"""What libraries tell every user, and no user can act on."""

from __future__ import annotations

import logging
import re
import warnings


def quiet() -> None:
    """Silences what Lightning tells every user at every start and no user can act on."""
    chatter = re.compile(r"available: |used: |TPU|HPU|💡|Tip:|litlogger|litmodels|to estimate number of")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).addFilter(lambda record: not chatter.search(record.getMessage()))
    for text in (
        r".*does not have many workers.*",
        r".*number of training batches .* is smaller than the logging interval.*",
        r".*Checkpoint directory .* exists and is not empty.*",
        r"LightningCLI's args parameter .*",
        r".*LeafSpec.*",
        r".*isinstance\(treespec, LeafSpec\).*",
        r".*`lr_scheduler.step\(\)` before `optimizer.step\(\)`.*",
        r".*module\(s\) in eval mode at the start of training.*",  # a frozen autoencoder must be
        r".*is an instance of `nn.Module`.*",  # adaptive augmentation; a checkpoint names what it was made of
        r".*callbacks used to create the checkpoint.*\['?\"?Best\{.*",  # whose state `Best` of today reads itself
        r".*sync_dist=True.*",  # a score has been reduced over the ranks before it is logged
    ):
        warnings.filterwarnings("ignore", message=text)
