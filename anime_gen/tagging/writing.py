"""Guesses into a manifest: what somebody wrote stays as it is, word for word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from anime_gen.data.labels import class_columns, tag_columns
from anime_gen.data.manifest import Guess, Manifest, Row
from anime_gen.tagging.completion import ORIGINS, Completed
from anime_gen.tagging.examine import Labels
from anime_gen.vocabulary import Vocabulary


def prepared(manifest: Manifest, files: Sequence[str], vocabulary: Vocabulary) -> Manifest:
    """The manifest with a column for each group of the vocabulary, a row for each file, and no older guess in its way.

    Guesses without an origin stay: a person's `smile@1`.
    """
    groups = (*manifest.groups, *(group for group in vocabulary.attributes if group not in manifest.groups))
    listed = {row.file for row in manifest.rows}
    nothing = (None,) * len(groups)
    rows = [_cleared(row, manifest.groups, groups, vocabulary) for row in manifest.rows]
    more = [Row(file, classes=nothing) for file in files if file not in listed]
    return manifest._replace(groups=groups, rows=rows + more)


def _cleared(row: Row, before: Sequence[str], groups: Sequence[str], vocabulary: Vocabulary) -> Row:
    more = (None,) * (len(groups) - len(before))

    def stays(guess: Guess, known: bool) -> bool:
        return not known or (guess.confidence > 0 and not guess.origin)

    tags = tuple(guess for guess in row.guessed_tags if stays(guess, guess.word in vocabulary.tags))
    classes = tuple(
        guess if guess and stays(guess, group in vocabulary.attributes) else None
        for group, guess in zip(before, row.guessed_classes or (None,) * len(before), strict=True)
    )
    classes = (*classes, *more) if any(classes) else ()
    return row._replace(classes=(*row.classes, *more), guessed_tags=tags, guessed_classes=classes)


def given_labels(manifest: Manifest, vocabulary: Vocabulary) -> Labels:
    """What is written of each row, in numbers.

    A word that no row is plainly tagged with was not looked for: that a row is fully tagged says nothing of it.
    """
    asked = {tag for row in manifest.rows for tag in row.tags or ()}
    tags_NT, _ = tag_columns(manifest.rows, manifest.groups, vocabulary)
    guessed_NT, _ = tag_columns([row._replace(tags=None) for row in manifest.rows], manifest.groups, vocabulary)
    looked_for_T = np.array([tag in asked for tag in vocabulary.tags], bool)
    tags_NT = np.where(looked_for_T, tags_NT, guessed_NT)
    classes_NA, _ = class_columns(manifest.rows, manifest.groups, vocabulary)
    tags = torch.from_numpy(tags_NT.astype(np.float32))
    return Labels(tags.where(tags >= 0, torch.nan), torch.from_numpy(classes_NA.astype(np.int64)))


def _tags_of(number: int, vocabulary: Vocabulary, completed: Completed) -> Iterator[tuple[str, float, float, int]]:
    """Of one picture: each tag with its value (NaN: open), its confidence and the place of its origin."""
    columns = completed.labels.tags_NT, completed.tag_confidence_NT, completed.tag_origin_NT
    return zip(vocabulary.tags, *(column[number].tolist() for column in columns), strict=True)


def with_guesses(manifest: Manifest, vocabulary: Vocabulary, completed: Completed) -> Manifest:
    """The rows with what was filled in; `completed` has a line for each row, in order.

    In a row that is fully tagged, a word that stays open is written as not known, or it would be absent.
    """
    rows = []
    for number, row in enumerate(manifest.rows):
        kept = {guess.word for guess in row.guessed_tags}
        tags = [
            Guess(tag, sure, ORIGINS[origin], value > 0.5) if origin else Guess(tag, 0.0)
            for tag, value, sure, origin in _tags_of(number, vocabulary, completed)
            if tag not in kept and (origin or (row.tags is not None and np.isnan(value)))
        ]
        classes = list(row.guessed_classes or (None,) * len(manifest.groups))
        for column, (group, names) in enumerate(vocabulary.attributes.items()):
            at, origin = manifest.groups.index(group), int(completed.class_origin_NA[number, column])
            # A written class may be one that the vocabulary lacks.
            if origin and row.classes[at] is None and classes[at] is None:
                name = names[int(completed.labels.classes_NA[number, column])]
                classes[at] = Guess(name, float(completed.class_confidence_NA[number, column]), ORIGINS[origin])
        rows.append(
            row._replace(
                guessed_tags=(*row.guessed_tags, *tags), guessed_classes=tuple(classes) if any(classes) else ()
            )
        )
    return manifest._replace(rows=rows)


def as_manifest(names: Sequence[str], vocabulary: Vocabulary, completed: Completed) -> Manifest:
    """Rows of labels that come from no manifest: a given one has confidence 1 and no origin."""
    groups = tuple(vocabulary.attributes)
    rows = []
    for number, name in enumerate(names):
        tags = tuple(
            Guess(tag, sure, ORIGINS[origin], value > 0.5)
            for tag, value, sure, origin in _tags_of(number, vocabulary, completed)
            if not np.isnan(value)
        )
        classes = tuple(
            Guess(classes[value], sure, ORIGINS[origin]) if value >= 0 else None
            for classes, value, sure, origin in zip(
                vocabulary.attributes.values(),
                completed.labels.classes_NA[number].tolist(),
                completed.class_confidence_NA[number].tolist(),
                completed.class_origin_NA[number].tolist(),
                strict=True,
            )
        )
        nothing = (None,) * len(groups)
        rows.append(Row(name, classes=nothing, guessed_tags=tags, guessed_classes=classes if any(classes) else ()))
    return Manifest(groups, rows)
