"""What lies in a folder: its pictures, and what else."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from anime_gen.contract import UserError
from anime_gen.data.source import some, warn
from anime_gen.decode import SUFFIXES

log = logging.getLogger(__name__)

# What `anime-gen card` and `anime-gen prepare` leave beside pictures.
_WRITTEN = frozenset({"card.md", "card.png", "card.json", "report.html", "report.json", "journal.jsonl"})
# Files that may hold labels: what reads labels names those it does not use.
_OF_LABELS = frozenset({".csv", ".json", ".jsonl", ".parquet", ".txt", ".caption"})


class File(NamedTuple):
    """A file below the folder, and what tells a changed file from the same one."""

    name: str
    bytes: int
    changed: int


class Listing(NamedTuple):
    """Files by their path below the folder, in order."""

    pictures: dict[str, File]
    others: dict[str, File]


def list_folder(folder: Path) -> Listing:
    """Everything in a folder and below it. Links to folders are followed, once.

    Names with a dot first are other programs' (`._face.jpg` is not a picture); `_WRITTEN` are ours.

    Raises:
        UserError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise UserError(f"the folder {folder} does not exist: check the path")
    found: list[File] = []
    errors: list[OSError] = []
    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True, onerror=errors.append):
        below = Path(root)
        here = below.stat()
        if (here.st_dev, here.st_ino) in seen:
            # A link led back here. Its pictures would be there twice, under names that fall into other splits.
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        # Folders proper come before links to them: they give the pictures their names.
        folders[:] = sorted(
            (name for name in folders if not name.startswith(".")),
            key=lambda name: ((below / name).is_symlink(), name),
        )
        for name in names:
            if name.startswith(".") or (below == folder and name in _WRITTEN):
                continue
            path = below / name
            try:
                status = path.stat()
            except OSError as error:  # a link to nothing
                errors.append(error)
                continue
            if stat.S_ISREG(status.st_mode):
                found.append(File(path.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
            else:  # who opens a pipe waits for ever
                errors.append(OSError(errno.EINVAL, "no file", str(path)))
    found.sort()
    pictures = {file.name: file for file in found if _suffix(file.name) in SUFFIXES}
    others = {file.name: file for file in found if file.name not in pictures}
    if errors:
        lost = sorted(f"{Path(error.filename).relative_to(folder)} ({error.strerror})" for error in errors)
        warn(log, "skipped %d files or folders in %s: %s", len(lost), folder, some(lost))
    strange = Counter(_suffix(name) or "without an ending" for name in others if _suffix(name) not in _OF_LABELS)
    if strange:
        kinds = ", ".join(f"{count} {kind}" for kind, count in strange.most_common(5))
        warn(log, "%d files in %s are of no kind that is read: %s", strange.total(), folder, kinds)
    if not pictures:
        raise UserError(
            f"there are no pictures in {folder} or below it ({', '.join(sorted(SUFFIXES))}): check the path"
        )
    return Listing(pictures, others)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def picture_files(folder: Path) -> list[str]:
    """The pictures of a folder, by their path below it, in order.

    Raises:
        UserError: as `list_folder`.
    """
    return list(list_folder(folder).pictures)
