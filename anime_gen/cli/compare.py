"""compare: several runs in one table, with figures, and their pictures of the same conditions and seeds."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from anime_gen.cli.quiet import quiet
from anime_gen.conditions import Condition, joined
from anime_gen.contract import UserError
from anime_gen.files import write_bytes, write_text
from anime_gen.images import quantise, tile
from anime_gen.reports import figures, render
from anime_gen.reports.matching import At
from anime_gen.reports.runs import Run, find, read_runs
from anime_gen.reports.table import compare
from anime_gen.run.opened import OpenRun
from anime_gen.settings.parser import OneLineParser

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


class Sitter(NamedTuple):
    """A run, with the pictures that it is to draw and what it is told of each."""

    run: OpenRun
    real_BCHW: Tensor
    condition: Condition


def invite(run: Path, rows: int) -> Sitter:
    """The family of a run before the first validation pictures of its own data.

    Raises:
        UserError: the run has no checkpoint that can be loaded, or its data is gone.
    """
    opened = OpenRun(run, device="cpu")
    batches = list(opened.data.loader("validation", opened.module.needs, rows))
    return Sitter(opened, torch.cat([batch.image_BCHW for batch in batches]), joined(b.condition for b in batches))


def faces(named: Mapping[str, Sequence[Run]], rows: int) -> tuple[Image.Image | None, list[str]]:
    """What the first run of each system makes of the same validation conditions and seeds, beside the real pictures.

    Returns:
        The sheet (None where no system can draw), and a line for each system that was left out, because it was
        trained on other pictures or words, its checkpoint cannot be loaded, or its data is gone.
    """
    sitters, left_out = {}, []
    for name, runs in named.items():
        try:
            sitters[name] = invite(runs[0].path, rows)
        except UserError as reason:
            left_out.append(f"{name}: not drawn: {reason}")
    if not sitters:
        return None, left_out
    # The one that is told most says what the rows are.
    first = max(sitters.values(), key=lambda sitter: len(sitter.run.module.needs))
    words = first.run.trained.vocabulary
    for name, sitter in list(sitters.items()):
        if sitter.run.trained.vocabulary != words or not torch.equal(sitter.real_BCHW, first.real_BCHW):
            left_out.append(f"{name}: trained on other pictures or words, not drawn")
            del sitters[name]
    # What only another one is told, such as a photo, stands there too.
    parts: dict[str, Tensor] = {}
    for sitter in (*sitters.values(), first):
        parts |= sitter.condition
    told = Condition(**parts)
    rows, shown = len(first.real_BCHW), {"real": first.real_BCHW[:, None]}
    if told.source_BCHW is not None:
        shown["photo"], told = told.source_BCHW[:, None], told.replace(source_BCHW=None)
    for name, (run, _, condition) in sitters.items():
        asked = condition.map(lambda part: part.repeat_interleave(len(SEEDS), dim=0))
        made = run.module.sample(asked, list(SEEDS) * rows)
        shown[name] = made.view(rows, len(SEEDS), *made.shape[1:])
    pictures = quantise(torch.cat(list(shown.values()), dim=1))
    readers = (sitter for sitter in sitters.values() if sitter.run.module.needs & {"caption_BL", "text_BD"})
    captions = next((sitter.run.data.captions("validation")[:rows] for sitter in readers), None)
    headings = [heading for name, some in shown.items() for heading in (name, *[""] * (some.shape[1] - 1))]
    sheet = tile(pictures.flatten(0, 1), pictures.shape[1], told or None, words, captions, headings)
    return sheet, left_out


def tell(lines: Sequence[str]) -> None:
    """What was left out, and why, beside what was asked for."""
    for line in lines:
        print(line, file=sys.stderr)


def main(verb: str, arguments: list[str]) -> None:
    """Prints the table; writes it in five forms, with figures."""
    quiet()
    options = build_parser().parse_args(arguments)
    if options.faces < 0:
        raise UserError(f"--faces {options.faces}: 0 or more")
    runs, left_out = read_runs(options.runs or find())
    tell(left_out)
    table = compare(runs, options.at, options.scores.split(",") if options.scores else None)
    print(render.text(table))
    shown = {
        "images": ("Scores against images", figures.png(figures.curves(table))),
        "seconds": ("Scores against seconds", figures.png(figures.curves(table, seconds=True))),
    }
    # A point alone says nothing.
    if len(table.systems) > 1 and figures.controls(table, options.quality):
        drawn = figures.quality_and_control(table, options.quality)
        shown["control"] = ("Quality against control", figures.png(drawn))
    if options.faces:
        sheet, left_out = faces(table.runs, options.faces)
        tell(left_out)
        if sheet is not None:
            file = io.BytesIO()
            sheet.save(file, format="PNG")
            shown["faces"] = ("The same conditions and seeds", file.getvalue())
    out = options.out or Path("runs/compare") / time.strftime("%Y%m%d-%H%M%S")
    for name, (_, picture) in shown.items():
        write_bytes(out / f"{name}.png", picture)
    for ending, written in (
        ("txt", render.text(table)),
        ("md", render.markdown(table)),
        ("csv", render.comma_separated(table)),
        ("json", render.as_json(table)),
        ("html", render.page(table, shown.values())),
    ):
        write_text(out / f"compare.{ending}", written)
    print(f"  {out}/: compare.txt, .md, .csv, .json, .html; {', '.join(f'{name}.png' for name in shown)}")
