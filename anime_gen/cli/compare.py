"""compare: several runs in one table, with figures, and their pictures of the same conditions and seeds."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image

from anime_gen.cli.family import data_of
from anime_gen.cli.train import OneLineParser, quiet
from anime_gen.contract import UserError
from anime_gen.grid import tile
from anime_gen.metrics.protocol import quantise
from anime_gen.reports import figures, render
from anime_gen.reports.matching import At
from anime_gen.reports.runs import Run, find, read_run, systems
from anime_gen.reports.table import compare
from anime_gen.run import load

# Pictures of each family for each condition.
SEEDS = (0, 1)


def build_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="anime-gen compare",
        description="Lays runs side by side. Runs that differ in nothing but their seeds are one system. Scores of "
        "different protocols are left out, and the table says what differs.",
    )
    parser.add_argument("runs", type=Path, nargs="*", help="run folders; default: all under runs/")
    parser.add_argument("--at", type=At, default=At.images, help="what is equal (default: images)")
    parser.add_argument("--scores", type=str | None, default=None, help="which, with commas between; default: all")
    parser.add_argument("--quality", default="fd_judge", help="the score that control is drawn against")
    parser.add_argument("--faces", type=int, default=8, help="conditions that every family draws, 0: none (default: 8)")
    parser.add_argument("--out", type=Path | None, default=None, help="folder; default runs/compare/<time>")
    return parser


def faces(named: Mapping[str, Sequence[Run]], rows: int) -> tuple[Image.Image, list[str]]:
    """What the first run of each system makes of the same validation conditions and seeds, beside the real pictures.

    Returns:
        The sheet, and a line for each system that was left out, because it was trained on other data.

    Raises:
        UserError: a run has no checkpoint, or its data is gone.
    """
    trained = {name: load(runs[0].path) for name, runs in named.items()}
    # The one that is told most: what the others are told is then there too.
    first = max(trained, key=lambda name: len(trained[name].module.needs))
    data = data_of(named[first][0].path)
    data.load_state_dict({"vocabulary": trained[first].vocabulary.as_dict()})
    size, words = data.image_size, data.vocabulary
    alike = {name: one for name, one in trained.items() if one.module.image_size == size and one.vocabulary == words}
    left_out = [f"{name}: other words or another size of pictures, not drawn" for name in trained if name not in alike]
    needs = frozenset().union(*(one.module.needs for one in alike.values()))
    batch = next(iter(data.loader("validation", needs, rows)))
    condition = batch.condition.rows(slice(rows))
    rows = min(rows, len(batch.image_BCHW))
    asked = condition.map(lambda part: part.repeat_interleave(len(SEEDS), dim=0))
    columns = [batch.image_BCHW[:rows, None]]
    for one in alike.values():
        made = one.module.sample(asked, list(SEEDS) * rows)
        columns.append(made.view(rows, len(SEEDS), *made.shape[1:]))
    pictures = quantise(torch.cat(columns, dim=1))
    captions = data.captions("validation")[:rows] if needs & {"caption_BL", "text_BD"} else None
    headings = ["real", *(heading for name in alike for heading in (name, *[""] * (len(SEEDS) - 1)))]
    told = condition if needs else None
    sheet = tile(pictures.flatten(0, 1), pictures.shape[1], told, words, captions, headings)
    return sheet, left_out


def main(verb: str, arguments: list[str]) -> None:
    """Prints the table; writes it in five forms, with figures."""
    quiet()
    options = build_parser().parse_args(arguments)
    if options.faces < 0:
        raise UserError(f"--faces {options.faces}: 0 or more")
    runs = [read_run(path) for path in options.runs or find()]
    table = compare(runs, options.at, options.scores.split(",") if options.scores else None)
    print(render.text(table))
    named = systems(runs)
    shown = {
        "images": ("Scores against images", figures.png(figures.curves(named, table))),
        "seconds": ("Scores against seconds", figures.png(figures.curves(named, table, seconds=True))),
    }
    if figures.controls(table, options.quality):
        drawn = figures.quality_and_control(table, options.quality)
        shown["control"] = ("Quality against control", figures.png(drawn))
    if options.faces:
        sheet, left_out = faces(named, options.faces)
        print(*left_out, sep="\n", file=sys.stderr)
        file = io.BytesIO()
        sheet.save(file, format="PNG")
        shown["faces"] = ("The same conditions and seeds", file.getvalue())
    out = options.out or Path("runs/compare") / time.strftime("%Y%m%d-%H%M%S")
    out.mkdir(parents=True, exist_ok=True)
    for name, (_, picture) in shown.items():
        (out / f"{name}.png").write_bytes(picture)
    for ending, written in (
        ("txt", render.text(table)),
        ("md", render.markdown(table)),
        ("csv", render.comma_separated(table)),
        ("json", render.as_json(table)),
        ("html", render.page(table, shown.values())),
    ):
        (out / f"compare.{ending}").write_text(written, encoding="utf-8")
    print(f"  {out}/: compare.txt, .md, .csv, .json, .html; {', '.join(f'{name}.png' for name in shown)}")
