"""sample: faces with given tags, landmarks and seeds from a trained run."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jsonargparse import ArgumentParser, Namespace
from PIL import Image
from tqdm import tqdm

from anime_gen.cli.quiet import quiet
from anime_gen.conditions import KINDS
from anime_gen.conditions.kind import Input, Option, Picture, Points, Words
from anime_gen.contract import UserError, usable
from anime_gen.decode import clear
from anime_gen.files import write_picture
from anime_gen.images import tile
from anime_gen.noise import Near
from anime_gen.reading import read_json
from anime_gen.run.opened import OpenRun
from anime_gen.settings.parser import OneLineParser, as_data
from anime_gen.settings.ranges import Ranges


def add_options(parser: ArgumentParser) -> None:
    """One for each way to ask for each kind of condition."""
    for option in OPTIONS.values():
        typed = {"default": ""} if option.input is Words else {"type": Path | None, "default": None}
        parser.add_argument(f"--{option.name}", help=option.help, **typed)


def forms(options: Namespace) -> dict[str, Input]:
    """What was asked for by those options.

    Raises:
        UserError: a file that cannot be read.
    """
    return {name: READ[option.input](name, options[name]) for name, option in OPTIONS.items() if options[name]}


def read_points(name: str, path: Path) -> Points:
    """Those of a JSON file."""
    try:
        return Points(read_json(path))
    except UserError as reason:
        raise UserError(f"--{name}: {reason}") from reason


def read_picture(name: str, path: Path) -> Picture:
    """That of a file."""
    try:
        return Picture(clear(path))
    except Exception as reason:
        raise UserError(f"--{name}: {path} is no picture ({reason})") from reason


# How a word of the command line becomes what is handed over.
READ: Mapping[type[Input], Callable[[str, Any], Input]] = {
    Words: lambda name, text: Words(text),
    Points: read_points,
    Picture: read_picture,
}
OPTIONS: Mapping[str, Option[Any]] = {option.name: option for kind in KINDS.values() for option in kind.options}


def build_parser(settings: object | None = None) -> ArgumentParser:
    """The options of every family and, where the run is known, those of its own sampling settings."""
    parser = OneLineParser(prog="anime-gen sample", description="Draws faces from a trained run.")
    parser.add_argument("run", type=str, help="run folder, such as runs/diffusion/NAME, or a .ckpt file")
    parser.add_argument("--checkpoint", default="best", help="best (by score) or last (default: best)")
    add_options(parser)
    parser.add_argument("--seeds", type=Ranges, default=Ranges("0-63"), help="one picture for each: 0-63, or 1,2,10-19")
    parser.add_argument(
        "--near", type=Ranges, default=None, help="a seed whose face is varied: each of --seeds leads another way"
    )
    parser.add_argument(
        "--chunk",
        type=int,
        default=None,
        help="pictures drawn at a time (default: as the family says); another number may round otherwise, unseen",
    )
    parser.add_argument("--columns", type=int, default=8, help="pictures in a row of the grid (default: 8)")
    parser.add_argument("--out", default="grid.png", help="FILE.png: one grid; a FOLDER/: one PNG for each seed")
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one (default: auto)")
    if settings is not None:
        parser.add_class_arguments(type(settings))
        names = [field.name for field in dataclasses.fields(settings)]  # type: ignore[arg-type]
        parser.set_defaults({name: as_data(getattr(settings, name)) for name in names})
    return parser


def given(arguments: list[str], settings: object) -> list[str]:
    """The fields of the settings that the command line names."""
    names = {re.split(r"[=.]", word.removeprefix("--"))[0] for word in arguments if word.startswith("--")}
    return [field.name for field in dataclasses.fields(settings) if field.name in names]  # type: ignore[arg-type]


def main(verb: str, arguments: list[str]) -> None:
    """Loads a run, draws one picture for each seed, writes a grid or single files."""
    quiet()
    if not arguments or arguments[0].startswith("-"):
        if {"-h", "--help"} & set(arguments):
            build_parser().print_help()
            print("Behind a run, --help also shows how its family samples: anime-gen sample RUN --help")
            return
        raise UserError("sample: name the run first, such as anime-gen sample runs/diffusion/NAME --seeds 0-63")
    # The run decides which options there are, so `--help` behind a run shows those of its family too.
    checkpoint = next((word.split("=")[1] for word in arguments if word.startswith("--checkpoint=")), None)
    if "--checkpoint" in arguments[:-1]:
        checkpoint = arguments[arguments.index("--checkpoint") + 1]
    run = OpenRun(Path(arguments[0]), checkpoint or "best", device="cpu")
    drawn_by = run.module.pictures_by.format(run=shlex.quote(arguments[0]))
    if drawn_by.split()[0] != verb:
        raise UserError(f"{verb}: {type(run.module).__name__} draws nothing from seeds; use: anime-gen {drawn_by}")
    settings = run.module.settings
    parser = build_parser(settings)
    options = parser.instantiate_classes(parser.parse_args(arguments))
    if settings is not None:
        changes = {name: options[name] for name in given(arguments, settings)}
        settings = dataclasses.replace(settings, **changes)
    run.module.to(usable(options.device))
    if options.chunk is not None:
        if options.chunk < 1:
            raise UserError(f"--chunk {options.chunk}: at least 1")
        run.module.chunk = options.chunk
    if options.near is not None and len(options.near) != 1:
        raise UserError(f"--near {options.near}: give one seed")
    origin = options.near[0] if options.near is not None else None
    draw(run, forms(options), settings, options.seeds, origin, options.columns, options.out)


def draw(
    run: OpenRun,
    asked: Mapping[str, Input],
    settings: Any,
    seeds: Sequence[int],
    origin: int | None,
    columns: int,
    out: str,
) -> None:
    """Samples and writes.

    Args:
        origin: a seed that all are near; None: each is itself.

    Raises:
        UserError: what was asked cannot be drawn or written.
    """
    if columns < 1:
        raise UserError(f"--columns {columns}: at least 1")
    target = Path(out)
    folder = out.endswith("/") or target.is_dir() or not target.suffix
    if not folder and Image.registered_extensions().get(target.suffix.lower()) not in Image.SAVE:
        raise UserError(f"--out {out}: {target.suffix} is no kind of picture; use .png, or end a folder with /")
    try:
        (target if folder else target.parent).mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise UserError(f"--out {out}: {reason.strerror}") from reason
    try:
        condition = run.ask(asked, settings)
    except UserError as reason:
        raise UserError(f"--{reason}") from reason
    chunks = run.draw(condition, seeds if origin is None else [Near(origin, seed) for seed in seeds], settings)
    pictures = (picture for chunk in chunks for picture in chunk)
    bar = tqdm(pictures, total=len(seeds), unit="picture", leave=False, disable=len(seeds) <= run.module.chunk)
    if folder:
        for seed, picture in zip(seeds, bar, strict=True):
            pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
            write_picture(target / f"{seed:06d}.png", Image.fromarray(pixels))
    else:
        write_picture(target, tile(torch.stack(list(bar)), min(columns, len(seeds))))
    print(
        f"{len(seeds)} pictures of {run.module.image_size} px after {run.trained.images_shown:,} images "
        f"({run.trained.path}): {target}"
    )
