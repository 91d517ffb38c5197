"""card: what a data set holds, as a page with figures."""

from __future__ import annotations

import json
from pathlib import Path

from anime_gen.cli.quiet import quiet
from anime_gen.contract import UserError
from anime_gen.data import Folder, Source
from anime_gen.files import rounded, write_bytes, write_text
from anime_gen.prepare import card
from anime_gen.settings.parser import OneLineParser


def build_parser() -> OneLineParser:
    """The options of `anime-gen card`."""
    parser = OneLineParser(
        prog="anime-gen card",
        description="Writes card.md, card.png and card.json of a data set: splits, tags, classes, captions, landmarks, "
        "where faces look. Nothing but labels is read.",
    )
    parser.add_argument("data", type=Path | None, nargs="?", default=None, help="a folder of pictures with labels")
    parser.add_argument("--source", type=Source | None, default=None, help="instead: any source, as --data.source is")
    parser.add_argument("--out", type=Path | None, default=None, help="folder for the three files (default: DATA)")
    return parser


def main(verb: str, arguments: list[str]) -> None:
    """`anime-gen card DATA`."""
    quiet()
    parser = build_parser()
    given = parser.instantiate_classes(parser.parse_args(arguments))
    if (given.data is None) == (given.source is None):
        raise UserError("card: name a folder, or a source with --source=anime_gen.data.PaintedFaces")
    source = given.source or Folder(given.data, min_tag_count=1)
    out = given.out or given.data
    if out is None:
        raise UserError("card: name a folder for the card with --out")
    found = card.facts(source)
    name = given.data.absolute().name if given.data else str(source)
    page = card.as_markdown(found, name)
    write_bytes(out / "card.png", card.figure(found))
    write_text(out / "card.json", json.dumps(rounded(card.as_json(found)), indent=1) + "\n")
    write_text(out / "card.md", page)
    print(f"{out}/card.md, card.png and card.json: {found.pictures:,} pictures, {len(found.tags):,} tags")
