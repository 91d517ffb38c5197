"""compare: several runs in one table, with figures, and their pictures of the same conditions and seeds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from anime_gen.cli.train import OneLineParser, quiet
from anime_gen.contract import UserError
from anime_gen.reports import figures, render
from anime_gen.reports.matching import At
from anime_gen.reports.runs import Run, read_run, systems
from anime_gen.reports.table import Table, compare

if TYPE_CHECKING:
    from PIL import Image

# Pictures of each family for each condition.
SEEDS = (0, 1)


def build_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="anime-gen compare",
        description="Lays runs side by side, runs that differ in their seeds alone as one; refuses to lay scores of "
        "different protocols side by side.",
    )
    parser.add_argument("runs", type=Path, nargs="+", help="run folders, such as runs/diffusion/* runs/dcgan/*")
    parser.add_argument("--at", type=At, default=At.IMAGES, help="what is equal (default: IMAGES)")
    parser.add_argument("--scores", type=str | None, default=None, help="which, with commas; default: all")
    parser.add_argument("--quality", type=str, default="fd_judge", help="the score that control is drawn against")
    parser.add_argument("--faces", type=int, default=8, help="conditions that every family draws; 0: none (default: 8)")
    parser.add_argument("--out", type=Path | None, default=None, help="folder; default runs/compare/<time>")
    return parser


def main(verb: str, arguments: list[str]) -> None:
    """Prints the table; writes it in five forms, with figures."""
    quiet()
    options = build_parser().parse_args([_upper(word) for word in arguments])
    out = options.out or Path("runs/compare") / time.strftime("%Y%m%d-%H%M%S")
    runs = [read_run(path) for path in options.runs]
    table = compare(runs, options.at, options.scores.split(",") if options.scores else None)
    print(render.text(table))
    named = systems(runs)
    pictures = {
        "Scores against images": ("images.png", figures.png(figures.curves(named, table))),
        "Scores against seconds": ("seconds.png", figures.png(figures.curves(named, table, seconds=True))),
    }
    out.mkdir(parents=True, exist_ok=True)
