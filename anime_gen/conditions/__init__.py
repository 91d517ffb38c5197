"""What a family may be told about each picture: a file for each kind of condition.

A file holds its tensors and what "not given" is in them, its columns on disk, what a mirror image does to it, how a
user asks for it, and how it is drawn. A new kind is a new file, which is found here; a family that is to be told it
needs an encoder of its own. Read kind and condition first.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable, Mapping

from anime_gen.conditions.condition import Condition, joined
from anime_gen.conditions.kind import Column, Facts, Field, Kind


def _pages() -> Iterable[Kind]:
    for page in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{page.name}")
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, Kind) and found is not Kind and found.__module__ == module.__name__:
                yield found()


# By name, from the loosest to the tightest.
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in sorted(_pages(), key=lambda kind: kind.place)}
FIELDS: Mapping[str, Field] = {field.name: field for kind in KINDS.values() for field in kind.fields}
COLUMNS: Mapping[str, Column] = {column.name: column for field in FIELDS.values() for column in field.columns}
Condition.known = tuple(FIELDS)


def kinds_of(fields: Iterable[str]) -> list[Kind]:
    """The kinds that some fields belong to, the loosest first."""
    some = set(fields)
    return [kind for kind in KINDS.values() if some & {field.name for field in kind.fields}]


def pinned(fields: Iterable[str]) -> bool:
    """Whether some fields say where things are in the picture."""
    return any(kind.pins_down for kind in kinds_of(fields))


__all__ = [
    "COLUMNS",
    "FIELDS",
    "KINDS",
    "Column",
    "Condition",
    "Facts",
    "Field",
    "Kind",
    "joined",
    "kinds_of",
    "pinned",
]
