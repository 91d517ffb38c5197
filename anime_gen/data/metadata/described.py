"""What one object of JSON (or one row of a table) says of a picture."""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from anime_gen.contract import UserError
from anime_gen.data.manifest import Guess, Manifest, Row, canonical_tags, read_split
from anime_gen.vocabulary import ALIASES, ATTRIBUTE_TAG, LANDMARKS, NUM_LANDMARKS, S5_TAGS, canonical

# Groups of exclusive classes that people's metadata has under these names.
GROUPS = ("hair", "eye", "gender", "style", "class")
CAPTIONS = ("caption", "text")
TAGS = ("tags", "tag_string")
USED = frozenset({*GROUPS, *CAPTIONS, *TAGS, "split", "landmarks", "width", "height"})


class Described(NamedTuple):
    """A row without classes, and the classes by their group."""

    row: Row
    classes: dict[str, str] = {}  # noqa: RUF012  never written to


def manifest_of(described: Sequence[Described]) -> Manifest:
    """All rows, with a place for each group that any of them has."""
    groups = tuple(group for group in GROUPS if any(group in one.classes for one in described))
    return Manifest(groups, [one.row._replace(classes=tuple(map(one.classes.get, groups))) for one in described])


def described(
    told: Mapping[str, Any], file: str, where: str, size: Callable[[], tuple[float, float]] | None = None
) -> Described:
    """What an object says of the picture `file`; keys that are not `USED` are let pass.

    `tags` (or Danbooru's `tag_string`) may be a list of words or of objects with a `name`, one string separated by
    commas or by spaces (`1girl long_hair`), an object of lists by category, or one of words with their probabilities.
    `landmarks` are pixels of a picture of `width` x `height`, of `size()` where these are missing.

    Args:
        told: the object.
        file: path of the picture below its folder.
        where: how messages call the object.
        size: of the picture, in pixels.

    Raises:
        UserError: a key that is used holds something else.
    """
    words, guesses = _tags(where, told)
    classes: dict[str, str] = {}
    for group in GROUPS:
        name = told.get(group)
        if _nothing(name):
            continue
        if not isinstance(name, str | int) or isinstance(name, bool):
            raise UserError(f"{where}: {group} must be a word")
        if not (word := canonical(str(name))):
            continue
        classes[group] = word
        if group in ATTRIBUTE_TAG and not guesses:
            words.append(ATTRIBUTE_TAG[group].format(word))
    caption = next((told[key] for key in CAPTIONS if not _nothing(told.get(key))), "")
    if not isinstance(caption, str):
        raise UserError(f"{where}: caption must be a string")
    split = told.get("split")
    if not (_nothing(split) or isinstance(split, str)):
        raise UserError(f"{where}: split must be a word")
    tags, caption = canonical_tags(words), " ".join(caption.split())
    for text in (caption, ", ".join(tags or ()), *classes.values()):
        _check_cell(where, text)
    row = Row(
        file, tags, caption or None, read_split(where, split or ""),
        guessed_tags=tuple(guess for guess in guesses if guess.word not in (tags or ())),
    )  # fmt: skip
    if not _nothing(told.get("landmarks")):
        points = _landmarks(where, told, size)
        row = row._replace(landmarks_K2=points, visible_K=~np.isnan(points).any(1))
    return Described(row, classes)


def words_of(text: str) -> list[str]:
    """The tags of one string: separated by commas where it has any, else by spaces, as image boards write them."""
    if "," in text:
        return text.split(",")
    return [text] if canonical(text) in S5_TAGS or canonical(text) in ALIASES.values() else text.split()


def _nothing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _tags(where: str, told: Mapping[str, Any]) -> tuple[list[str], list[Guess]]:
    given: Any = next((told[key] for key in TAGS if not _nothing(told.get(key))), [])
    if isinstance(given, str):
        return words_of(given), []
    if isinstance(given, Mapping):
        if given and all(isinstance(sure, int | float) and 0 <= sure <= 1 for sure in given.values()):
            by_word = {canonical(word): float(sure) for word, sure in given.items()}
            return [], [Guess(word, sure, "tagger") for word, sure in by_word.items() if word]
        parts = [words_of(words) if isinstance(words, str) else words for words in given.values()]
        given = list(chain.from_iterable(parts)) if all(isinstance(part, list) for part in parts) else None
    if isinstance(given, Iterable):
        words: list[Any] = [word.get("name") if isinstance(word, Mapping) else word for word in given]
        if all(isinstance(word, str) for word in words):
            return words, []
    raise UserError(f"{where}: tags must be a list of words, or one string separated by commas or spaces")


def _check_cell(where: str, text: str) -> None:
    """Whether a manifest that holds it could be read again."""
    if len(text) > csv.field_size_limit():
        raise UserError(f"{where}: {len(text)} characters of tags or caption are more than {csv.field_size_limit()}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"{where}: {text[error.start]!a} in tags or caption is no character") from error
    if "\0" in text:
        raise UserError(f"{where}: '\\0' in tags or caption is no character")


def _landmarks(where: str, told: Mapping[str, Any], size: Callable[[], tuple[float, float]] | None) -> np.ndarray:
    """Float32 (24, 2), fractions of the picture, NaN where a named landmark is missing."""
    given = told["landmarks"]
    if isinstance(given, dict):
        if unknown := [name for name in given if name not in LANDMARKS]:
            near = difflib.get_close_matches(unknown[0], LANDMARKS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the landmarks are {', '.join(LANDMARKS)}"
            raise UserError(f"{where}: unknown landmark {unknown[0]!r}: {hint}")
        given = [given.get(name, (math.nan, math.nan)) for name in LANDMARKS]
    points: Sequence[Any] = given if isinstance(given, list) else ()
    if len(points) != NUM_LANDMARKS:
        raise UserError(f"{where}: landmarks must be 24 [x, y] in our order, or an object of named [x, y]")
    try:
        pixels = np.array(points, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        pixels = np.empty(0)
    if pixels.shape != (NUM_LANDMARKS, 2):
        raise UserError(f"{where}: every landmark must be two numbers, [x, y] in pixels")
    scale = np.array(_size(where, told, size), dtype=np.float64)
    fractions: np.ndarray = (pixels / scale).astype(np.float32)
    outside = (fractions < 0) | (fractions > 1)
    if outside.any():
        name = LANDMARKS[int(outside.any(1).argmax())]
        raise UserError(f"{where}: {name} lies outside the picture of {scale[0]:.0f} x {scale[1]:.0f} pixels")
    return fractions


def _size(where: str, told: Mapping[str, Any], size: Callable[[], tuple[float, float]] | None) -> tuple[float, float]:
    if "width" in told and "height" in told:
        sides = told["width"], told["height"]
        if not all(isinstance(side, int | float) and 0 < side < 1e9 for side in sides):
            raise UserError(f"{where}: width and height must be positive numbers of pixels")
        return sides
    if size is None:
        raise UserError(f"{where}: landmarks need width and height beside them")
    try:
        return size()
    except Exception as error:
        raise UserError(f"{where}: width and height are missing, and the picture cannot be read: {error}") from error
