"""The verbs of one family: `anime-gen VERB RUN [options]`.

A family knows neither run folders nor the data; this page opens both, offers the options of the family's function, and
draws and writes what that has made.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import singledispatch
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from anime_gen.blocks.made import Content, Curves, Film, Made, ModelCard, Sheet, Weights
from anime_gen.cli import family_verbs
from anime_gen.cli.quiet import quiet
from anime_gen.contract import UserError
from anime_gen.files import atomic, atomic_folder, packed
from anime_gen.images import tile
from anime_gen.metrics.headlines import headlines, in_words
from anime_gen.metrics.protocol import read
from anime_gen.reports.card import Card
from anime_gen.reports.figures import png, shares
from anime_gen.run.folder import RunFolder, run_of
from anime_gen.run.opened import OpenRun
from anime_gen.run.trained import Trained
from anime_gen.settings.parser import OneLineParser

# What a verb's function need not ask the user for.
GIVEN = {"trained", "data", "run"}
# What is named behind the run, where it takes any.
PICTURES = "pictures"


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


@singledispatch
def write(content: Content, path: Path, draft: Path) -> None:
    """Draws what a verb has made and writes it.

    Args:
        content: what was made.
        path: where it will lie.
        draft: where it is written.

    Raises:
        UserError: the name is no picture's.
    """
    raise TypeError(f"{type(content).__name__} is not known")


@write.register
def _(content: str, path: Path, draft: Path) -> None:
    draft.write_bytes(content.encode())


@write.register
def _(content: bytes, path: Path, draft: Path) -> None:
    draft.write_bytes(content)


@write.register
def _(content: Weights, path: Path, draft: Path) -> None:
    draft.write_bytes(packed(content.tensors, content.metadata))


@write.register
def _(content: Curves, path: Path, draft: Path) -> None:
    draft.write_bytes(png(shares(content)))


@write.register
def _(content: Sheet, path: Path, draft: Path) -> None:
    sheet = tile(content.pictures_NCHW, content.columns, captions=content.captions, headings=content.headings)
    sheet.save(draft, kind_of_picture(path))


@write.register
def _(content: Film, path: Path, draft: Path) -> None:
    frames = torch.split(content.pictures_NCHW, content.columns)
    first, *rest = (tile(frame_NCHW, content.columns) for frame_NCHW in frames)
    kind, milliseconds = kind_of_picture(path), content.milliseconds
    first.save(draft, kind, save_all=True, append_images=rest, duration=milliseconds, loop=0)


@contextmanager
def writable(out: Path) -> Iterator[None]:
    """Within, what the disk refuses is a mistake of the user's."""
    try:
        yield
    except OSError as reason:
        raise UserError(f"--out {out}: {reason.filename}: {reason.strerror}") from reason


def kind_of_picture(path: Path) -> str:
    """Pillow's name of what a file's name ends in."""
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise UserError(f"--out {path}: name a picture, such as {path.with_suffix('.png')}")
    return kind


def keep(files: Mapping[Path, Content], out: Path | None) -> None:
    """Writes all files before any takes its place.

    Args:
        files: where each lies in the end.
        out: where the user wants them; if that is a new folder, it is there as a whole or not at all.
    """
    with ExitStack() as stack:
        if out is not None and all(out in path.parents for path in files) and not any(out.glob("*")):
            draft = stack.enter_context(atomic_folder(out))
            files = {draft / path.relative_to(out): content for path, content in files.items()}
        for path, content in files.items():
            write(content, path, stack.enter_context(atomic(path)))


def main(verb: str, arguments: list[str]) -> None:
    """Calls the family's function with its options, and with what it takes of `trained`, `data` and `run`.

    A function that takes none of them is not about a run, but about a `file`. One that takes `pictures` is given those
    that are named behind the run.
    """
    quiet()
    where, purpose = family_verbs()[verb]
    module_name, function_name = where.split(":")
    function = getattr(importlib.import_module(module_name), function_name)
    parser = OneLineParser(prog=f"anime-gen {verb}", description=purpose)
    takes = set(inspect.signature(function).parameters)
    about_a_run = bool(takes & GIVEN)
    if about_a_run:
        if not arguments:
            raise UserError(f"{verb}: name the run first; runs lie under runs/<family>/<name>")
        parser.add_argument("run", type=Path, help="run folder, such as runs/diffusion/NAME")
        if PICTURES in takes:
            parser.add_argument(PICTURES, type=Path, nargs="+", help="picture files")
        parser.add_argument("--checkpoint", default="best", help="best (by score) or last (default: best)")
    else:
        parser.add_argument("file", type=Path, help="what to read")
    parser.add_function_arguments(function, as_group=False, skip={*GIVEN, "file", PICTURES})
    options = vars(parser.parse_args(arguments))
    out: Path | None = options.get("out")
    if out is not None:
        with writable(out):
            out.parent.mkdir(parents=True, exist_ok=True)
    if about_a_run:
        run = options.pop("run")
        opened = OpenRun(run, options.pop("checkpoint"), "cpu")
        options |= {"trained": opened.trained, "run": run, "data": opened.data if "data" in takes else None}
    made: Made = function(**{name: value for name, value in options.items() if name in takes})
    files = {
        path: card_of(opened.trained).markdown(content) if isinstance(content, ModelCard) else content
        for path, content in made.files.items()
    }
    with writable(out or run):
        keep(files, out)
    made.kept()
    if out is not None:
        print(out)
    if made.said:
        print(made.said)
