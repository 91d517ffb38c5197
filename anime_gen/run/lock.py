"""One process at a time trains in a run folder."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from anime_gen.errors import UserError
from anime_gen.run.folder import RunFolder


@contextmanager
def alone(run: RunFolder) -> Iterator[None]:
    """Within, no other process trains in the folder, on this machine or on another one that shares it.

    Of POSIX's locks: one goes with its process, however that ends, and no worker of a loader inherits it.

    Raises:
        UserError: somebody else does, or the folder cannot be written.
    """
    try:
        lock = os.open(run.lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as reason:
        raise UserError(f"cannot write in {run.path} ({reason.strerror})") from reason
    try:
        _take(lock, run)
        yield
    finally:
        os.close(lock)


def _take(lock: int, run: RunFolder) -> None:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError) as reason:
        raise UserError(
            f"another process trains in {run.path}: wait until it ends, or stop it; for another run give another "
            "--run (NAME=...)"
        ) from reason
    except OSError as reason:  # a file system of a network, without locks
        print(f"{run.path} cannot be locked ({reason.strerror}): start nothing else there meanwhile", file=sys.stderr)
    else:
        run.sweep()
