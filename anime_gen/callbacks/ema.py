"""Exponential moving average of the network a family samples with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from anime_gen.contract import GenerativeModule
from anime_gen.settings.aliases import weights_today


class EMA(L.Callback):
    """Averages `module.averaged` once a batch and swaps the average in wherever pictures are scored or shown.

    Parameters are interpolated; buffers (BatchNorm statistics) are copied, because the average of running statistics
    is not the statistics of the averaged network. Counting in images makes the average independent of batch size.

    Args:
        half_life: images after which a weight's influence has halved.
        ramp_up: in the beginning the half-life is at most this fraction of the images shown, so that the average does
            not remember the initialisation (Karras et al. 2020, ADA, appendix; there 0.05).
    """

    state_key = "EMA"  # where `anime_gen.run.trained` finds the weights in a checkpoint

    def __init__(self, half_life: int = 8000, ramp_up: float = 0.1) -> None:
        self.half_life = half_life
        self.ramp_up = ramp_up
        self._shadow: nn.Module | None = None
        self._restored: dict[str, Tensor] | None = None
        self._swapped = False
        # "averaged", or "trained" where nothing has been averaged yet: what a score is recorded with.
        self.weights = "trained"

    @staticmethod
    def of(trainer: L.Trainer) -> EMA | None:
        """The one among a trainer's callbacks."""
        callbacks: list[L.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        return next((callback for callback in callbacks if isinstance(callback, EMA)), None)

    @property
    def shadow(self) -> nn.Module:
        """The averaged network (the trained one while the two are swapped)."""
        if self._shadow is None:
            raise RuntimeError("EMA has no network before the trainer has begun")
        return self._shadow

    def decay(self, images_shown: int, images: int) -> float:
        """Weight of the old average in a step over `images` pictures, after `images_shown` in all."""
        half_life = min(float(self.half_life), images_shown * self.ramp_up)
        return float(0.5 ** (images / max(half_life, 1e-8)))

    def _place(self, pl_module: GenerativeModule) -> None:
        if self._shadow is None:
            # Not sooner: by now the weights of a checkpoint are in place, even of one that holds no average.
            self._shadow = copy.deepcopy(pl_module.averaged).requires_grad_(False)
        self.shadow.to(pl_module.device)
        if self._restored is not None:
            self.shadow.load_state_dict(self._restored)
            self._restored = None
            self.weights = "averaged"

    def on_fit_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._place(pl_module)

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: GenerativeModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        images = batch.image_BCHW.shape[0] * trainer.world_size
        keep = self.decay(pl_module.images_shown, images)
        trained = pl_module.averaged
        torch._foreach_lerp_(list(self.shadow.parameters()), [p.data for p in trained.parameters()], 1 - keep)
        for average, buffer in zip(self.shadow.buffers(), trained.buffers(), strict=True):
            average.copy_(buffer)
        self.weights = "averaged"

    def _swap(self, pl_module: GenerativeModule) -> None:
        """Exchanges storage, so that optimisers and DDP keep the parameter objects they know."""
        averages = [*self.shadow.parameters(), *self.shadow.buffers()]
        trained = [*pl_module.averaged.parameters(), *pl_module.averaged.buffers()]
        for one, other in zip(averages, trained, strict=True):
            one.data, other.data = other.data, one.data
        self._swapped = not self._swapped

    @contextmanager
    def standing_in(self, pl_module: GenerativeModule) -> Iterator[None]:
        """Within, the average stands in for the trained weights; nothing of the trained network is changed."""
        buffers = [buffer.clone() for buffer in pl_module.buffers()]
        self._swap(pl_module)
        try:
            yield
        finally:
            self._swap(pl_module)
            # A sample may have measured statistics anew.
            for buffer, was in zip(pl_module.buffers(), buffers, strict=True):
                buffer.copy_(was)

    def on_validation_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._place(pl_module)
        self._swap(pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._swap(pl_module)

    def on_test_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self.on_validation_start(trainer, pl_module)

    def on_test_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._swap(pl_module)

    def on_predict_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self.on_validation_start(trainer, pl_module)

    def on_predict_end(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        self._swap(pl_module)

    def on_exception(self, trainer: L.Trainer, pl_module: GenerativeModule, exception: BaseException) -> None:
        if self._swapped:
            self._swap(pl_module)

    def state_dict(self) -> dict[str, Any]:
        if self._swapped:
            raise RuntimeError("a checkpoint was asked for while the average stands in for the trained weights")
        return {"averaged": self.shadow.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = weights_today(state_dict["averaged"])
