"""Where a run came from: versions, git state, command and machine, written once a sitting."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities import rank_zero_warn

from anime_gen.contract import GenerativeModule, UserError
from anime_gen.files import write_text
from anime_gen.run.folder import RunFolder

PACKAGES = (
    "anime_gen", "torch", "torchvision", "lightning", "torchmetrics", "jsonargparse", "numpy", "pillow", "skia-python"
)  # fmt: skip


def git(*words: str) -> str | None:
    """Git's answer for the folder the package lies in, or None where there is no git or no repository."""
    here = Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def provenance() -> dict[str, Any]:
    """Plain facts for JSON."""
    installed = {d.metadata["Name"].lower().replace("-", "_"): d.version for d in importlib.metadata.distributions()}
    changed = git("status", "--porcelain")
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "packages": {name: installed.get(name.lower().replace("-", "_")) for name in PACKAGES},
        "python": platform.python_version(),
        "git": {"commit": git("rev-parse", "HEAD"), "changed_files": changed.splitlines() if changed else []},
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        },
    }


def earlier_sittings(run: RunFolder) -> list[dict[str, Any]]:
    """What was written at earlier starts.

    Earlier versions wrote the file in its place, and a kill could cut it short: that must not end the run, so the file
    is set aside.
    """
    try:
        return run.sittings()
    except UserError:
        aside = run.provenance.with_suffix(".broken")
        run.provenance.replace(aside)
        rank_zero_warn(f"{run.provenance} was not whole: it is kept as {aside.name}, and begun anew")
        return []


class Provenance(L.Callback):
    """Appends one record to `provenance.json` at every start, so that a resumed run shows all its sittings."""

    def on_fit_start(self, trainer: L.Trainer, pl_module: GenerativeModule) -> None:
        if not trainer.is_global_zero:
            return
        run = RunFolder.of(trainer)
        sitting = {**provenance(), "images_shown": pl_module.images_shown, "world_size": trainer.world_size}
        write_text(run.provenance, json.dumps([*earlier_sittings(run), sitting], indent=1) + "\n")
