"""Folders whose names say something: `train`, `validation`, `test`, and a folder for each class."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from anime_gen.data.listing import Listing
from anime_gen.data.manifest import MOST_CLASSES, Manifest, Row
from anime_gen.data.metadata.described import Described, manifest_of
from anime_gen.data.metadata.form import Form
from anime_gen.data.source import Split
from anime_gen.vocabulary import canonical

_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}


def _said(files: Collection[str]) -> list[Described]:
    """What the folders of pictures say of them; nothing, where they are not such folders.

    Splits are meant where every picture is in one and there are train and validation among them. Classes are meant
    where every picture is in one of 2 to 64 folders whose names are not all numbers, as those of large sets are.
    """
    parts = {file: PurePosixPath(file).parts[:-1] for file in files}
    tops = {folders[0].lower() if folders else "" for folders in parts.values()}
    splits: dict[str, Split] = {}
    if tops <= _SPLITS.keys() and {"train", "validation"} <= {_SPLITS[top] for top in tops}:
        splits = {file: _SPLITS[folders[0].lower()] for file, folders in parts.items()}
        parts = {file: folders[1:] for file, folders in parts.items()}
    names = {folders[0] if folders else "" for folders in parts.values()}
    classes: dict[str, str] = {}
    if "" not in names and 2 <= len(names) <= MOST_CLASSES and not all(name.isdigit() for name in names):
        # A name is bytes; a class is text.
        printable = {name: name.encode(errors="backslashreplace").decode() for name in names}
        classes = {file: canonical(printable[folders[0]]) for file, folders in parts.items()}
    if not splits and not classes:
        return []
    return [
        Described(Row(file, split=splits.get(file)), {"class": classes[file]} if classes else {})
        for file in sorted(files)
    ]


def _find(listing: Listing) -> list[str]:
    said = _said(listing.pictures)
    return sorted({str(PurePosixPath(one.row.file).parent) for one in said})


def convert_subfolders(folder: Path, found: list[str], files: Collection[str]) -> Manifest:
    """A split, a class of the group `class`, or both, from the first folders of a picture's path."""
    return manifest_of(_said(files))


SUBFOLDERS = Form("folders that name splits or classes", _find, convert_subfolders)
