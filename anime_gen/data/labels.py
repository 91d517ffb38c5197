"""From the rows of a manifest to columns of numbers: what was written, what was guessed, and how sure each is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anime_gen.data.manifest import Row
from anime_gen.vocabulary import Vocabulary


def tag_columns(rows: Sequence[Row], groups: Sequence[str], vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Tags of some rows.

    Args:
        rows: of a manifest.
        groups: its groups.
        vocabulary: the words to look for; others are passed over.

    Returns:
        int8 (N, T): 1 present, 0 absent, -1 not given. Float16 (N, T): 1 where somebody wrote it, else the guess's
        confidence, 0 where it is not given.
    """
    place = {tag: i for i, tag in enumerate(vocabulary.tags)}
    # Where `hair` stands among a row's classes, and where its tags do: "blue hair" ...
    owner = np.array(vocabulary.tag_group, np.int64)
    colours = [
        (groups.index(group), np.flatnonzero(owner == number))
        for number, group in enumerate(vocabulary.attributes)
        if group in groups
    ]
    tags = np.full((len(rows), len(place)), -1, np.int8)
    confidence = np.zeros(tags.shape, np.float16)
    for line, sure, row in zip(tags, confidence, rows, strict=True):
        if row.tags is not None:
            line[:] = 0
            line[[place[tag] for tag in row.tags if tag in place]] = 1
            for column, places in colours:
                # Tagged, but not with this: nobody said that the hair has none of the colours.
                if row.classes[column] is None and not line[places].any():
                    line[places] = -1
        sure[line >= 0] = 1
        for guess in row.guessed_tags:
            if guess.word in place:
                line[place[guess.word]] = int(guess.present) if guess.confidence else -1
                sure[place[guess.word]] = guess.confidence
    return tags, confidence


def class_columns(rows: Sequence[Row], groups: Sequence[str], vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Exclusive classes of some rows; arguments as for `tag_columns`.

    Returns:
        int16 (N, A): a class of each group of the vocabulary, -1 not given. Float16 (N, A): how sure it is.
    """
    classes = np.full((len(rows), len(vocabulary.attributes)), -1, np.int16)
    confidence = np.zeros(classes.shape, np.float16)
    for column, (group, names) in enumerate(vocabulary.attributes.items()):
        if group not in groups:
            continue
        at, places = groups.index(group), {name: i for i, name in enumerate(names)}
        for number, row in enumerate(rows):
            guess = row.guessed_classes[at] if row.guessed_classes else None
            name = row.classes[at] or (guess.word if guess else None)
            if name in places and not (guess and not guess.confidence):
                classes[number, column] = places[name]
                confidence[number, column] = guess.confidence if guess else 1
    return classes, confidence
