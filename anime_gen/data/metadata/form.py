"""What a form of labels is: how its files are found, and how they become a manifest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from anime_gen.contract import UserError
from anime_gen.data.listing import Listing
from anime_gen.data.manifest import Manifest
from anime_gen.data.source import some, warn

log = logging.getLogger(__name__)


class Form(NamedTuple):
    """One form in which people keep labels.

    `find` gives the files that hold it, by their paths below the folder; `convert` makes a manifest of the folder,
    those files and the pictures, and raises a UserError that names the file where it cannot.
    """

    name: str  # as messages call its files
    find: Callable[[Listing], list[str]]
    convert: Callable[[Path, list[str], Collection[str]], Manifest]


def those_that_can[T](what: str, tries: Iterable[Callable[[], T]]) -> Iterator[T | None]:
    """Each result, or None for one that raises a UserError; those are counted and named in the end.

    Raises:
        UserError: the first one's, where more than half fail: the form is another one.
    """
    errors: list[UserError] = []
    count = 0
    for one in tries:
        count += 1
        try:
            result = one()
        except UserError as error:
            errors.append(error)
            yield None
        else:
            yield result
    if 2 * len(errors) > count:
        raise errors[0]
    if errors:
        text = "%d of %d %s could not be used, and their pictures have no labels: %s"
        warn(log, text, len(errors), count, what, some([str(error) for error in errors]))
