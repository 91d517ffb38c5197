"""examine: what a ruler sees, before anybody believes it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jsonargparse import ArgumentParser
from tqdm import tqdm

from anime_gen.cli.score import OF_PIXELS, open_extractor, open_score
from anime_gen.contract import UserError, usable
from anime_gen.data.decode import decode
from anime_gen.data.folder import picture_files
from anime_gen.files import write_bytes, write_text
from anime_gen.judging.disturbances import DISTURBANCES, Pictures, paint
from anime_gen.judging.examination import DRAWINGS, SEEN, examine, report, table
from anime_gen.metrics.distribution import CMMD, PRDC, FrechetDistance, KernelDistance
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.protocol import Score
from anime_gen.metrics.scores import Scores
from anime_gen.reports import figures
from anime_gen.settings.parser import OneLineParser

MAKERS: Mapping[str, Callable[[Extractor], Score]] = {
    "fd": FrechetDistance,
    "kd": KernelDistance,
    "prdc": PRDC,
    "cmmd": CMMD,
}
SEED = 2026  # of the painted faces


def build_parser() -> ArgumentParser:
    """The options of `anime-gen examine`."""
    parser = OneLineParser(
        prog="anime-gen examine",
        description="Disturbs pictures in twelve ways, each at four strengths, and says which scores see it: how far "
        "each moves, in standard deviations of what it says of undisturbed pictures.",
    )
    parser.add_argument(
        "pictures", type=Path | None, nargs="?", default=None, help="a folder; without one, painted faces"
    )
    parser.add_argument("--size", type=int, default=32, help="pixels a side, of centre squares")
    parser.add_argument("--count", type=int, default=800, help="pictures; half of them are compared with the others")
    parser.add_argument(
        "--extractor",
        action="append",
        default=[],
        help="NAME or NAME=FILE of its weights, as for `anime-gen score`; without one, judge and render",
    )
    parser.add_argument(
        "--metrics", default="fd,swd,spectrum", help=f"with commas between: {', '.join([*MAKERS, *OF_PIXELS])}"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/examination"), help="folder for the table and a plot")
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one (default: auto)")
    return parser


def read(folder: Path, size: int, count: int) -> Pictures:
    """Pictures of a folder, spread evenly over it.

    Raises:
        UserError: there are fewer, or one cannot be read.
    """
    names = list(picture_files(folder))
    if len(names) < count:
        raise UserError(f"{folder} holds {len(names):,} pictures, fewer than --count {count:,}: give fewer")
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        chosen = [folder / names[len(names) * place // count] for place in range(count)]
        pixels = np.stack(list(readers.map(partial(decode, size=size), chosen)))
    return Pictures(torch.from_numpy(pixels).permute(0, 3, 1, 2))


def main(verb: str, arguments: list[str]) -> None:
    """Prints a table; writes it as JSON and as a plot."""
    options = build_parser().parse_args(arguments)
    if options.size < 16:
        raise UserError(f"--size {options.size}: at least 16")
    if options.count < 40:
        raise UserError(f"--count {options.count}: at least 40, and from 800 on it says something")
    device = usable(options.device)
    metrics = [name.strip() for name in options.metrics.split(",")]
    of_features = [name for name in metrics if name not in OF_PIXELS]
    extractors = [open_extractor(text) for text in options.extractor or ["judge", "render"]] if of_features else []
    scores = Scores(
        [
            *(open_score(name, MAKERS, extractor) for extractor in extractors for name in of_features),
            *(OF_PIXELS[name](options.size) for name in metrics if name in OF_PIXELS),
        ]
    ).to(device)
    if options.pictures is None:
        pictures = paint(SEED, options.count, options.size)
    else:
        pictures = read(options.pictures, options.size, options.count)
    shown = f"{options.count} {'painted faces' if pictures.faces else f'pictures of {options.pictures}'}"
    total = 1 + sum(len(one.strengths) for one in DISTURBANCES if pictures.faces or not one.painted)
    with tqdm(total=total, desc="examining", leave=False, disable=None) as bar:

        def watch(what: str) -> None:
            bar.set_postfix_str(what)
            bar.update()

        responses = examine(pictures, scores, watch=watch)
    print(f"{shown}, {options.size} px: responses in standard deviations; [the strength from which on it is seen]")
    print(table(responses))
    about = {"pictures": shown, "size": options.size, "count": options.count}
    write_text(options.out / "examination.json", json.dumps(report(responses, scores, about), indent=1) + "\n")
    small = f"{shown}, {options.size} px; {DRAWINGS} drawings; seen: above {SEEN:g}"
    write_bytes(options.out / "examination.png", figures.png(figures.responses(responses, small)))
    print(f"{options.out}/: examination.json, examination.png")
