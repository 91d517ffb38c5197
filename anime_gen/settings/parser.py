"""Settings as they are written: read from YAML of any version of the suite, and written down as YAML would say them."""

from __future__ import annotations

import dataclasses
import inspect
import re
from argparse import SUPPRESS
from collections.abc import Iterator
from typing import Any

import yaml
from jsonargparse import Namespace, get_loader, set_loader
from jsonargparse.typing import register_type
from lightning.pytorch.cli import LightningArgumentParser

from anime_gen.errors import UserError
from anime_gen.settings.aliases import names_today, today
from anime_gen.settings.ranges import Ranges

# Characters in which lists may be nested deeper than the stack is.
DEEP = 10_000


def renewed(text: str, path: str = "") -> Any:
    """YAML, by today's names; of a file without its base, which whoever reads files has read before it."""
    try:
        if len(text) > DEEP:
            # libyaml recurses in C: what is nested too deep for it ends the process. Python's own says so.
            yaml.compose(text, yaml.SafeLoader)
        settings = today(get_loader("yaml")(text))
    except (RecursionError, OverflowError) as reason:
        raise yaml.YAMLError(str(reason)) from reason
    if path and isinstance(settings, dict):
        settings.pop("base", None)
    return settings


set_loader("anime_gen", renewed, exceptions=(yaml.YAMLError,))
register_type(Ranges, str, Ranges, UserError)


# Of a signed integer in 64 bits.
LARGEST = 2**63


def _integers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _integers(part)


class OneLineParser(LightningArgumentParser):
    """Reads settings of any version of the suite, and says what is wrong with them in one line."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"parser_mode": "anime_gen", **kwargs})

    def error(self, message: str, ex: Exception | None = None) -> Any:
        raise UserError(one_line(message)) from ex

    def validate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> None:
        super().validate(namespace, *args, **kwargs)
        # jsonargparse takes every null for a value that nobody has given, although something else is the default.
        nulls = Namespace()  # type: ignore[no-untyped-call]
        for action in self._actions:
            if action.default not in (None, SUPPRESS) and namespace.get(action.dest, action.default) is None:
                nulls[action.dest] = None
        super().validate(nulls, skip_unset=False, skip_required=True)
        for key, value in namespace.items():
            if any(abs(number) >= LARGEST for number in _integers(value)):
                raise TypeError(f'Parser key "{key}": no setting is 2**63 or more')


def one_line(message: str) -> str:
    """The heart of jsonargparse's message: which key, and what is the matter with it.

    Its text nests one complaint for each type that a key might have had; the reader wants the outermost key and the
    innermost complaints.
    """
    noise = re.compile(
        r"(Does not validate against any of the Union subtypes|Subtypes: \[.*?\]$|Errors:$|Given value.*"
        r"|Expected a <class '(NoneType|bool|collections.abc.Iterable)'>$"
        r"|Not of type Ranges:|Subclass types expect one of:|a class path \(str\)|a dict with.*)"
    )
    lines = [noise.sub("", line.strip(" -")).strip(" :") for line in message.splitlines()]
    if len([*filter(None, lines)]) == 1 and "bool" in message:
        lines.append("Expected true or false")  # the only complaint was one that most keys have beside others
    text = ": ".join(dict.fromkeys(filter(None, lines)))
    text = re.sub(r"\s+", " ", re.sub(r"Parser key \"([^\"]+)\"", r"\1", text))
    # An option of the command line comes without its class, so that it could not be renamed.
    refused = re.search(r"Option '(\w+)' is not accepted$", text)
    if refused and (names := names_today(refused[1])):
        text += f"; it is called {' or '.join(names)} now"
    return text if len(text) < 500 else text[:500] + " ..."


def as_data(value: Any) -> Any:
    """A setting as a YAML file would say it: an object by its class and arguments, a dataclass by its fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_data(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [as_data(part) for part in value]
    if type(value).__module__ == "builtins":
        return value
    taken = inspect.signature(type(value)).parameters
    arguments = {name: as_data(part) for name, part in vars(value).items() if name in taken}
    return {"class_path": f"{type(value).__module__}.{type(value).__qualname__}", "init_args": arguments}
