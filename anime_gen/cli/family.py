"""The verbs of one family: `anime-gen VERB RUN [options]`.

A family knows neither run folders nor the data; this page opens both, and offers the options of the family's function.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

from anime_gen.card import Card
from anime_gen.cli import family_verbs
from anime_gen.cli.train import quiet
from anime_gen.contract import UserError
from anime_gen.metrics.headlines import headlines, in_words
from anime_gen.metrics.protocol import read
from anime_gen.opened import OpenRun
from anime_gen.run import RunFolder, Trained, run_of
from anime_gen.settings import OneLineParser

# What a verb's function need not ask the user for.
GIVEN = {"trained", "data", "run", "card"}


def pictures(source: Any) -> str:
    """The name of a source by its settings, without the place where it lies on this machine.

    {"class_path": "anime_gen.data.Folder", "init_args": {"path": "/home/me/faces"}} -> "Folder faces".
    """
    options = source.get("init_args") or {}
    words = [source["class_path"].rsplit(".", 1)[-1]]
    if "path" in options:
        words.append(Path(options["path"]).name)
    if "source" in options:
        words.append(f"of {pictures(options['source'])}")
    return " ".join(words)


def card_of(trained: Trained) -> Card:
    """What the folder of a run says of its checkpoint.

    Raises:
        UserError: its scores cannot be read.
    """
    run, shown = run_of(trained.path), trained.images_shown
    folder = RunFolder(run)
    records = [record for record in read(folder.metrics) if record.nimg == shown]
    lines = headlines([record for record in records if record.protocol.get("split") == "validation"])
    source = folder.settings()["data"]["source"] if folder.is_run else None
    return Card(
        f"{run.parent.name}-{run.name}",
        type(trained.module).__name__,
        pictures(source) if source else "pictures that nothing is known of",
        trained.module.image_size,
        shown,
        {record.name: record.value for line in lines for record in line.samples if record.value is not None},
        [(line.name, in_words(line.samples), in_words([one for one in line.real if one])) for line in lines],
    )


def main(verb: str, arguments: list[str]) -> None:
    """Calls the family's function with its options, and with what it takes of `trained`, `data`, `run` and `card`.

    A function that takes none of them is not about a run, but about a `file`.
    """
    quiet()
    where, purpose = family_verbs()[verb]
    module_name, function_name = where.split(":")
    function = getattr(importlib.import_module(module_name), function_name)
    parser = OneLineParser(prog=f"anime-gen {verb}", description=purpose)
    takes = set(inspect.signature(function).parameters)
    if not takes & GIVEN:
        parser.add_argument("file", type=Path, help="what to read")
        parser.add_function_arguments(function, as_group=False, skip={"file"})
        function(**vars(parser.parse_args(arguments)))
        return
    if not arguments:
        raise UserError(f"{verb}: name the run first; runs lie under runs/<family>/<name>")
    parser.add_argument("run", type=Path, help="run folder, such as runs/diffusion/NAME")
    parser.add_argument("--checkpoint", default="best", help="best (by score) or last (default: best)")
    parser.add_function_arguments(function, as_group=False, skip=set(GIVEN))
    options = vars(parser.parse_args(arguments))
    run = options.pop("run")
    opened = OpenRun(run, options.pop("checkpoint"), "cpu")
    trained = opened.trained
    given: dict[str, object] = {"trained": trained, "run": run}
    if "card" in takes:
        given["card"] = card_of(trained)
    if "data" in takes:
        given["data"] = opened.data
    function(**{name: given[name] for name in takes & GIVEN}, **options)
