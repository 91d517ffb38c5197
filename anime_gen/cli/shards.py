"""shards: a folder of pictures as LitData's form, which is streamed."""

from __future__ import annotations

from pathlib import Path

from anime_gen.cli.quiet import quiet
from anime_gen.contract import UserError
from anime_gen.data import Folder
from anime_gen.data.shards import write_shards
from anime_gen.data.source import some
from anime_gen.settings.parser import OneLineParser


def build_parser() -> OneLineParser:
    """The options of `anime-gen shards`."""
    parser = OneLineParser(
        prog="anime-gen shards",
        description="Writes a folder of pictures and their labels as shards, which are streamed from a disk or from "
        "object storage: for data that is too much for a folder.",
    )
    parser.add_argument("data", type=Path, help="folder of pictures, with labels in any form or without")
    parser.add_argument("--out", type=Path, required=True, help="new folder of the shards")
    parser.add_argument("--min_tag_count", type=int, default=10, help="a tag that fewer pictures have is left out")
    parser.add_argument("--megabytes", type=int, default=64, help="of a chunk")
    return parser


def written(folder: Path, out: Path, min_tag_count: int = 10, megabytes: int = 64) -> None:
    """Writes the shards and says what is in them."""
    counts, broken = write_shards(Folder(folder, min_tag_count=min_tag_count), out, megabytes)
    told = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    print(f"{out}: {told} pictures" + (f"; {len(broken)} could not be read: {some(broken)}" if broken else ""))
    print(f"next: make experiment MODEL=diffusion DATA={out}")


def main(verb: str, arguments: list[str]) -> None:
    """`anime-gen shards DATA --out DIR`."""
    quiet()
    options = build_parser().parse_args(arguments)
    if options.megabytes < 1:
        raise UserError(f"--megabytes {options.megabytes}: at least 1")
    written(options.data, options.out, options.min_tag_count, options.megabytes)
