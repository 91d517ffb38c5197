"""One wish through all runs: each is told what it has learned of it, and says what it ignores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anime_gen.contract import UserError
from anime_gen.run.opened import OpenRun
from anime_gen.studio.faces import faces
from anime_gen.studio.line import Tell
from anime_gen.studio.scores import side_by_side
from anime_gen.studio.shelf import Shelf
from anime_gen.studio.wishes import understood


def heard(run: OpenRun, words: str) -> tuple[str, list[str]]:
    """What a run is told of some words, and those that say nothing to it."""
    needs = run.module.needs
    kept: list[str] = []
    ignored: list[str] = []
    for word in filter(None, (part.strip() for part in words.split(","))):
        try:
            wish = run.trained.vocabulary.parse(word)
        except UserError:
            ignored.append(word)
            continue
        told = ("attributes_BA" in needs and wish.classes) or ("tags_BT" in needs and (wish.present or wish.absent))
        (kept if told else ignored).append(word)
    return ", ".join(kept), ignored


def drawing(shelf: Shelf) -> list[str]:
    """The runs that draw from seeds; one that cannot be opened is not among them."""
    found = []
    for name in shelf.names:
        try:
            run = shelf.open(name)
        except UserError:
            continue
        if run.module.pictures_by.startswith("sample "):
            found.append(name)
    return found


def compare(shelf: Shelf, message: Mapping[str, Any], tell: Tell) -> None:
    """Tells `scores` of all runs that draw, `ignores` of each, and its faces.

    Raises:
        UserError: it is no wish, or a run cannot draw it.
    """
    wish = understood(message)
    names = drawing(shelf)
    tell("scores", runs=names, rows=[row._asdict() for row in side_by_side([shelf.open(name) for name in names])])
    for name in names:
        run = shelf.open(name)
        words, ignored = heard(run, wish.words)
        tell("ignores", run=name, words=words, ignored=ignored)
        faces(shelf, name, run, wish._replace(words=words, settings={}), tell)
