"""show: what a run has scored so far, from its folder alone."""

from __future__ import annotations

from pathlib import Path

from anime_gen.cli.options import Options
from anime_gen.contract import UserError
from anime_gen.metrics.headlines import headlines, lines, table
from anime_gen.metrics.protocol import read
from anime_gen.run.folder import RunFolder


def main(verb: str, arguments: list[str]) -> None:
    """Prints the latest scores on each split, and with --all every one and what the run has cost.

    Raises:
        UserError: there is no such folder, or it holds no scores.
    """
    parser = Options(
        "anime-gen show",
        "such as anime-gen show runs/diffusion/NAME --all",
        description="The latest scores of a run: the five that matter, or all.",
    )
    parser.add_argument("run", type=Path, help="folder, such as runs/diffusion/NAME")
    parser.add_argument("--all", action="store_true", help="every score, and what the run has cost")
    options = parser.parse_args(arguments)
    if not options.run.is_dir():
        raise UserError(f"{options.run} is no run: give a folder such as runs/diffusion/NAME")
    records = read(RunFolder(options.run).metrics)
    if not records:
        raise UserError(f"{options.run} has no scores yet (no metrics.json, or an empty one): let it run on")
    splits = list(dict.fromkeys(str(record.protocol["split"]) for record in records if "split" in record.protocol))
    for split in splits:
        found = [record for record in records if record.protocol.get("split") == split]
        print(f"{options.run}: {found[-1].nimg:,} images, {split} pictures")
        print(table(lines(found) if options.all else headlines(found)))
    costs = [record for record in records if "split" not in record.protocol]
    if options.all and costs:
        print(f"\nwhat it has cost\n{table(lines(costs))}")
