"""The runs that are served: each is opened when somebody first asks for it, and says what it can be asked."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from docstring_parser import parse

from anime_gen.conditions import KINDS
from anime_gen.contract import GenerativeModule, Translator, UserError, usable
from anime_gen.run.folder import LAST, checkpoint_of
from anime_gen.run.opened import OpenRun

# Opened runs that stay in memory; the one that was asked longest ago goes first.
MOST_OPEN = 8


class Knob(NamedTuple):
    """A number, or a yes or no, of how a family samples."""

    name: str
    value: float | bool
    whole: bool
    help: str


class Shelf:
    """Runs by the names that they were given on the command line.

    Only the thread of models opens them.

    Raises:
        UserError: nothing to load at one of the paths, none is given, or no such device.
    """

    def __init__(self, paths: Sequence[Path], checkpoint: str = "best", device: str = "auto") -> None:
        if not paths:
            raise UserError("studio: name one run at least, such as anime-gen studio runs/diffusion/NAME")
        for path in paths:
            checkpoint_of(path, checkpoint)
        self.names = list(dict.fromkeys(map(str, paths)))
        self.checkpoint = checkpoint
        self._device = usable(device)
        self._open: OrderedDict[str, OpenRun] = OrderedDict()
        self._described: dict[str, dict[str, Any]] = {}

    def open(self, name: object) -> OpenRun:
        """The run of that name, ready to draw one picture at a time.

        A picture that is drawn alone is the same whatever was asked for beside it, and is there as soon as it can be.

        Raises:
            UserError: there is none, or it cannot be loaded.
        """
        if name not in self.names:
            raise UserError(f"this studio has no run {name!r}; it has {', '.join(self.names)}")
        name = str(name)
        if name not in self._open:
            run = OpenRun(Path(name), self.checkpoint, self._device)
            if isinstance(run.module, Translator) and self.checkpoint != LAST and Path(name).is_dir():
                # As `anime-gen translate`: what is drawn from conditions says little of a translation.
                run = OpenRun(Path(name), LAST, self._device)
            run.module.chunk = 1
            self._open[name] = run
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)
        self._open.move_to_end(name)
        return self._open[name]

    def describe(self, name: str) -> dict[str, Any]:
        """What a page must know of a run to ask it for something. Raises: UserError: as `open`."""
        if name not in self._described:
            self._described[name] = described(name, self.open(name))
        return self._described[name]

    def known(self) -> list[dict[str, Any]] | None:
        """What `describe` says of all runs; None where it has not been asked of each."""
        if set(self._described) != set(self.names):
            return None
        return [{"event": "run", **self._described[name]} for name in self.names]


def words_told(module: GenerativeModule, run: OpenRun) -> tuple[dict[str, list[str]], list[str]]:
    """The words that this run has learned: of each exclusive group, and the others."""
    vocabulary, needs = run.trained.vocabulary, module.needs
    tags = list(vocabulary.tags) if "tags_BT" in needs else []
    spoken = {
        group: [vocabulary.spoken(group, name) for name in names] for group, names in vocabulary.attributes.items()
    }
    if "attributes_BA" not in needs:
        spoken = {group: [word for word in words if word in tags] for group, words in spoken.items()}
    grouped = {word for words in spoken.values() for word in words}
    return {group: words for group, words in spoken.items() if words}, [tag for tag in tags if tag not in grouped]


def knobs(settings: Any) -> list[Knob]:
    """Those of a family's sampler."""
    if settings is None:
        return []
    helps = {
        told.arg_name: " ".join((told.description or "").split()) for told in parse(type(settings).__doc__ or "").params
    }
    found = []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, bool | int | float):
            whole = isinstance(value, int) and not isinstance(value, bool)
            found.append(Knob(field.name, value, whole, helps.get(field.name, "")))
    return found


def described(name: str, run: OpenRun) -> dict[str, Any]:
    """See `Shelf.describe`."""
    module = run.module
    groups, tags = words_told(module, run)
    return {
        "name": name,
        "family": type(module).__name__,
        "size": module.image_size,
        "images": run.trained.images_shown,
        "draws": module.pictures_by.startswith("sample "),
        "translates": isinstance(module, Translator),
        "groups": groups,
        "tags": tags,
        "options": options_told(module.needs),
        "knobs": [knob._asdict() for knob in knobs(module.settings)],
    }


def options_told(needs: Iterable[str]) -> list[str]:
    """The ways to ask for something that say anything to a family with these needs."""
    known = frozenset(needs)
    return [option.name for kind in KINDS.values() for option in kind.options if option.fields & known]


def changed(settings: Any, wanted: Mapping[str, Any]) -> Any:
    """The settings with some of their knobs turned.

    Raises:
        UserError: there is no such knob, or it cannot be turned so far.
    """
    there = {knob.name: knob for knob in knobs(settings)}
    turned = {}
    for name, value in wanted.items():
        knob = there.get(name)
        if knob is None:
            raise UserError(f"this run's sampler has no {name}")
        if isinstance(knob.value, bool) != isinstance(value, bool) or not isinstance(value, int | float):
            raise UserError(f"{name}: give {'yes or no' if isinstance(knob.value, bool) else 'a number'}")
        if knob.whole and value != int(value):
            raise UserError(f"{name}: give a whole number")
        turned[name] = int(value) if knob.whole else value
    return dataclasses.replace(settings, **turned) if turned else settings
