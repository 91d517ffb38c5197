"""The manifest: the one form of labels on disk. (The other forms' way into it: data/metadata.)

`manifest.csv` lies in the folder of pictures. UTF-8, commas, a header line; an empty cell means "not given". Columns:

    file                    needed: path below the folder, with forward slashes
    tags                    words separated by commas. A row with any tag is taken to be fully tagged: every other tag
                            of the vocabulary is absent. An empty cell says nothing about any tag; an empty `hair` or
                            `eye` nothing about the tags of its colours, where none of them is among the tags
    caption                 a sentence
    split                   train, validation or test. Where it is empty, a hash of `file` decides: 0.70 / 0.15 / 0.15
    <landmark>_x, _y        48 columns, `left_brow_outer_x` .. `chin_y` (vocabulary.LANDMARKS): fractions of the
                            upright picture's width and height. Left is the character's own left
    <landmark>_visible      optional: 1 visible, 0 hidden. A landmark that is given is visible where this is empty
    about_<anything>        no label: where a picture comes from, how sharp it is. It stays, and nothing reads it
    any other column        a group of exclusive classes with few different values: hair, eye, gender ...

A label that nobody wrote says how sure it is and where it comes from: `smile@0.71 neighbours` among the tags, or
`blue@0.93 tagger` under `hair`. The origin is one word of small letters, and may be missing. Such a tag says nothing
about any other one; `-hat@0.83 tagger` is absent, and `hat@0` not known, in a row that is otherwise fully tagged. So
`smile@1` is what somebody writes who is sure of the smile and has not looked for the rest.

Words may be spelled as on image boards (`long_hair`, `gray`): `vocabulary.canonical` reads them. Capitals and spaces in
the header do not matter. A file's name may be any bytes, the rest is UTF-8.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from anime_gen.contract import UserError
from anime_gen.data.cache import write_whole
from anime_gen.data.source import SPLITS, Split
from anime_gen.vocabulary import LANDMARKS, NUM_LANDMARKS, Vocabulary, canonical

# What begins so is no label.
ABOUT = "about_"

# What a table may call the column of pictures' paths, which are bytes; a manifest calls it `file`.
FILE_COLUMNS = ("file_name", "file", "filename", "path", "image")

_PLAIN = ("file", "tags", "caption", "split")
_LANDMARK_COLUMNS = tuple(f"{name}_{axis}" for name in LANDMARKS for axis in "xy")
_VISIBLE_COLUMNS = tuple(f"{name}_visible" for name in LANDMARKS)
_RESERVED = (*_PLAIN, *_LANDMARK_COLUMNS, *_VISIBLE_COLUMNS)

# Goes up when a converter makes other rows of the same files.
CONVERSION = 4

# What `surrogateescape` makes of bytes that are not UTF-8.
_UNDECODED = re.compile("[\udc80-\udcff]")

# `word@confidence origin`, read from the right: words such as `@_@` or `:d` have no number behind their last @.
_GUESS = re.compile(r"(?P<word>.*\S)@(?P<confidence>0(?:\.\d+)?|1(?:\.0+)?|\.\d+)(?: (?P<origin>[a-z][a-z_]*))?")
# What was meant as one.
_NEARLY_A_GUESS = re.compile(r".*\S\s*@\s*-?[\d.,]+%?(?:\s+\w*)?")

# What would be read as one and is none ends in an @ more: `mail@0.5@`. One is taken away again.
_NO_GUESS = re.compile(_NEARLY_A_GUESS.pattern + "@+")
# As one that is guessed to be there and begins with a minus has before that: `\\-3-@0.7`.
_NO_MINUS = re.compile(r"\\+-[^\s_]")

# A column with more classes than this is no group of exclusive classes but a measurement or a name.
MOST_CLASSES = 64


class Guess(NamedTuple):
    """A label that nobody wrote."""

    word: str
    confidence: float  # that it is right, in [0, 1]; 0: not known
    origin: str = ""  # what guessed it: tagger, neighbours ...
    present: bool = True  # a tag may be guessed to be absent


class Row(NamedTuple):
    """What is known of one picture; None where it is not given.

    What was guessed stands apart from what somebody wrote, and a group has at most one of the two.
    """

    file: str
    tags: tuple[str, ...] | None = None
    caption: str | None = None
    split: Split | None = None
    classes: tuple[str | None, ...] = ()  # one for each group of the manifest
    landmarks_K2: np.ndarray | None = None  # float32, NaN not given
    visible_K: np.ndarray | None = None  # bool
    guessed_tags: tuple[Guess, ...] = ()
    guessed_classes: tuple[Guess | None, ...] = ()  # one for each group, or empty where there are none at all
    about: tuple[str, ...] = ()  # one for each name of the manifest's `about`, or empty where there is nothing


class Manifest(NamedTuple):
    """The rows in file order; `groups` names the exclusive attributes, `about` what is said beside labels."""

    groups: tuple[str, ...]
    rows: list[Row]
    about: tuple[str, ...] = ()

    def vocabulary(self, min_tag_count: int) -> Vocabulary:
        """Tags that occur at least `min_tag_count` times, frequent ones first, and every class of every group."""
        counts = Counter(tag for row in self.rows for tag in row.tags or ())
        counts.update(
            guess.word for row in self.rows for guess in row.guessed_tags if guess.present and guess.confidence
        )
        tags = sorted((tag for tag in counts if counts[tag] >= min_tag_count), key=lambda tag: (-counts[tag], tag))
        classes = {group: sorted(_classes(self.rows, place)) for place, group in enumerate(self.groups)}
        return Vocabulary(tags, {group: names for group, names in classes.items() if names})


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest.

    Raises:
        UserError: it cannot be read, a column is wrong, or a cell is; the message names the line.
    """
    header, lines = read_csv(path)
    about = tuple(column for column in header if column.startswith(ABOUT))
    groups = tuple(column for column in header if column not in _RESERVED and column not in about)
    if "file" not in header:
        raise UserError(f"{path}: there is no column `file`; the columns are {', '.join(header)}")
    for column in groups:
        _check_group_name(path, column, header)
    if missing := [column for column in _LANDMARK_COLUMNS if column not in header]:
        given = [column for column in (*_LANDMARK_COLUMNS, *_VISIBLE_COLUMNS) if column in header]
        if given:
            raise UserError(f"{path}: {given[0]} is there but {missing[0]} is not: all 24 landmarks need their columns")
    rows = []
    seen: dict[str, int] = {}
    for number, cells in lines:
        where = f"{path}, line {number}"
        file = PurePosixPath(cells["file"]).as_posix() if cells["file"] else ""
        check_file(where, file, number, seen)
        landmarks, visible = _read_landmarks(where, cells) if not missing else (None, None)
        tags, guessed_tags = _read_tags(where, cells.get("tags", ""))
        classes, guessed_classes = _read_classes(where, groups, cells)
        rows.append(
            Row(
                file,
                tags,
                cells.get("caption") or None,
                read_split(where, cells.get("split", "")),
                classes,
                landmarks,
                visible,
                guessed_tags,
                guessed_classes,
                tuple(cells[column] for column in about),
            )
        )
    check_classes(path, groups, rows)
    return Manifest(groups, rows, tuple(column.removeprefix(ABOUT) for column in about))


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Writes what `read_manifest` reads; columns that no row fills are left out."""
    rows = manifest.rows
    has = {
        "tags": any(row.tags or row.guessed_tags for row in rows),
        "caption": any(row.caption for row in rows),
        "split": any(row.split for row in rows),
    }
    marked = any(row.landmarks_K2 is not None for row in rows)
    plain = [name for name in _PLAIN if has.get(name, True)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    # Which leaves a lone carriage return without quotes.
    quoter = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow([*plain, *manifest.groups, *((*_LANDMARK_COLUMNS, *_VISIBLE_COLUMNS) if marked else ()),
                     *(f"{ABOUT}{name}" for name in manifest.about)])  # fmt: skip
    for row in rows:
        cells: dict[str, str] = {
            # What surrounds a cell is no part of it.
            "file": row.file if row.file == row.file.strip() else f"./{row.file}",
            "tags": ", ".join([*map(_written, row.tags or ()), *map(_spelt, row.guessed_tags)]),
            "caption": row.caption or "",
            "split": row.split or "",
        }
        guesses = row.guessed_classes or (None,) * len(row.classes)
        line = [cells[name] for name in plain]
        line += [
            _written(name) if name else _spelt(guess) if guess else ""
            for name, guess in zip(row.classes, guesses, strict=True)
        ]
        if marked:
            points = row.landmarks_K2 if row.landmarks_K2 is not None else np.full((NUM_LANDMARKS, 2), np.nan)
            line += ["" if math.isnan(value) else f"{value:.6g}" for value in points.reshape(-1).tolist()]
            line += [""] * NUM_LANDMARKS if row.visible_K is None else [str(int(seen)) for seen in row.visible_K]
        line += row.about or ("",) * len(manifest.about)
        (quoter if any("\r" in cell for cell in line) else writer).writerow(line)
    write_whole(path, text.getvalue())


def hashed_split(file: str) -> Split:
    """train, validation or test with chances 0.70, 0.15, 0.15: the same for a file name on every machine."""
    place = int.from_bytes(hashlib.sha256(file.encode("utf-8", "surrogateescape")).digest()[:8], "big") / 2**64
    return "train" if place < 0.70 else "validation" if place < 0.85 else "test"


def _read_guess(where: str, text: str) -> Guess | None:
    """`word@confidence origin`; None where it is a plain word."""
    if _NO_GUESS.fullmatch(text.strip()):
        return None
    found = _GUESS.fullmatch(text.strip())
    if found is None:
        if _NEARLY_A_GUESS.fullmatch(text.strip()):
            raise UserError(
                f"{where}: {text.strip()!r}: behind @ stands a confidence from 0 to 1 and one word of small letters, "
                "as in smile@0.71 tagger"
            )
        return None
    word = found["word"]
    # `-_-` is a word: its minus is none.
    absent = re.match(r"-[^\s_]", word) is not None
    if _NO_MINUS.match(word):
        word = word[1:]
    return Guess(canonical(word[absent:]), float(found["confidence"]), found["origin"] or "", not absent)


def _spelt(guess: Guess) -> str:
    """As `_read_guess` reads it; three digits are more than any confidence is worth."""
    number = f"{guess.confidence:.3f}".rstrip("0").rstrip(".")
    word = f"\\{guess.word}" if guess.present and re.match(r"\\*-[^\s_]", guess.word) else guess.word
    return f"{'' if guess.present else '-'}{word}@{number} {guess.origin}".rstrip()


def _written(word: str) -> str:
    """A plain word, as `_read` reads it."""
    return f"{word}@" if _NEARLY_A_GUESS.fullmatch(word) or _NO_GUESS.fullmatch(word) else word


def _read(text: str) -> str:
    text = text.strip()
    return canonical(text[:-1] if _NO_GUESS.fullmatch(text) else text)


def _read_tags(where: str, text: str) -> tuple[tuple[str, ...] | None, tuple[Guess, ...]]:
    """Canonical tags of a comma separated cell, each once, None for no plain one; and the guessed ones."""
    plain, guesses = [], {}
    for word in text.split(","):
        guess = _read_guess(where, word)
        if guess is None:
            plain.append(word)
        elif guess.word in guesses:
            raise UserError(f"{where}: {guess.word!r} is guessed twice: remove one of the two")
        else:
            guesses[guess.word] = guess
    tags = canonical_tags(map(_read, plain))
    if both := [tag for tag in tags or () if tag in guesses]:
        raise UserError(f"{where}: {both[0]!r} is there plainly and with a confidence: remove one of the two")
    return tags, tuple(guesses.values())


def _read_classes(
    where: str, groups: Sequence[str], cells: dict[str, str]
) -> tuple[tuple[str | None, ...], tuple[Guess | None, ...]]:
    guesses = [_read_guess(where, cells[group]) for group in groups]
    for group, guess in zip(groups, guesses, strict=True):
        if guess is not None and not guess.present:
            raise UserError(f"{where}: {group} is {cells[group]!r}: a class is guessed, or the cell is empty; no minus")
    classes = tuple(
        _read(cells[group]) if cells[group] and guess is None else None
        for group, guess in zip(groups, guesses, strict=True)
    )
    return classes, tuple(guesses) if any(guesses) else ()


def canonical_tags(words: Iterable[str]) -> tuple[str, ...] | None:
    """Each word once, in the suite's spelling; None of no words."""
    return tuple(dict.fromkeys(word for text in words if (word := canonical(text)))) or None


def read_csv(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The header in lower case, with underscores for spaces, and each row's line number and stripped cells."""
    try:
        # utf-8-sig: spreadsheets put a byte order mark first, which would become part of the first column's name.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file)
            header = ["_".join(name.lower().split()) for name in next(reader, [])]
            _check_decoded(path, reader.line_num, header)
            lines = []
            for cells in reader:
                if len(cells) not in (0, len(header)):
                    raise UserError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells under {len(header)} columns "
                        "(a text with a comma in it needs quotes)"
                    )
                if cells:
                    row = {
                        name: cell if name.startswith(ABOUT) else cell.strip()
                        for name, cell in zip(header, cells, strict=True)
                    }
                    _check_decoded(
                        path,
                        reader.line_num,
                        (row[name] for name in header if name not in FILE_COLUMNS and not name.startswith(ABOUT)),
                    )
                    lines.append((reader.line_num, row))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}") from error
    if doubled := [name for name, times in Counter(header).items() if times > 1]:
        raise UserError(f"{path}: the column `{doubled[0]}` is there twice")
    if not lines:
        raise UserError(f"{path} has no rows")
    return header, lines


def _check_decoded(path: Path, number: int, texts: Iterable[str]) -> None:
    if any(_UNDECODED.search(text) for text in texts):
        raise UserError(f"{path}, line {number}: this is not a CSV file in UTF-8: save it as one")


def check_file(where: str, file: str, number: int, seen: dict[str, int]) -> None:
    """Notes in `seen` the line that a file is given on."""
    if not file:
        raise UserError(f"{where}: `file` is empty")
    if file in seen:
        raise UserError(f"{where}: {file} was given already on line {seen[file]}: remove one of the two")
    seen[file] = number


def _classes(rows: Iterable[Row], place: int) -> set[str]:
    """The classes of a group that any row has, given or guessed."""
    given = {name for row in rows if (name := row.classes[place])}
    return given | {
        guess.word for row in rows if row.guessed_classes and (guess := row.guessed_classes[place]) and guess.confidence
    }


def check_classes(path: Path, groups: Sequence[str], rows: Sequence[Row]) -> None:
    for place, group in enumerate(groups):
        classes = _classes(rows, place)
        if len(classes) > MOST_CLASSES:
            raise UserError(
                f"{path}: column `{group}` has {len(classes)} different values, more than the {MOST_CLASSES} of a "
                "group of exclusive classes: remove the column"
            )


def _check_group_name(path: Path, column: str, header: Collection[str]) -> None:
    if not column:
        raise UserError(f"{path}: a column has no name")
    if column.endswith(("_x", "_y", "_visible")):
        near = difflib.get_close_matches(column, (*_LANDMARK_COLUMNS, *_VISIBLE_COLUMNS), n=1, cutoff=0.75)
        hint = f"did you mean `{near[0]}`?" if near else "the landmarks are " + ", ".join(LANDMARKS)
        raise UserError(f"{path}: unknown column `{column}`: {hint}")
    for name in _PLAIN:
        if name not in header and _one_slip_apart(column, name):
            raise UserError(f"{path}: unknown column `{column}`: did you mean `{name}`?")


def _one_slip_apart(a: str, b: str) -> bool:
    """Whether one letter was added, dropped, changed or moved."""
    with_one_less = [{word, *(word[:i] + word[i + 1 :] for i in range(len(word)))} for word in (a, b)]
    return bool(set.intersection(*with_one_less))


def read_split(where: str, text: str) -> Split | None:
    if not text:
        return None
    for split in SPLITS:
        if text.lower() == split or (split == "validation" and text.lower() in ("val", "valid")):
            return split
    raise UserError(f"{where}: split is {text!r}: it must be train, validation or test, or empty")


def _read_landmarks(where: str, cells: dict[str, str]) -> tuple[np.ndarray | None, np.ndarray | None]:
    values = [_fraction(where, column, cells[column]) for column in _LANDMARK_COLUMNS]
    points = np.array(values, np.float32).reshape(NUM_LANDMARKS, 2)
    half = np.isnan(points).any(1) & ~np.isnan(points).all(1)
    if half.any():
        raise UserError(f"{where}: {LANDMARKS[int(half.argmax())]} has only one of its x and y")
    given = ~np.isnan(points).any(1)
    if not given.any():
        return None, None
    visible = given.copy()
    for place, column in enumerate(_VISIBLE_COLUMNS):
        text = cells.get(column, "")
        if text not in ("", "0", "1"):
            raise UserError(f"{where}: {column} is {text!r}: it must be 1 (visible), 0 (hidden) or empty")
        if text:
            visible[place] &= text == "1"
    return points, visible


def _fraction(where: str, column: str, text: str) -> float:
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UserError(f"{where}: {column} is {text!r}: it must be a fraction of the picture, from 0 to 1")
    return value
