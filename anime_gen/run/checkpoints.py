"""Checkpoint files: whole or absent, read only as they were written, and several of them, should one be damaged."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from anime_gen.errors import UserError
from anime_gen.files import also_named, atomic, check_zip
from anime_gen.run.folder import RunFolder


def read_checkpoint(path: Path, mmap: bool = True) -> dict[str, Any]:
    """What a checkpoint of the suite holds, after every byte of it was held to its checksum.

    Args:
        path: of the file.
        mmap: its tensors stay on disk until they are used.

    Raises:
        UserError: there is no such file, or it is something else or damaged.
    """
    try:
        check_zip(path)
    except FileNotFoundError as reason:
        raise UserError(f"there is no checkpoint {path}") from reason
    except (OSError, ValueError) as reason:
        raise UserError(f"{path} is not a checkpoint of this suite, or damaged: {reason}") from reason
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
        saved["family"], saved["state_dict"]
    except Exception as reason:  # whatever a file of another kind leads torch to
        raise UserError(f"{path} is not a checkpoint of this suite") from reason
    return saved


class Checkpoints(CheckpointIO):
    """How a trainer writes and reads them.

    Lightning's own writes into $TMPDIR, and moves that: on another file system this is a copy over the old file.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        try:
            with atomic(Path(path)) as draft, draft.open("wb") as file:
                torch.save(checkpoint, file)
        except RuntimeError as error:
            # Torch's writer knows only that it failed; the file knows why.
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        return read_checkpoint(Path(path), mmap=False)

    def remove_checkpoint(self, path: str | Path) -> None:
        Path(path).unlink(missing_ok=True)


def make_last(run: RunFolder, keep: int) -> None:
    """What was saved as the next checkpoint is the last from now on; at every moment there is a whole one.

    Args:
        run: whose.
        keep: how many of those that were the last are kept, this one included.
    """
    for path in run.lasts[keep:]:
        path.unlink()
    for saves in range(keep - 1, 1, -1):
        if run.before_last(saves - 1).exists():
            run.before_last(saves - 1).replace(run.before_last(saves))
    if keep > 1 and run.last.exists():
        also_named(run.last, run.before_last(1))
    run.next.replace(run.last)


def newest_whole(run: RunFolder) -> Path | None:
    """The checkpoint to go on from: the last, or, with a line on what is wrong with it, the one before.

    Returns:
        None where there is none yet.

    Raises:
        UserError: none of those that there are is whole.
    """
    damaged: list[str] = []
    for path in run.lasts:
        try:
            read_checkpoint(path)
        except UserError as reason:
            damaged.append(str(reason))
            continue
        if damaged:
            print(f"{'; '.join(damaged)}: going on from {path.name}, which was saved before", file=sys.stderr)
        return path
    if damaged:
        raise UserError(f"{'; '.join(damaged)}: nothing whole is left to go on from; begin a new run")
    return None
