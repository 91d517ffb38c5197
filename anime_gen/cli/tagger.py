"""tagger: trains one, completes labels, and lists those that are most likely wrong."""

from __future__ import annotations

import importlib

from anime_gen.cli.quiet import quiet
from anime_gen.contract import UserError, usable
from anime_gen.data import AnimeFaces
from anime_gen.settings.parser import OneLineParser

# What it can do: where, and what for.
ACTIONS = {
    "fit": ("anime_gen.tagging.train:fit_and_report", "train a tagger on labelled pictures, and examine it"),
    "doubts": ("anime_gen.tagging.doubts:list_doubts", "list the labels that are most likely wrong"),
    "complete": ("anime_gen.tagging.fill:complete_and_report", "fill in training labels that are not given"),
}

HELP = """usage: anime-gen tagger ACTION [--data.source=anime_gen.data.Folder --data.source.path=DIR] [options]

{actions}

anime-gen tagger ACTION --help shows its options. Without --data.source it works on painted faces.
"""


def main(verb: str, arguments: list[str]) -> None:
    """One of the actions, on the suite's data."""
    quiet()
    if not arguments or arguments[0] in ("-h", "--help"):
        print(HELP.format(actions="\n".join(f"  {name:<12}{told[1]}" for name, told in ACTIONS.items())))
        return
    action = arguments[0]
    if action not in ACTIONS:
        raise UserError(f"tagger: there is no {action!r}; it is one of {', '.join(ACTIONS)}")
    where, purpose = ACTIONS[action]
    module, name = where.split(":")
    function = getattr(importlib.import_module(module), name)
    parser = OneLineParser(prog=f"anime-gen tagger {action}", description=purpose, allow_abbrev=False)
    parser.add_argument("-c", "--config", action="config", help="YAML file of settings; later ones win")
    parser.add_class_arguments(AnimeFaces, "data")
    parser.add_function_arguments(function, as_group=False, skip={"data"})
    settings = parser.instantiate_classes(parser.parse_args(arguments[1:]))
    usable(settings.device)  # before anything else
    options = {key: value for key, value in vars(settings).items() if key not in ("data", "config")}
    function(data=settings.data, **options)
