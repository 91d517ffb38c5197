"""One file of labels beside each picture: JSON, or the text files of trainers such as kohya's.

Of `a.png` it is called `a.json` or `a.png.json`, `a.txt` or `a.png.txt`, `a.caption`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from anime_gen.contract import UserError
from anime_gen.data.listing import Listing
from anime_gen.data.manifest import Manifest, Row
from anime_gen.data.metadata.described import Described, described, manifest_of, words_of
from anime_gen.data.metadata.form import Form, those_that_can
from anime_gen.decode import upright_size

# A tag of so many words and more is a part of a sentence.
_SENTENCE = 6


def _places(file: str, suffixes: Iterable[str]) -> list[str]:
    path = PurePosixPath(file)
    return [str(place) for suffix in suffixes for place in (path.with_suffix(suffix), f"{path}{suffix}")]


def _found(files: Collection[str], suffixes: Iterable[str], found: Collection[str]) -> dict[str, list[str]]:
    """The pictures that have files of labels, and those."""
    there = set(found)
    places = {file: [place for place in _places(file, suffixes) if place in there] for file in files}
    return {file: here for file, here in places.items() if here}


def _finder(*suffixes: str) -> Callable[[Listing], list[str]]:
    def find(listing: Listing) -> list[str]:
        places = {place for file in listing.pictures for place in _places(file, suffixes)}
        return [name for name in listing.others if name in places]

    return find


def _converted(
    what: str, places: dict[str, list[str]], read: Callable[[list[str], str], Described], files: Collection[str]
) -> Manifest:
    tries = (partial(read, here, file) for file, here in places.items())
    known = dict(zip(places, those_that_can(what, tries), strict=True))
    return manifest_of([known.get(file) or Described(Row(file)) for file in sorted(files)])


# --------------------------------------------------------------------------------------------------------------------
# JSON


def load_json(content: bytes, where: str) -> Any:
    """Any of the encodings of JSON, with a byte order mark or without.

    Raises:
        UserError: it is not JSON.
    """
    if not content.strip():
        raise UserError(f"{where} is empty")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON: {error}") from error


def read_bytes(path: Path) -> bytes:
    """Raises: UserError: it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _read_json(folder: Path, places: list[str], file: str) -> Described:
    path = folder / places[0]
    told = load_json(read_bytes(path), str(path))
    if not isinstance(told, dict):
        raise UserError(f"{path}: a JSON object is expected, with keys such as tags, caption, landmarks, width, height")
    return described(told, file, str(path), lambda: upright_size(folder / file))


def convert_json(folder: Path, found: list[str], files: Collection[str]) -> Manifest:
    """S1's form, Danbooru's, gallery-dl's: see `described`. Of pictures without a JSON file nothing is known."""
    return _converted("JSON files", _found(files, (".json",), found), partial(_read_json, folder), files)


JSON = Form("JSON files beside pictures", _finder(".json"), convert_json)


# --------------------------------------------------------------------------------------------------------------------
# Text


def tags_or_caption(text: str) -> tuple[list[str], str]:
    """A text is tags where commas part it into pieces of few words, or where its words have underscores."""
    text = " ".join(text.split())
    pieces = [piece.split() for piece in text.split(",")]
    if len(pieces) > 1 and max(map(len, pieces)) < _SENTENCE and not text.endswith("."):
        return text.split(","), ""
    if len(pieces) == 1 and "_" in text:
        return text.split(), ""
    return (words_of(text), "") if len(words_of(text)) == 1 else ([], text)


def _read_text(folder: Path, places: list[str], file: str) -> Described:
    told: dict[str, Any] = {}
    for place in places:
        path = folder / place
        try:
            text = read_bytes(path).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not a text in UTF-8: save it as one") from error
        tags, caption = ([], text) if path.suffix == ".caption" else tags_or_caption(text)
        told = {"tags": told.get("tags") or tags, "caption": told.get("caption") or caption}
    return described(told, file, str(folder / places[0]))


def convert_text(folder: Path, found: list[str], files: Collection[str]) -> Manifest:
    """Tags or a caption in `.txt`, a caption in `.caption`. Of pictures without one nothing is known."""
    return _converted("text files", _found(files, (".txt", ".caption"), found), partial(_read_text, folder), files)


TEXT = Form("text files beside pictures", _finder(".txt", ".caption"), convert_text)
