"""A pack: a folder of memory-mapped columns, each built once, however many runs want it and whatever kills them.

    <cache>/packs/<split>-<picture key>/
        about.json                what the pack was made from, for people
        lock                      held (flock) by the one run that builds
        image-32.npy              uint8 (N, 32, 32, 3)
        readable-32.npy           bool (N,), False where a picture could not be read
        content-32.txt            hash of the rows' names and pixels
        sketch-32.npy             uint8 (N, 32, 32)
        tags-<label key>.npy      int8 (N, T), and attributes-, landmarks-, visible- likewise

A column is written under a temporary name and renamed when it is whole, so a name without `.tmp` can be believed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from anime_gen.contract import UserError
from anime_gen.data.cache import write_whole, writing
from anime_gen.data.source import PIXEL_COLUMNS, Columns, Source, Split, some, warn
from anime_gen.reading import map_array

log = logging.getLogger(__name__)

# Rows made at a time: large enough to hide the talk between processes, small enough for a lively bar.
CHUNK = 32
# Below this many rows a second process costs more than it saves.
WORTH_PROCESSES = 256


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Column(NamedTuple):
    """One file of a pack while it is being made."""

    name: str
    path: Path
    temporary: Path
    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize

    def write_header(self) -> None:
        with self.temporary.open("wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": self.shape}
            np.lib.format.write_array_header_1_0(file, header)

    def write_rows(self, first: int, rows: np.ndarray) -> None:
        # Written, not mapped: a full disk is then an error that can be told, not a SIGBUS.
        data = memoryview(np.ascontiguousarray(rows, dtype=self.dtype).reshape(-1).view(np.uint8))
        with self.temporary.open("rb") as file:
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
            offset = file.tell() + first * self.row_bytes
        descriptor = os.open(self.temporary, os.O_WRONLY)
        try:
            while data:
                written = os.pwrite(descriptor, data, offset)
                data, offset = data[written:], offset + written
        finally:
            os.close(descriptor)

    def publish(self) -> None:
        descriptor = os.open(self.temporary, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        self.temporary.replace(self.path)


class Mapped(Mapping[str, np.ndarray]):
    """Memory-mapped columns. A pickled memory map would carry its whole content: these map their files again."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)
        self._arrays = {name: map_array(path) for name, path in paths.items()}

    def __getitem__(self, name: str) -> np.ndarray:
        array = self._arrays[name]
        # Who reads behind the end of a mapped file is ended by the system, without a word.
        if array._mmap.size() < array.offset + array.nbytes:  # type: ignore[attr-defined]  # NumPy's own name
            raise UserError(f"{self._paths[name]} was cut short: delete it, and the next run makes it anew")
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __reduce__(self) -> tuple[type[Mapped], tuple[dict[str, Path]]]:
        return Mapped, (self._paths,)


class Pack:
    """The columns of one split of one source.

    Args:
        source: makes the rows.
        split: which of its splits.
        size: width and height of pictures and sketches, pixels.
        processes: how many processes build; None uses every core up to 8.
    """

    def __init__(self, source: Source, split: Split, size: int, processes: int | None = None) -> None:
        self.source = source
        self.split: Split = split
        self.size = size
        self.processes = processes or min(8, cores())
        self.folder = source.cache / "packs" / f"{split}-{source.picture_key(split)}"

    def path(self, name: str) -> Path:
        """Where a column is, or will be."""
        suffix = self.size if name in PIXEL_COLUMNS else self.source.label_key(self.split)
        return self.folder / f"{name}-{suffix}.npy"

    def open(self, names: Iterable[str]) -> Mapped:
        """Memory-maps columns of N rows, building first what is missing.

        Raises:
            UserError: the cache cannot be written, or most pictures cannot be read.
        """
        names = frozenset(names)
        self.build(names)
        return Mapped({name: self.path(name) for name in sorted(names)})

    def content(self) -> str:
        """Hash of the names and pixels of all rows: equal for copies of the data, wherever they lie."""
        path = self.folder / f"content-{self.size}.txt"
        if not path.exists():
            image = self.open({"image"})["image"]
            digest = hashlib.sha256()
            for row in range(len(image)):
                digest.update(self.source.name(self.split, row).encode("utf-8", "surrogateescape"))
                digest.update(image[row])
            # Another's cache may be closed to us; then it is hashed anew in each run.
            with suppress(UserError):
                write_whole(path, digest.hexdigest()[:16])
            return digest.hexdigest()[:16]
        return path.read_text(encoding="utf-8")

    def build(self, names: frozenset[str]) -> None:
        """Makes the missing columns among `names`; waits where another run is at it."""
        if not self._missing(names):
            return
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock() as lock:
            missing = self._missing(names)
            if not missing:
                return
            # Only the holder of the lock writes here, so whatever is temporary was left by a run that died.
            for left in self.folder.glob("*.tmp"):
                left.unlink(missing_ok=True)
            count = self.source.count(self.split)
            columns = []
            for name in sorted(missing):
                shape, dtype = self.source.layout(name, self.size)
                path = self.path(name)
                columns.append(Column(name, path, path.with_name(f"{path.name}.tmp"), (count, *shape), dtype))
            write_whole(self.folder / "about.json", json.dumps(self._about(), indent=1))
            with writing(self.folder, sum(column.row_bytes for column in columns) * count):
                try:
                    broken = self._make(columns, count, lock)
                    self._check_broken(broken, count)
                    for column in columns:
                        column.publish()
                finally:
                    for column in columns:
                        column.temporary.unlink(missing_ok=True)

    def _missing(self, names: frozenset[str]) -> frozenset[str]:
        return frozenset(name for name in names if not self.path(name).exists())

    def _about(self) -> dict[str, object]:
        return {"source": self.source.describe(), "split": self.split, "rows": self.source.count(self.split)}

    @contextmanager
    def _lock(self) -> Iterator[int]:
        path = self.folder / "lock"
        with writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.warning("another run is building %s: waiting for it", self.folder)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _make(self, columns: list[Column], count: int, lock: int) -> list[str]:
        for column in columns:
            column.write_header()
        chunks = [range(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
        processes = self.processes if count >= WORTH_PROCESSES else 1
        made = self._in_processes(chunks, columns, lock, processes) if processes > 1 else self._here(chunks, columns)
        what = ", ".join(column.name for column in columns if column.name != "readable")
        title = f"{self.split} {what}" + (f" at {self.size} px" if PIXEL_COLUMNS & {c.name for c in columns} else "")
        broken: list[str] = []
        with tqdm(total=count, desc=title, unit="picture", disable=count < WORTH_PROCESSES) as bar:
            for rows, lines in made:
                bar.update(rows)
                for line in lines:
                    log.warning("skipped %s", line)
                broken += lines
        return broken

    def _here(self, chunks: list[range], columns: list[Column]) -> Iterator[tuple[int, list[str]]]:
        names = frozenset(column.name for column in columns)
        for rows in chunks:
            filled = self.source.fill(self.split, rows, names, self.size)
            for column in columns:
                column.write_rows(rows.start, filled.columns[column.name])
            yield len(rows), filled.broken

    def _in_processes(
        self, chunks: list[range], columns: list[Column], lock: int, processes: int
    ) -> Iterator[tuple[int, list[str]]]:
        # Forked like a DataLoader's workers: nothing is pickled, and a script needs no `if __name__` guard.
        context = multiprocessing.get_context("fork")
        taken = context.Value("q", 0)
        workers = {}
        # A Ctrl-C while they start waits: a process that does not ignore it yet would answer it, too.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for _ in range(processes):
                ours, theirs = context.Pipe(duplex=False)
                worker = context.Process(target=self._work, args=(chunks, columns, lock, taken, theirs), daemon=True)
                worker.start()
                theirs.close()
                workers[ours] = worker
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            while workers:
                for pipe in wait(list(workers)):
                    assert isinstance(pipe, Connection)
                    try:
                        news: Any = pipe.recv()
                    except EOFError:
                        worker = workers.pop(pipe)
                        worker.join()
                        if worker.exitcode:
                            raise UserError(
                                f"a process that builds {self.folder} was ended (exit code {worker.exitcode}): "
                                "free some memory and start again"
                            ) from None
                        continue
                    if isinstance(news, Exception):
                        raise news
                    yield news
        finally:
            for worker in workers.values():
                worker.terminate()
                worker.join()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _work(self, chunks: list[range], columns: list[Column], lock: int, taken: Any, pipe: Connection) -> None:
        # Ctrl-C reaches every process of the terminal: the parent answers it, and ends this one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # How it ends it must not depend on what the parent does at a SIGTERM (a training saves itself).
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # An inherited descriptor would hold the lock after the parent is gone.
        os.close(lock)
        parent = os.getppid()
        try:
            while os.getppid() == parent:
                with taken.get_lock():
                    number = taken.value
                    taken.value += 1
                if number >= len(chunks):
                    return
                for news in self._here([chunks[number]], columns):
                    pipe.send(news)
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))
            pipe.send(error)

    def _check_broken(self, broken: list[str], count: int) -> None:
        if 2 * len(broken) > count:
            raise UserError(
                f"{len(broken)} of {count} files of the {self.split} split could not be read (first: {broken[0]}): "
                "check that the folder holds pictures and was copied whole"
            )


def columns_of(source: Source, split: Split, size: int) -> Columns:
    """The columns of a split: streamed where its source does that, else packed."""
    return source.streamed(split, size) or Pack(source, split, size)


def report_unreadable(source: Source, split: Split, readable: np.ndarray) -> None:
    """One warning a run that counts and names the pictures a split goes without."""
    lost = [source.name(split, int(row)) for row in np.flatnonzero(~readable)]
    if lost and split not in source.reported:
        source.reported.add(split)
        text = "%d of %d files of the %s split could not be read: %s"
        warn(log, text, len(lost), len(readable), split, some(lost))
