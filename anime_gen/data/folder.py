"""Pictures in a folder, with labels or without."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import numpy as np

from anime_gen.conditions.text import caption_tokens
from anime_gen.contract import UserError
from anime_gen.data.cache import writing
from anime_gen.data.labels import class_columns, tag_columns
from anime_gen.data.listing import File, Listing, list_folder
from anime_gen.data.manifest import CONVERSION, Manifest, Row, hashed_split, read_manifest, write_manifest
from anime_gen.data.metadata import FORMS, SUBFOLDERS, Form
from anime_gen.data.source import COLUMNS, OF_ANY_PICTURE, SPLITS, Filled, Source, Split, content_hash, some, warn
from anime_gen.decode import decode, upright_size
from anime_gen.files import atomic
from anime_gen.vocabulary import NUM_LANDMARKS, Vocabulary

log = logging.getLogger(__name__)

# What a folder of shards has, and a folder of pictures has not.
SHARDS = "shards.json"

# Goes up when `decode` makes other pixels of the same file.
DECODING = 4
# Goes up when `fill` makes other labels of the same rows.
LABELLING = 3


class Folder(Source):
    """Every picture below a folder, or those that a manifest names.

    Labels are taken from `manifest`, else from the folder's `manifest.csv`, else from the first of the forms of
    data/metadata that it has (converted once, into the cache), else there are none. Pictures that a table does not
    list are left out. Links to folders are followed, once.

    Args:
        path: the folder; pictures in folders below it count too.
        manifest: a manifest elsewhere; its `file` column is still relative to `path`.
        min_tag_count: a tag that fewer pictures have is left out of the vocabulary.
    """

    def __init__(self, path: Path, manifest: Path | None = None, min_tag_count: int = 10) -> None:
        super().__init__()
        self.path = Path(path).expanduser()
        self.manifest = None if manifest is None else Path(manifest).expanduser()
        self.min_tag_count = min_tag_count

    @property
    def vocabulary(self) -> Vocabulary:
        return self._vocabulary

    @cached_property
    def parts(self) -> frozenset[str]:
        parts = set(OF_ANY_PICTURE)
        if self.vocabulary.tags:
            parts |= {"tags_BT", "tag_confidence_BT"}
        if self.vocabulary.attributes:
            parts |= {"attributes_BA", "attribute_confidence_BA"}
        if any(row.landmarks_K2 is not None for row in self._labels.rows):
            parts |= {"landmarks_BK2", "visible_BK"}
        if any(_caption(row) for row in self._labels.rows):
            parts.add("caption_BL")
        return frozenset(parts)

    def count(self, split: Split) -> int:
        return len(self._rows[split])

    def name(self, split: Split, row: int) -> str:
        return self._rows[split][row].file

    def __str__(self) -> str:
        return str(self.path)

    def describe(self) -> dict[str, object]:
        return {
            "class": "Folder",
            "path": str(self.path),
            "manifest": None if self.manifest is None else str(self.manifest),
            "min_tag_count": self.min_tag_count,
        }

    def picture_key(self, split: Split) -> str:
        files = self._files
        return content_hash(str(self.path.resolve()), [files[row.file] for row in self._rows[split]], DECODING)

    def label_key(self, split: Split) -> str:
        labels = [
            (row.tags, row.classes, row.caption, None if row.landmarks_K2 is None else row.landmarks_K2.tobytes().hex())
            + ((None,) if row.visible_K is None else (row.visible_K.tobytes().hex(),))
            # Nothing where nothing is guessed, so that guesses left keys of other rows as they were.
            + ((row.guessed_tags, row.guessed_classes) if row.guessed_tags or row.guessed_classes else ())
            for row in self._rows[split]
        ]
        return content_hash(LABELLING, self.vocabulary.as_dict(), labels)

    def captions(self, split: Split) -> list[str | None]:
        return [_caption(row) for row in self._rows[split]]

    def fill(self, split: Split, rows: range, wanted: frozenset[str], size: int) -> Filled:
        listed = self._rows[split][rows.start : rows.stop]
        columns: dict[str, np.ndarray] = {}
        broken: list[str] = []
        if wanted & {"image", "readable"}:
            columns["image"], columns["readable"], broken = self._decode(listed, size)
        for name in wanted:
            if COLUMNS[name].of_picture:
                columns[name] = self._of_pictures(listed, name, size)
        if "caption" in wanted:
            columns["caption"] = np.stack([caption_tokens(_caption(row)) for row in listed])
        if wanted & {"tags", "tag_confidence"}:
            columns["tags"], columns["tag_confidence"] = tag_columns(listed, self._labels.groups, self.vocabulary)
        if wanted & {"attributes", "attribute_confidence"}:
            columns["attributes"], columns["attribute_confidence"] = class_columns(
                listed, self._labels.groups, self.vocabulary
            )
        if wanted & {"landmarks", "visible"}:
            columns["landmarks"], columns["visible"] = self._landmarks(listed)
        return Filled(columns, broken)

    @cached_property
    def _listing(self) -> Listing:
        if (self.path / SHARDS).exists():
            raise UserError(
                f"{self.path} holds shards: say --data.source=anime_gen.data.Shards --data.source.path={self.path}"
            )
        return list_folder(self.path)

    @property
    def _files(self) -> dict[str, File]:
        return self._listing.pictures

    @cached_property
    def _labels(self) -> Manifest:
        """What is known of the pictures that are there."""
        files = self._files
        table = self._table
        manifest = self._every_row(table)
        present = [row for row in manifest.rows if row.file in files]
        absent = [row.file for row in manifest.rows if row.file not in files]
        if not present:
            raise UserError(f"none of the {len(absent)} files of the manifest is in {self.path} (first: {absent[0]})")
        _name_absent(self.path, manifest, self._listing)
        if unlisted := sorted(files.keys() - {row.file for row in present}):
            text = "%d of %d pictures in %s have no row in %s and are left out: %s"
            warn(log, text, len(unlisted), len(files), self.path, table, some(unlisted))
        return manifest._replace(rows=present)

    @property
    def _table(self) -> Path | None:
        """The file that lists the pictures, where there is one."""
        own = self.path / "manifest.csv"
        return self.manifest or (own if own.exists() else None)

    def _every_row(self, table: Path | None) -> Manifest:
        manifest = _first_form(self.path, self._listing, table, self._converted)
        return manifest or Manifest((), [Row(file) for file in self._files])

    def _converted(self, form: Form, files: list[str]) -> Manifest:
        stamps = [self._listing.others.get(name, name) for name in files]
        key = content_hash(CONVERSION, form.name, str(self.path.resolve()), stamps, list(self._files))
        cached = self.cache / "manifests" / f"{key}.csv"
        if not cached.exists():
            manifest = form.convert(self.path, files, self._files)
            with writing(cached), atomic(cached) as draft:
                write_manifest(draft, manifest)
                # What cannot be read back would be in the way for ever.
                read_manifest(draft)
            name = form.name if files == [form.name] else f"{form.name} ({some(files)})"
            warn(log, "labels of %s are those of %s, converted to a manifest, kept as %s", self.path, name, cached)
        return read_manifest(cached)

    @cached_property
    def _vocabulary(self) -> Vocabulary:
        return self._labels.vocabulary(self.min_tag_count)

    @cached_property
    def _rows(self) -> dict[Split, list[Row]]:
        rows: dict[Split, list[Row]] = {split: [] for split in SPLITS}
        for row in self._labels.rows:
            rows[row.split or hashed_split(row.file)].append(row)
        return rows

    def _decode(self, rows: list[Row], size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
        pixels = np.zeros((len(rows), size, size, 3), np.uint8)
        readable = np.ones(len(rows), bool)
        broken = []
        for place, row in enumerate(rows):
            try:
                pixels[place] = decode(self.path / row.file, size)
            except Exception as error:  # Pillow raises whatever a damaged file leads it to
                readable[place] = False
                broken.append(f"{row.file}: {type(error).__name__}: {error}")
        return pixels, readable, broken

    def _of_pictures(self, rows: list[Row], column: str, size: int) -> np.ndarray:
        about, (shape, dtype) = COLUMNS[column], self.layout(column, size)
        assert about.of_picture is not None
        made = np.zeros((len(rows), *shape), dtype)
        for place, row in enumerate(rows):
            with suppress(Exception):  # a broken picture is never shown: `_decode` names it
                made[place] = about.of_picture(decode(self.path / row.file, max(size, about.looks_at)), size)
        return made

    def _landmarks(self, rows: list[Row]) -> tuple[np.ndarray, np.ndarray]:
        """Landmarks as fractions of the centred square that `decode` keeps; outside of it they are not given."""
        landmarks = np.full((len(rows), NUM_LANDMARKS, 2), np.nan, np.float32)
        visible = np.zeros((len(rows), NUM_LANDMARKS), bool)
        for place, row in enumerate(rows):
            if row.landmarks_K2 is None or row.visible_K is None:
                continue
            try:
                size = np.array(upright_size(self.path / row.file), dtype=np.float32)
            except Exception:
                continue  # a broken picture is never shown: `_decode` names it
            side = size.min()
            points = (row.landmarks_K2 * size - (size - side) / 2) / side
            inside = ((points >= 0) & (points <= 1)).all(1)
            landmarks[place, inside] = points[inside]
            visible[place] = row.visible_K & inside
        return landmarks, visible


def _caption(row: Row) -> str | None:
    """What is said of a picture; where nobody wrote a sentence, its tags (as S1's captions are)."""
    return row.caption or ", ".join(row.tags or ()) or None


def labels_of(folder: Path) -> Manifest | None:
    """What is known of a folder's pictures: its manifest, or the first form that it has; None where there is neither.

    Raises:
        UserError: labels are wrong.
    """
    listing, own = list_folder(folder), folder / "manifest.csv"

    def converted(form: Form, files: list[str]) -> Manifest:
        warn(log, "labels of %s are those of %s (%s)", folder, form.name, some(files))
        return form.convert(folder, files, listing.pictures)

    manifest = _first_form(folder, listing, own if own.exists() else None, converted)
    if manifest is not None:
        _name_absent(folder, manifest, listing)
    return manifest


def _name_absent(folder: Path, manifest: Manifest, listing: Listing) -> None:
    absent = [row.file for row in manifest.rows if row.file not in listing.pictures]
    if absent:
        text = "%d of %d files of the manifest are not in %s: %s"
        warn(log, text, len(absent), len(manifest.rows), folder, some(absent))


def _first_form(
    folder: Path, listing: Listing, table: Path | None, convert: Callable[[Form, list[str]], Manifest]
) -> Manifest | None:
    """The manifest `table`, else the first form there is; the others that are there are named."""
    manifest = None if table is None else read_manifest(table)
    for form in FORMS:
        if not (files := form.find(listing)):
            continue
        if manifest is None:
            manifest, table = convert(form, files), folder / files[0]
        elif form is not SUBFOLDERS:
            text = "labels in %s that are not used: %s (%s); labels are taken from %s"
            warn(log, text, folder, form.name, some(files), table)
    return manifest
