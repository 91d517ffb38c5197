"""One file of labels for all pictures: `labels.csv`, `metadata.csv|jsonl|parquet`, StyleGAN's `dataset.json`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from anime_gen.contract import UserError
from anime_gen.data.listing import Listing
from anime_gen.data.manifest import FILE_COLUMNS, Manifest, Row, check_classes, check_file, read_csv
from anime_gen.data.metadata.described import USED, Described, described, manifest_of
from anime_gen.data.metadata.form import Form
from anime_gen.data.source import some, warn
from anime_gen.reading import parse_json, read_bytes, read_json

log = logging.getLogger(__name__)

# The columns of a `labels.csv` that are labels. The others are a detector's boxes and mean colours: its face, eye,
# mouth, nose and chin are not the 24 landmarks, and guessing those from boxes would be making labels up.
LABELS_CSV_GROUPS = ("hair", "eye", "gender")

# What a table may call a picture whose path it does not say: its name without folders and ending.
_STEM = ("id", "md5")


def _finder(*names: str) -> Callable[[Listing], list[str]]:
    return lambda listing: [name for name in listing.others if PurePosixPath(name).name in names]


class _Names:
    """Pictures by what a table calls them: a path, or a last part that no two share."""

    def __init__(self, files: Collection[str]) -> None:
        self._files = set(files)
        self._by_name = self._unique(files, lambda path: path.name)
        self._by_stem = self._unique(files, lambda path: path.stem)

    @staticmethod
    def _unique(files: Collection[str], part: Callable[[PurePosixPath], str]) -> dict[str, str]:
        count = Counter(part(PurePosixPath(file)) for file in files)
        return {key: file for file in files if count[key := part(PurePosixPath(file))] == 1}

    def path(self, told: str, below: str = "") -> str:
        """The picture that is called so in the folder `below`; what is told, where there is none."""
        whole = (PurePosixPath(below) / told).as_posix()
        return whole if whole in self._files else self._by_name.get(told, whole)

    def stem(self, told: str) -> str:
        return self._by_stem.get(told, told)


# --------------------------------------------------------------------------------------------------------------------
# labels.csv


def convert_labels_csv(folder: Path, found: list[str], files: Collection[str]) -> Manifest:
    """Columns file and any of hair, eye, gender; the others are left.

    Hair and eye colours also become tags ("blue hair"), since every picture with a colour is fully tagged with colours.
    """
    path = folder / found[0]
    header, lines = read_csv(path)
    groups = tuple(group for group in LABELS_CSV_GROUPS if group in header)
    if "file" not in header or not groups:
        raise UserError(
            f"{path}: it needs the columns `file` and one of {', '.join(LABELS_CSV_GROUPS)}; it has {', '.join(header)}"
        )
    told = ((number, {name: cells[name] for name in ("file", *groups)}) for number, cells in lines)
    return _manifest(path, told, _Names(files), "")


LABELS_CSV = Form("labels.csv", lambda listing: [name for name in listing.others if name == "labels.csv"],
                  convert_labels_csv)  # fmt: skip


# --------------------------------------------------------------------------------------------------------------------
# metadata.csv, metadata.jsonl, metadata.parquet (as image folders of the `datasets` library have them)


def convert_metadata(folder: Path, found: list[str], files: Collection[str]) -> Manifest:
    """Columns as `described` reads keys, `file_name` first; a table in a folder below is of the pictures there."""
    names, parts = _Names(files), []
    for name in found:
        path = folder / name
        rows = list(_READERS[path.suffix](path))
        if unused := sorted({key for _, told in rows for key in told} - USED - {*FILE_COLUMNS, *_STEM}):
            warn(log, "columns of %s that are not used: %s", path, some(unused))
        below = PurePosixPath(name).parent.as_posix()
        parts.append(_manifest(path, iter(rows), names, "" if below == "." else below))
    rows_of_all = [
        Described(row, {group: word for group, word in zip(part.groups, row.classes, strict=True) if word})
        for part in parts
        for row in part.rows
    ]
    return manifest_of(rows_of_all)


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    yield from read_csv(path)[1]


def _jsonl_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, line in enumerate(read_bytes(path).splitlines(), 1):
        if line.strip():
            told = parse_json(line, f"{path}, line {number}")
            if not isinstance(told, dict):
                raise UserError(f"{path}, line {number}: a JSON object is expected")
            yield number, told


def _parquet_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pandas

    try:
        table = pandas.read_parquet(path)
    except ImportError as error:
        raise UserError(f"{path}: install pyarrow to read it, or save it as metadata.jsonl") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is no Parquet file: {' '.join(str(error).split())}") from error
    for number, told in enumerate(table.to_dict("records"), 1):
        # A list of words is an array here.
        yield number, {str(key): value.tolist() if hasattr(value, "tolist") else value for key, value in told.items()}


_READERS: Mapping[str, Callable[[Path], Iterator[tuple[int, Mapping[str, Any]]]]] = {
    ".csv": _csv_rows,
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
}

METADATA = Form("metadata tables", _finder(*(f"metadata{suffix}" for suffix in _READERS)), convert_metadata)


# --------------------------------------------------------------------------------------------------------------------
# dataset.json of StyleGAN's dataset tool


def convert_stylegan(folder: Path, found: list[str], files: Collection[str]) -> Manifest:
    """{"labels": [["00000/img00000000.png", 6], ...]}: numbers of exclusive classes, a group `class`."""
    path = folder / found[0]
    told = read_json(path)
    if isinstance(told, dict) and "labels" in told and not told["labels"]:
        return Manifest((), [Row(file) for file in sorted(files)])  # as the tool writes it where there are none
    labels = told.get("labels") if isinstance(told, dict) else None
    if isinstance(labels, dict):
        labels = [list(pair) for pair in labels.items()]
    pairs = labels if isinstance(labels, list) else []
    if not pairs or not all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and type(pair[1]) is int
        for pair in pairs
    ):
        raise UserError(
            f'{path}: {{"labels": [["a.png", 3], ...]}} is expected, a number of a class for each picture; move the '
            "file away, or write a manifest.csv (vectors have no names that anybody could ask for)"
        )
    rows = ((number, {"file": file, "class": label}) for number, (file, label) in enumerate(pairs, 1))
    return _manifest(path, rows, _Names(files), "")


STYLEGAN = Form("dataset.json", lambda listing: [name for name in listing.others if name == "dataset.json"],
                convert_stylegan)  # fmt: skip


def _manifest(path: Path, rows: Iterable[tuple[int, Mapping[str, Any]]], names: _Names, below: str) -> Manifest:
    found: list[Described] = []
    seen: dict[str, int] = {}
    for number, told in rows:
        where = f"{path}, line {number}"
        file = next((str(told[key]) for key in FILE_COLUMNS if told.get(key)), "")
        stem = next((str(told[key]) for key in _STEM if told.get(key)), "")
        if not file and not stem:
            check_file(where, "", number, seen)
        picture = names.path(file, below) if file else names.stem(stem)
        check_file(where, picture, number, seen)
        found.append(described(told, picture, where))
    if not found:
        raise UserError(f"{path} has no rows")
    manifest = manifest_of(found)
    check_classes(path, manifest.groups, manifest.rows)
    return manifest
