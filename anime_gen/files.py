"""Files that are whole or absent. Imports nothing else of ours."""

from __future__ import annotations

import math
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor  # without it, what only writes need not load torch


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to, which takes its name when all is written and on the disk.

    A mistake, a kill or a power cut leaves what was there before. The place's name ends in .tmp: who guesses a format
    by a name's ending is told it, or given an open file.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the process's number: in two containers that share a cache it may be the same.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield draft
        flush(draft)
        draft.replace(path)
        with suppress(OSError):  # some file systems know no such thing of folders
            flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """As `atomic`, for a folder that is new or empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    draft.mkdir()
    try:
        yield draft
        draft.replace(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def flush(path: Path) -> None:
    """Waits until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """UTF-8, and the ends of lines as they are."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Any file."""
    with atomic(path) as draft:
        draft.write_bytes(content)


def write_picture(path: Path, picture: Image, **options: Any) -> None:
    """A picture of the kind that its name ends in; `options` are Pillow's for that kind."""
    from PIL import Image

    with atomic(path) as draft:
        picture.save(draft, Image.registered_extensions()[path.suffix.lower()], **options)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """A safetensors file, with the permissions of any other: `save_file` makes it readable by its owner alone."""
    from safetensors.torch import save

    write_bytes(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}, metadata))


def rounded(value: Any) -> Any:
    """A report for a JSON file: four digits; NaN, which JSON lacks, becomes None."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value
