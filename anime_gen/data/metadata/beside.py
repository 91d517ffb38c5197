"""One file of labels beside each picture: JSON, or the text files of trainers such as kohya's.

Of `a.png` it is called `a.json` or `a.png.json`, `a.txt` or `a.png.txt`, `a.caption`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from anime_gen.contract import UserError
from anime_gen.data.listing import Listing
from anime_gen.data.manifest import Manifest, Row
from anime_gen.data.metadata.described import Described, described, manifest_of, words_of
from anime_gen.data.metadata.form import Form, those_that_can
from anime_gen.decode import upright_size
from anime_gen.reading import read_bytes, read_json
from anime_gen.vocabulary import S5_TAGS, canonical

# A tag of so many words and more is a part of a sentence.
_SENTENCE = 6
# A tag of every image board.
_COUNTED = re.compile(r"[1-6]\+?(girl|boy|other)s?")


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


def _read_json(folder: Path, places: list[str], file: str) -> Described:
    path = folder / places[0]
    told = read_json(path)
    if not isinstance(told, dict):
        raise UserError(f"{path}: a JSON object is expected, with keys such as tags, caption, landmarks, width, height")
    return described(told, file, str(path), lambda: upright_size(folder / file))


def convert_json(folder: Path, found: list[str], files: Collection[str]) -> Manifest:
    """S1's form, Danbooru's, gallery-dl's: see `described`. Of pictures without a JSON file nothing is known."""
    return _converted("JSON files", _found(files, (".json",), found), partial(_read_json, folder), files)


JSON = Form("JSON files beside pictures", _finder(".json"), convert_json)


# --------------------------------------------------------------------------------------------------------------------
# Text


def _pieces(text: str) -> list[str]:
    """What would be its tags: between commas, or lines, or where neither is there and words have underscores, words."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    parts = [piece.strip() for line in lines for piece in line.split(",") if piece.strip()]
    return parts[0].split() if len(parts) == 1 and "_" in parts[0] else parts


def are_tags(text: str) -> bool | None:
    """Whether a text by itself says that it is tags; None where it may be either, as "a girl, smiling" may."""
    pieces = _pieces(text)
    if not pieces or text.rstrip().endswith(".") or max(len(piece.split()) for piece in pieces) >= _SENTENCE:
        return False
    known = any(canonical(piece) in S5_TAGS or _COUNTED.fullmatch(piece) for piece in pieces)
    return True if known or len(pieces) > 2 or "_" in text or len(words_of(text)) == 1 else None


def tags_or_caption(text: str, usual: bool) -> tuple[list[str], str]:
    """A text's tags, or the caption that it is.

    Args:
        text: of one picture.
        usual: whether those beside it in the folder are tags, for one that does not say so itself.
    """
    found = are_tags(text)
    return (_pieces(text), "") if found or (found is None and usual) else ([], " ".join(text.split()))


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text in UTF-8: save it as one") from error


def _read_text(folder: Path, usual: bool, places: list[str], file: str) -> Described:
    told: dict[str, Any] = {}
    for place in places:
        text = _text(folder / place)
        tags, caption = ([], text) if place.endswith(".caption") else tags_or_caption(text, usual)
        told = {"tags": told.get("tags") or tags, "caption": told.get("caption") or caption}
    return described(told, file, str(folder / places[0]))


def convert_text(folder: Path, found: list[str], files: Collection[str]) -> Manifest:
    """Tags or a caption in `.txt`, a caption in `.caption`. Of pictures without one nothing is known."""
    places = _found(files, (".txt", ".caption"), found)
    said: Counter[bool | None] = Counter()
    for place in {place for here in places.values() for place in here if place.endswith(".txt")}:
        with suppress(UserError):  # named where it is read
            said[are_tags(_text(folder / place))] += 1
    read = partial(_read_text, folder, said[True] >= said[False])
    return _converted("text files", places, read, files)


TEXT = Form("text files beside pictures", _finder(".txt", ".caption"), convert_text)
