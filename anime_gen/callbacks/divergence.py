"""Alarms for training that cannot go on: losses or weights that are no numbers, and networks that nothing reaches."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from anime_gen.contract import GenerativeModule, UserError


class Diverged(UserError):
    """Training has diverged: no step from here leads anywhere. What was saved is from before."""


def not_finite(module: nn.Module) -> list[str]:
    """Names of the parameters and buffers in which a value is infinite or NaN."""
    named = {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    # Of all at once first: an accelerator is waited for once, not for each of hundreds.
    if nn.utils.get_total_norm(list(named.values()), math.inf).isfinite():
        return []
    return [name for name, tensor in named.items() if not tensor.isfinite().all()]


def check_weights(trainer: L.Trainer, module: GenerativeModule) -> None:
    """Every rank has to come here.

    Raises:
        Diverged: on any rank, weights are not finite.
    """
    ruined = not_finite(module)
    # Weights are the same on all ranks, but what BatchNorm has seen is not.
    if not trainer.strategy.reduce_boolean_decision(not ruined):
        first = ruined[0] if ruined else "some"
        more = f" and {len(ruined) - 1} more" if len(ruined) > 1 else ""
        raise Diverged(f"training diverged: {first}{more} not finite after {_here(trainer, module)}")


def _here(trainer: L.Trainer, module: GenerativeModule) -> str:
    return f"{module.images_shown:,} images (step {trainer.global_step:,})"


class Divergence(L.Callback):
    """Stops a run whose losses stay NaN or infinite, or whose weights are, saying when it began.

    Weights that are not finite once stay so. They are looked at before every save, too: `last.ckpt` and `best.ckpt`
    are of a run that was well.

    It also warns, once, where no gradient reaches what an optimiser trains: a generator learns nothing from a
    discriminator that answers the same to every picture, nor does a discriminator whose hinge loss is 0.

    Args:
        every_batches: batches between two looks; each look waits for the accelerator.
        patience: how many looks in a row may have bad losses. One can be a fluke of bfloat16; many are not.
        silent: how many looks in a row may have no gradient.

    Raises:
        Diverged: training has diverged.
    """

    def __init__(self, every_batches: int = 10, patience: int = 3, silent: int = 10) -> None:
        self.every_batches = every_batches
        self.patience = patience
        self.silent = silent
        self.bad_looks = 0
        self.began = ""
        self._norms: dict[int, Tensor] = {}  # by the number of the optimiser, the largest of this batch
        self._silences: dict[int, tuple[int, int]] = {}  # looks without a gradient, and images shown at the first

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        if trainer.fit_loop.epoch_loop.batch_idx % self.every_batches:
            return
        number = trainer.optimizers.index(optimizer)
        gradients = [weight.grad for weight in trained_by(optimizer) if weight.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        self._norms[number] = torch.maximum(norm, self._norms.get(number, norm))

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx % self.every_batches:
            return
        bad = [name for name, value in outputs.items() if not math.isfinite(float(value))]
        # Each rank has losses of its own; all must stop together, or those that go on wait for the others for ever.
        fine = trainer.strategy.reduce_boolean_decision(not bad)
        if not fine and self.bad_looks == 0:
            self.began = _here(trainer, pl_module)
        self.bad_looks = 0 if fine else self.bad_looks + 1
        check_weights(trainer, pl_module)
        if self.bad_looks >= self.patience:
            raise Diverged(f"training diverged: {', '.join(bad) or 'a loss'} not finite since about {self.began}")
        self._listen(trainer, pl_module)

    def _listen(self, trainer: L.Trainer, module: GenerativeModule) -> None:
        for number, norm in self._norms.items():
            if norm != 0:
                self._silences.pop(number, None)
                continue
            looks, since = self._silences.get(number, (0, module.images_shown))
            self._silences[number] = looks + 1, since
            if looks + 1 == self.silent:
                rank_zero_warn(
                    f"no gradient has reached {names_of(module, trainer.optimizers[number])} since about {since:,} "
                    f"images: what it learns from does not answer any more; look at {trainer.default_root_dir}"
                )
        self._norms.clear()


def trained_by(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """All parameters of an optimiser."""
    return [weight for group in optimizer.param_groups for weight in group["params"]]


def names_of(module: nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """The parts of a module that an optimiser trains: "generator"."""
    known = {id(weight) for weight in trained_by(optimizer)}
    parts = dict.fromkeys(name.split(".")[0] for name, weight in module.named_parameters() if id(weight) in known)
    return ", ".join(parts)
