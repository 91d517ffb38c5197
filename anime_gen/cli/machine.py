"""What there is to train on: how many processes, and in which numbers."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from jsonargparse import Namespace

from anime_gen.contract import UserError

MOST_DEVICES = 4096


def ranks(trainer: Namespace) -> int:
    """How many processes the trainer will have."""
    devices = trainer.devices
    if isinstance(devices, str) and "," in devices:
        devices = [device for device in devices.split(",") if device.strip()]
    if isinstance(devices, list):
        count = len(devices)
    elif devices in (-1, "-1", "auto"):
        on_gpu = trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        count = torch.cuda.device_count() if on_gpu else 1
    else:
        try:
            count = int(devices)
        except ValueError as reason:
            raise UserError(f"--trainer.devices={devices}: give a number, or GPUs such as 0,1") from reason
    if count > MOST_DEVICES:
        raise UserError(f"--trainer.devices={devices}: no machine has more than {MOST_DEVICES}")
    return count * int(trainer.num_nodes)


def started_elsewhere() -> bool:
    """Whether torchrun or SLURM starts the processes, rather than Lightning from the first of them."""
    return any(name in os.environ for name in ("TORCHELASTIC_RUN_ID", "SLURM_PROCID"))


def fastest_precision(accelerator: str) -> str:
    """bfloat16 autocast where the hardware multiplies it natively, else float32. Recorded in the run's config."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16-mixed" if native else "32-true"
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    native = "avx512_bf16" in flags or "amx_bf16" in flags
    # A processor may have been told to act as a smaller one.
    return "bf16-mixed" if native and "AVX512" in torch.backends.cpu.get_cpu_capability() else "32-true"
