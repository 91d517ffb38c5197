"""Files that are whole or absent. Imports nothing else of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor  # without it, what only writes need not load torch


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to, which takes its name when all is written; a crash leaves what was there.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """A safetensors file, with the permissions of any other: `save_file` makes it readable by its owner alone."""
    from safetensors.torch import save

    with atomic(path) as draft:
        draft.write_bytes(save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata))
