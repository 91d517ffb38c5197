"""examine: what a ruler sees, before anybody believes it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jsonargparse import ArgumentParser
from tqdm import tqdm

from anime_gen.cli.score import OF_PIXELS, open_extractor, open_scores
from anime_gen.contract import UserError, usable
from anime_gen.data.listing import picture_files
from anime_gen.decode import decode
from anime_gen.files import rounded, write_bytes, write_text
from anime_gen.judging.disturbances import Pictures, paint
from anime_gen.judging.examination import (
    DRAWINGS,
    SEEN,
    Response,
    agreement,
    examine,
    report,
    scorings,
    summary,
    table,
    unseen,
)
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
        "each moves, in standard deviations of what it says of undisturbed pictures. Ends with status 1 where the "
        "suite's own distances, fd_render and fd_judge, do not see what they have to.",
    )
    parser.add_argument(
        "pictures", type=Path | None, nargs="?", default=None, help="a folder; without one, painted faces"
    )
    parser.add_argument("--size", default="32", help="pixels a side, of centre squares; several with commas between")
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
    parser.add_argument(
        "--record",
        type=Path | None,
        default=None,
        help="the JSON file beside the weights of a judge that is examined: keeps its responses there, too",
    )
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one (default: auto)")
    return parser


def read(folder: Path, size: int, count: int) -> Pictures:
    """Pictures of a folder, spread evenly over it.

    Raises:
        UserError: there are fewer, or one cannot be read.
    """
    names = picture_files(folder)
    if len(names) < count:
        raise UserError(f"{folder} holds {len(names):,} pictures, fewer than --count {count:,}: give fewer")
    with ThreadPoolExecutor(os.cpu_count()) as readers:
        chosen = [folder / names[len(names) * place // count] for place in range(count)]
        pixels = np.stack(list(readers.map(partial(decode, size=size), chosen)))
    return Pictures(torch.from_numpy(pixels).permute(0, 3, 1, 2))


def sizes_of(text: str) -> list[int]:
    """Of `--size`. Raises: UserError: not whole numbers of at least 16."""
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError as reason:
        raise UserError(f"--size {text}: whole numbers with commas between, such as 32,64") from reason
    if min(sizes) < 16:
        raise UserError(f"--size {text}: at least 16")
    return sizes


def watched(pictures: Pictures, scores: Scores) -> list[Response]:
    """`examine`, with a bar."""
    with tqdm(total=scorings(pictures), desc="examining", leave=False, disable=None) as bar:

        def watch(what: str) -> None:
            bar.set_postfix_str(what)
            bar.update()

        return examine(pictures, scores, watch=watch)


def keep(record: Path, shown: str, responses: Sequence[Response], extractors: Sequence[Extractor]) -> None:
    """Adds one examination to the JSON file beside a judge's weights.

    Args:
        record: that file.
        shown: the pictures; what was found on the same ones before is replaced.
        responses: what was found.
        extractors: that were examined, the judge among them.

    Raises:
        UserError: the file is none of a judge's, or of another than was examined.
    """
    try:
        told = json.loads(record.read_text(encoding="utf-8"))
        of_judge = told["weights_hash"]
    except (OSError, ValueError, TypeError, KeyError) as reason:
        raise UserError(f"--record {record}: not the JSON file beside a judge's weights") from reason
    if of_judge not in [one.weights_hash for one in extractors]:
        raise UserError(f"--record {record}: it is of other weights than were examined; name those by --extractor")
    told.setdefault("examination", {})[shown] = rounded(summary(responses))
    write_text(record, json.dumps(told, indent=1) + "\n")


def main(verb: str, arguments: list[str]) -> None:
    """Prints a table; writes it as JSON and as a plot."""
    options = build_parser().parse_args(arguments)
    sizes = sizes_of(options.size)
    if options.count < 40:
        raise UserError(f"--count {options.count}: at least 40, and from 800 on it says something")
    device = usable(options.device)
    metrics = [name.strip() for name in options.metrics.split(",")]
    of_features = [name for name in metrics if name not in OF_PIXELS]
    extractors = [open_extractor(text) for text in options.extractor or ["judge", "render"]] if of_features else []
    missed = []
    for size in sizes:
        scores = open_scores(metrics, MAKERS, extractors, size).to(device)
        if options.pictures is None:
            pictures, what = paint(SEED, options.count, size), "painted faces"
        else:
            pictures = read(options.pictures, size, options.count)
            what = f"pictures of {options.pictures.resolve().name}"
        shown = f"{options.count} {what}, {size} px"
        responses = watched(pictures, scores)
        print(f"{shown}: responses in standard deviations; [the strength from which on it is seen]")
        print(table(responses))
        if alike := agreement(responses):
            said = ", ".join(f"{name} {tau:.2f}" for name, tau in alike.items())
            print(f"as fd_render orders the rows of rendering (Kendall's tau): {said}")
        about = {"pictures": shown, "size": size, "count": options.count}
        place = options.out / f"examination_{size}.json"
        write_text(place, json.dumps(report(responses, scores, about), indent=1) + "\n")
        small = f"{shown}; {DRAWINGS} drawings; seen: above {SEEN:g}"
        write_bytes(place.with_suffix(".png"), figures.png(figures.responses(responses, small)))
        print(f"{place}, and as a plot beside it")
        if options.record is not None:
            keep(options.record, shown, responses, extractors)
        missed += [f"{shown}: {line}" for line in unseen(responses)]
    if missed:
        # Not a mistake of the user's, so not its status.
        print("\n".join(["not seen, and has to be:", *missed]), file=sys.stderr)
        raise SystemExit(1)
