"""Pictures in shards, for data that is too much for a folder: a million files are some thousand, and none is scanned.

    <shards>/
        shards.json               words, parts; of each split how many pictures, and keys of them and of their labels
        train/index.json          LitData's own form: what is in which chunk
        train/chunk-0-0.bin       pictures as their files were, each with its name, caption and labels
        validation/, test/

A picture is read where it is asked for, of a disk or of object storage, by LitData (Lightning's engine for streamed
data): a range of bytes, in any order, by any number of processes. So batches are those of the folder, bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from anime_gen.conditions import FIELDS
from anime_gen.contract import UserError
from anime_gen.data.folder import DECODING, SHARDS, Folder
from anime_gen.data.source import COLUMNS, SPLITS, Filled, Rows, Source, Split, content_hash, some
from anime_gen.decode import decode
from anime_gen.files import atomic_folder
from anime_gen.vocabulary import Vocabulary

FORM = 1
# LitData can hold pickles, which run code when they are read: bytes and numbers cannot.
_PLAIN = re.compile(r"bytes|no_header_numpy(:[0-9]+)?")
_CHUNK = re.compile(r"chunk-[0-9]+-[0-9]+\.bin")
# Pictures whose labels are made together.
_TOGETHER = 64


class Written(NamedTuple):
    """How many pictures of each split were written, and a line for each that could not be read."""

    counts: dict[str, int]
    broken: list[str]


def columns_in(parts: Iterable[str]) -> list[str]:
    """The columns of labels of some parts of a `Condition`: those that are not made of pixels."""
    names = {column.name for part in parts for column in FIELDS[part].columns if column.in_pack}
    return sorted(name for name in names if not COLUMNS[name].of_pixels)


def _record(source: Source) -> np.dtype:
    """One picture's labels, as they lie in its shard."""
    fields = [(name, *reversed(source.layout(name, 1))) for name in columns_in(source.parts)]
    return np.dtype([(name, dtype, shape) for name, dtype, shape in fields])


def write_shards(source: Folder, out: Path, megabytes: int = 64) -> Written:
    """Writes a folder's pictures, as their files are, and their labels.

    Args:
        source: the folder.
        out: new; whole when it is there.
        megabytes: of a chunk.

    Raises:
        UserError: no picture can be read, `out` is there, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out} is there already: give a new folder")
    written = Written({}, [])
    head: dict[str, Any] = {"form": FORM, "vocabulary": source.vocabulary.as_dict(), "parts": sorted(source.parts)}
    splits = {}
    try:
        with atomic_folder(out) as draft:
            for split in SPLITS:
                count, key = _write_split(source, split, draft / split, megabytes, written.broken)
                written.counts[split] = count
                splits[split] = {"count": count, "pictures": key, "labels": source.label_key(split)}
            if not any(written.counts.values()):
                raise UserError(f"{source.path}: none of its pictures can be read ({some(written.broken)})")
            (draft / SHARDS).write_text(json.dumps({**head, "splits": splits}, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out {out}: cannot be written ({error.strerror or error})") from error
    return written


def _write_split(source: Folder, split: Split, place: Path, megabytes: int, broken: list[str]) -> tuple[int, str]:
    """How many pictures were written, and a hash of their names and files."""
    from litdata.streaming.writer import BinaryWriter

    place.mkdir()
    writer = BinaryWriter(str(place), chunk_bytes=f"{megabytes}MB")
    record, captions = _record(source), source.captions(split)
    digest, count = hashlib.sha256(f"{DECODING}".encode()), 0
    total = source.count(split)
    with tqdm(total=total, desc=f"{split} shards", unit="picture", disable=None) as bar:
        for first in range(0, total, _TOGETHER):
            rows = range(first, min(first + _TOGETHER, total))
            columns = source.fill(split, rows, frozenset(record.names or ()), 1).columns
            for at, row in enumerate(rows):
                name = source.name(split, row)
                try:
                    content = (source.path / name).read_bytes()
                    decode(content, 16)
                except Exception as error:  # Pillow raises whatever a damaged file leads it to
                    broken.append(f"{name}: {type(error).__name__}: {error}")
                    continue
                labels = np.zeros((), record)
                for column in record.names or ():
                    labels[column] = columns[column][at]
                told = os.fsencode(name)
                writer[count] = {
                    "caption": (captions[row] or "").encode(),
                    "image": content,
                    # An array: of bytes alone LitData makes Arrow tables, whose rows have no ranges of their own.
                    "labels": np.frombuffer(labels.tobytes(), np.uint8),
                    "name": told,
                }
                digest.update(len(told).to_bytes(4) + told + hashlib.sha256(content).digest())
                count += 1
            bar.update(len(rows))
    if count:
        writer.done()
        writer.merge()
    return count, digest.hexdigest()[:16]


class Shards(Source):
    """Pictures that `anime-gen shards` wrote, on a disk or in object storage.

    Args:
        path: the folder of `shards.json`, or its address (s3://, gs://, ...), for which LitData's own needs hold.

    Raises:
        UserError: there are no shards, or what is there is no such thing.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path if "://" in path else str(Path(path).expanduser().absolute())

    @cached_property
    def _head(self) -> dict[str, Any]:
        found = _json(self.path, SHARDS)
        if found.get("form") != FORM:
            raise UserError(f"{self.path}/{SHARDS} is of form {found.get('form')}, not {FORM}: write the shards anew")
        try:
            Vocabulary.from_dict(found["vocabulary"])
            unknown = set(found["parts"]) - FIELDS.keys()
            [(one["count"] + 0, one["pictures"] + "", one["labels"] + "") for one in map(found["splits"].get, SPLITS)]
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise UserError(f"{self.path}/{SHARDS} is damaged ({error!r}): write the shards anew") from error
        if unknown:
            raise UserError(f"{self.path}/{SHARDS} has {', '.join(sorted(unknown))}, which this version does not know")
        return found

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.from_dict(self._head["vocabulary"])

    @property
    def parts(self) -> frozenset[str]:
        return frozenset(self._head["parts"])

    def __str__(self) -> str:
        return self.path

    def describe(self) -> dict[str, object]:
        return {"class": "Shards", "path": self.path}

    def count(self, split: Split) -> int:
        return int(self._head["splits"][split]["count"])

    def picture_key(self, split: Split) -> str:
        return str(self._head["splits"][split]["pictures"])

    def label_key(self, split: Split) -> str:
        return str(self._head["splits"][split]["labels"])

    def name(self, split: Split, row: int) -> str:
        return os.fsdecode(bytes(self.reader(split).item(row)["name"]))

    def captions(self, split: Split) -> list[str | None]:
        reader = self.reader(split)
        return [bytes(reader.item(row)["caption"]).decode() or None for row in range(self.count(split))]

    def streamed(self, split: Split, size: int) -> Streamed:
        return Streamed(self, split, size)

    def fill(self, split: Split, rows: range, wanted: frozenset[str], size: int) -> Filled:
        columns = self.streamed(split, size).open(wanted)
        return Filled({name: column[np.arange(rows.start, rows.stop)] for name, column in columns.items()}, [])

    def reader(self, split: Split) -> _Reader:
        """Of the pictures of a split."""
        return _Reader(self.path, split, self.count(split), _record(self))


def _json(folder: str, name: str) -> dict[str, Any]:
    """What a JSON file of the shards says.

    Raises:
        UserError: it cannot be read.
    """
    import fsspec

    place = posixpath.join(folder, name)
    try:
        with fsspec.open(place, "r", encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError as error:
        raise UserError(f"there is no {place}: `anime-gen shards FOLDER --out SHARDS` writes such") from error
    except Exception as error:  # every kind of storage has its own, and JSON's
        raise UserError(f"{place} cannot be read ({type(error).__name__}: {error})") from error
    if not isinstance(found, dict):
        raise UserError(f"{place} is damaged: write the shards anew")
    return found


class _Chunk(NamedTuple):
    """A file of shards."""

    end: int  # the first picture behind it
    path: Path
    bytes: int  # when it was opened


class _Reader:
    """The pictures of a split. Each process opens the shards itself: connections and threads are not inherited."""

    def __init__(self, path: str, split: Split, count: int, record: np.dtype) -> None:
        self.path = posixpath.join(path, split)
        self.count = count
        self.record = record
        self._owner, self._shards = 0, None
        self._chunks: list[_Chunk] = []  # on a disk, in the order of their pictures
        self._rows: np.ndarray = np.empty(0, np.int64)
        self._items: list[Mapping[str, bytes]] = []

    def item(self, row: int) -> Mapping[str, bytes]:
        """One picture with all that is known of it.

        Raises:
            UserError: it cannot be had.
        """
        try:
            opened = self._opened
            self._check_whole(int(row))
            found: Mapping[str, bytes] = opened[int(row)]
        except UserError:
            raise
        except Exception as error:  # every kind of storage has its own
            raise UserError(f"{self.path}: picture {row} cannot be read ({type(error).__name__}: {error})") from error
        return found

    def items(self, rows: np.ndarray) -> list[Mapping[str, bytes]]:
        """Several. The columns of a batch are asked for one after the other, and come of the same pictures."""
        if not np.array_equal(rows, self._rows):
            self._items = [self.item(row) for row in rows]
            self._rows = rows.copy()
        return self._items

    @property
    def _opened(self) -> Any:
        if self._owner != os.getpid():
            # It would ask the package index for newer versions of itself.
            os.environ.setdefault("LITDATA_DISABLE_VERSION_CHECK", "1")
            try:
                from litdata import StreamingDataset
            except ImportError as error:
                raise UserError("shards want LitData: pip install anime_gen[shards]") from error
            self._check()
            self._shards, self._owner = StreamingDataset(self.path), os.getpid()
        return self._shards

    def _check(self) -> None:
        index = _json(self.path, "index.json")
        try:
            kinds = set(index["config"]["data_format"])
            files = [chunk["filename"] for chunk in index["chunks"]]
            count = sum(chunk["chunk_size"] for chunk in index["chunks"])
        except (KeyError, TypeError) as error:
            raise UserError(f"{self.path}/index.json is damaged: write the shards anew") from error
        if not all(_PLAIN.fullmatch(str(kind)) for kind in kinds) or not all(
            _CHUNK.fullmatch(str(file)) for file in files
        ):
            raise UserError(f"{self.path}/index.json holds more than bytes ({', '.join(map(str, kinds))}): not read")
        if count != self.count:
            raise UserError(f"{self.path}/index.json has {count} pictures, {SHARDS} {self.count}: copy the shards anew")

        place = Path(self.path)
        ends = accumulate(chunk["chunk_size"] for chunk in index["chunks"])
        chunks = [(place / file, end) for file, end in zip(files, ends, strict=True)] if place.is_dir() else []
        self._chunks = [_Chunk(end, path, path.stat().st_size) for path, end in chunks]

    def _check_whole(self, row: int) -> None:
        # LitData maps files: who reads behind the end of one is ended by the system, without a word.
        if self._chunks:
            chunk = self._chunks[bisect_right(self._chunks, row, key=lambda one: one.end)]
            if chunk.path.stat().st_size < chunk.bytes:
                raise UserError(f"{chunk.path} was cut short: copy the shards anew")

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_owner": 0, "_shards": None, "_rows": np.empty(0, np.int64), "_items": []}


class _Column(ABC):
    """A column that is made of each picture when it is asked for."""

    def __init__(self, reader: _Reader, name: str) -> None:
        self.reader = reader
        self.name = name

    def __len__(self) -> int:
        return self.reader.count

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        return np.stack([self.of(item) for item in self.reader.items(rows)])

    @abstractmethod
    def of(self, item: Mapping[str, bytes]) -> np.ndarray:
        """One picture's row."""


class _Pixels(_Column):
    """The pictures at a size, or what is made of them."""

    def __init__(self, reader: _Reader, name: str, size: int) -> None:
        super().__init__(reader, name)
        self.size = size

    def of(self, item: Mapping[str, bytes]) -> np.ndarray:
        about, content = COLUMNS[self.name], bytes(item["image"])
        if about.of_picture is None:
            return decode(content, self.size)
        return about.of_picture(decode(content, max(self.size, about.looks_at)), self.size)


class _Labels(_Column):
    """What is known of them."""

    def of(self, item: Mapping[str, bytes]) -> np.ndarray:
        return np.asarray(np.frombuffer(bytes(item["labels"]), self.reader.record)[0][self.name])


class Streamed:
    """The columns of one split: a batch reads its pictures once, whatever is wanted of them."""

    def __init__(self, source: Shards, split: Split, size: int) -> None:
        self.source = source
        self.split: Split = split
        self.size = size

    def open(self, names: Iterable[str]) -> Mapping[str, Rows]:
        reader = self.source.reader(self.split)
        columns: dict[str, Rows] = {}
        for name in sorted(names):
            if name == "readable":
                columns[name] = np.ones(reader.count, bool)  # those that are not were left out
            elif COLUMNS[name].of_pixels:
                columns[name] = _Pixels(reader, name, self.size)
            else:
                columns[name] = _Labels(reader, name)
        return columns

    def content(self) -> str:
        return content_hash(self.source.picture_key(self.split), self.size)
