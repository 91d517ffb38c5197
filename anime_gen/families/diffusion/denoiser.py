"""The exported network. `anime-gen export` copies this page beside `denoiser.pt2`; it needs torch and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export.passes import move_to_device_pass


class Denoiser(torch.nn.Module):
    """Predicts what config.json calls `target` from noisy pictures, and what config.json calls `inputs`.

    Args:
        program: of `denoiser.pt2`.
        config: of `config.json`.
        vocabulary: of `vocabulary.json`.
    """

    def __init__(self, program: Any, config: dict[str, Any], vocabulary: dict[str, Any]) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        self._program = program
        self.network = program.module()

    @classmethod
    def from_pretrained(cls, folder: str, **_: Any) -> Denoiser:
        """Reads the folder that this page lies in; diffusers passes options that are for its own networks."""
        config, vocabulary = (
            json.loads((Path(folder) / name).read_text(encoding="utf-8")) for name in ("config.json", "vocabulary.json")
        )
        return cls(torch.export.load(Path(folder) / "denoiser.pt2"), config, vocabulary)

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.network.parameters()).dtype

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> Denoiser:  # type: ignore[override]
        """Moves the whole program: the graph itself names a device wherever it makes a tensor.

        Raises:
            ValueError: another number format, which the graph cannot be changed to.
        """
        if dtype not in (None, self.dtype):
            raise ValueError(f"this network was exported in {self.dtype} and runs in no other format")
        if device is not None and torch.device(device) != self.device:
            self._program = move_to_device_pass(self._program, str(device))
            self.network = self._program.module()
        return self

    def forward(self, x: Tensor, noise_label: Tensor, **conditions: Tensor) -> Tensor:
        """x (B, 3, H, W), noise_label (B,), and every other input of config.json by its name -> (B, 3, H, W)."""
        given = {kind: conditions[kind] for kind in self.config["kinds"]}
        active = {kind: conditions[f"active_{kind}"] for kind in self.config["kinds"]}
        return self.network(x=x, noise_label=noise_label, given=given, active=active)
