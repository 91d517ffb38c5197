"""sample: faces with given tags, landmarks and seeds from a trained run."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jsonargparse import ArgumentParser
from PIL import Image

from anime_gen.cli.train import OneLineParser, quiet
from anime_gen.contract import Condition, UserError, usable
from anime_gen.data.captions import caption_tokens
from anime_gen.data.decode import decode
from anime_gen.data.line_art import LINE_ART_SIZE, line_art
from anime_gen.data.text import OpenClip
from anime_gen.files import write_picture
from anime_gen.images import quantise, tile
from anime_gen.ranges import parse_ranges
from anime_gen.run import Trained, load
from anime_gen.vocabulary import LANDMARKS


def read_landmarks(path: Path) -> torch.Tensor:
    """The 24 landmarks of a JSON file: {"nose": [x, y], ...} or 24 pairs in the suite's order, as fractions.

    Pixels are understood where the file gives `width` and `height`. Points left out are not given (NaN).

    Returns:
        (1, 24, 2) float32.

    Raises:
        UserError: no such file, an unknown name, or a number outside the picture.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as reason:
        raise UserError(f"--landmarks {path}: {reason.strerror}") from reason
    except ValueError as reason:
        raise UserError(f"--landmarks {path} is not JSON ({reason})") from reason
    scale = (1.0, 1.0)
    if isinstance(content, dict) and {"width", "height"} <= content.keys():
        try:
            scale = (float(content["width"]), float(content["height"]))
        except (TypeError, ValueError):
            scale = (0.0, 0.0)
        if min(scale) <= 0:
            raise UserError(f"--landmarks {path}: width and height must be numbers of pixels above 0")
    points = content.get("landmarks", content) if isinstance(content, dict) else content
    if isinstance(points, dict):
        points = {name: point for name, point in points.items() if name not in ("width", "height")}
    elif isinstance(points, list) and len(points) == len(LANDMARKS):
        points = dict(zip(LANDMARKS, points, strict=True))
    else:
        raise UserError(f"--landmarks {path}: give a mapping of names to [x, y], or {len(LANDMARKS)} pairs")
    unknown = sorted(set(points) - set(LANDMARKS))
    if unknown:
        raise UserError(f"--landmarks {path}: {unknown[0]!r} is no landmark; they are {', '.join(LANDMARKS)}")
    found = torch.full((1, len(LANDMARKS), 2), torch.nan)
    for name, point in points.items():
        try:
            x, y = (float(value) / size for value, size in zip(point, scale, strict=True))
        except (TypeError, ValueError) as reason:
            raise UserError(f"--landmarks {path}: {name} must be [x, y], not {point!r}") from reason
        if not (-0.5 <= x <= 1.5 and -0.5 <= y <= 1.5):
            raise UserError(
                f"--landmarks {path}: {name} = {point} lies outside the picture; give fractions of it, "
                "or pixels with width and height"
            )
        found[0, LANDMARKS.index(name)] = torch.tensor([x, y])
    return found


class Asked(NamedTuple):
    """What the user asked for, as it was typed."""

    tags: str = ""
    caption: str = ""
    landmarks: Path | None = None
    sketch: Path | None = None
    trace: Path | None = None


def read_sketch(asked: Asked, size: int) -> torch.Tensor:
    """The line art that was asked for, (1, 1, size, size), 1 on a line.

    Raises:
        UserError: two at once, or a file that is no picture.
    """
    path = asked.sketch or asked.trace
    assert path is not None
    if asked.sketch and asked.trace:
        raise UserError("--sketch and --trace: give one of the two, lines or a picture to take the lines of")
    try:
        pixels = decode(path, size if asked.sketch else max(size, LINE_ART_SIZE))
    except Exception as reason:
        raise UserError(f"{path} is no picture ({reason})") from reason
    paper = pixels.mean(-1) if asked.sketch else line_art(pixels, size)
    return 1 - torch.from_numpy(paper).float()[None, None] / 255


def read_text(trained: Trained, caption: str) -> torch.Tensor:
    """The features of a caption by the tower that read the training captions, (1, D)."""
    assert trained.text is not None
    tower = OpenClip(Path(trained.text["weights"]), trained.text["model"])
    return torch.from_numpy(tower.read([caption])) if caption else torch.full((1, tower.width), torch.nan)


def condition_for(trained: Trained, asked: Asked) -> Condition:
    """One row of what the user asked; everything unsaid is "not given".

    Raises:
        UserError: the family was not trained with something that was asked for, or a word is unknown.
    """
    module = trained.module
    takes = module.needs
    for option, given, fields in (
        ("tags", asked.tags, {"tags_BT", "attributes_BA"}),
        ("caption", asked.caption, {"caption_BL", "text_BD"}),
        ("landmarks", asked.landmarks, {"landmarks_BK2"}),
        ("sketch", asked.sketch, {"sketch_B1HW"}),
        ("trace", asked.trace, {"sketch_B1HW"}),
    ):
        if given and not takes & fields:
            what = {"caption": "captions", "sketch": "sketches", "trace": "sketches"}.get(option, option)
            raise UserError(f"--{option}: {type(module).__name__} was trained without {what}; leave the option out")
    one = trained.labels(asked.tags)
    if asked.landmarks:
        points = read_landmarks(asked.landmarks)
        one = one._replace(landmarks_BK2=points, visible_BK=~points.isnan().any(-1))
    if asked.sketch or asked.trace:
        one = one._replace(sketch_B1HW=read_sketch(asked, module.image_size))
    if asked.caption:
        one = one._replace(caption_BL=torch.from_numpy(caption_tokens(asked.caption).astype(np.int64))[None])
    return one._replace(text_BD=read_text(trained, asked.caption)) if "text_BD" in takes else one


def build_parser(settings: object | None = None) -> ArgumentParser:
    """The options of every family and, where the run is known, those of its own sampling settings."""
    parser = OneLineParser(prog="anime-gen sample", description="Draws faces from a trained run.")
    parser.add_argument("run", type=str, help="run folder, such as runs/diffusion/NAME, or a .ckpt file")
    parser.add_argument("--checkpoint", default="best", help="best (by score) or last (default: best)")
    parser.add_argument(
        "--tags",
        default="",
        help='words, such as "blue hair, smile, -hat"; minus: must not be there (in front of all: --tags=-hat)',
    )
    parser.add_argument("--landmarks", type=Path | None, default=None, help="JSON: 24 points as fractions, or pixels")
    parser.add_argument("--caption", default="", help='free text, such as "1girl, silver hair, smile"')
    parser.add_argument("--sketch", type=Path | None, default=None, help="picture of dark lines on light paper")
    parser.add_argument("--trace", type=Path | None, default=None, help="picture whose lines are taken as the sketch")
    parser.add_argument("--seeds", default="0-63", help="one picture for each: 0-63, or 1,2,10-19 (default: 0-63)")
    parser.add_argument("--columns", type=int, default=8, help="pictures in a row of the grid (default: 8)")
    parser.add_argument("--out", default="grid.png", help="FILE.png: one grid; a FOLDER/: one PNG for each seed")
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one (default: auto)")
    if settings is not None:
        parser.add_class_arguments(type(settings))
        names = [field.name for field in dataclasses.fields(settings)]  # type: ignore[arg-type]
        parser.set_defaults({name: spelt(getattr(settings, name)) for name in names})
    return parser


def spelt(value: Any) -> Any:
    """A setting as a YAML file would say it: an object by its class and arguments."""
    if type(value).__module__ == "builtins":
        return value
    taken = inspect.signature(type(value)).parameters
    arguments = {name: part for name, part in vars(value).items() if name in taken}
    return {"class_path": f"{type(value).__module__}.{type(value).__qualname__}", "init_args": arguments}


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
    trained = load(Path(arguments[0]), checkpoint or "best")
    drawn_by = trained.module.pictures_by.format(run=shlex.quote(arguments[0]))
    if drawn_by.split()[0] != verb:
        raise UserError(f"{verb}: {type(trained.module).__name__} draws nothing from seeds; use: anime-gen {drawn_by}")
    settings = trained.module.settings
    parser = build_parser(settings)
    options = parser.instantiate_classes(parser.parse_args(arguments))
    if settings is not None:
        changes = {name: options[name] for name in given(arguments, settings)}
        trained.module.settings = dataclasses.replace(settings, **changes)
    draw(
        trained,
        Asked(options.tags, options.caption, options.landmarks, options.sketch, options.trace),
        parse_ranges("seeds", options.seeds),
        options.columns,
        options.out,
        options.device,
    )


def draw(trained: Trained, asked: Asked, seeds: list[int], columns: int, out: str, device: str) -> None:
    """Samples and writes.

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
    module = trained.module.to(usable(device))
    one = condition_for(trained, asked)
    condition = one.map(lambda part: part.expand(len(seeds), *part.shape[1:]))
    pictures = quantise(module.sample(condition, seeds)).cpu()
    if folder:
        for seed, picture in zip(seeds, pictures, strict=True):
            pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
            write_picture(target / f"{seed:06d}.png", Image.fromarray(pixels))
    else:
        write_picture(target, tile(pictures, min(columns, len(seeds))))
    print(
        f"{len(seeds)} pictures of {module.image_size} px after {trained.images_shown:,} images "
        f"({trained.path}): {target}"
    )
