"""`anime-gen votes FILE`: what people have preferred in the studio without knowing whose it was."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from tabulate import tabulate

from anime_gen.cli.options import Options
from anime_gen.contract import UserError
from anime_gen.files import write_text
from anime_gen.studio.votes import Vote, ranking, read


def main(verb: str, arguments: list[str]) -> None:
    """Prints the ranking, and with --out writes every vote.

    Raises:
        UserError: there is no such file, or it holds no votes.
    """
    parser = Options(
        "anime-gen votes",
        "such as anime-gen votes votes.sqlite --out votes.csv",
        description="Ranks runs by the blind votes that a studio has kept, and exports those.",
    )
    parser.add_argument("file", type=Path, help="such as votes.sqlite, where the studio was started")
    parser.add_argument("--out", type=Path, help="FILE.csv: every vote, a row each")
    options = parser.parse_args(arguments)
    if not options.file.exists():
        raise UserError(f"votes: there is no {options.file}; people vote in the studio: anime-gen studio RUN RUN")
    votes = read(options.file)
    if not votes:
        raise UserError(f"votes: {options.file} holds no votes yet")
    rows = [
        (place.run, f"{place.preferred:.0%}", f"{place.low:.0%} to {place.high:.0%}", place.votes)
        for place in ranking(votes)
    ]
    print(tabulate(rows, ["run", "preferred", "95 % interval", "votes"], colalign=("left", "right", "left", "right")))
    print(
        f"\n{len(votes)} votes; preferred: the chance of being chosen over one of the others (Bradley and Terry 1952)"
    )
    if options.out:
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([Vote._fields, *votes])
        write_text(options.out, table.getvalue())
        print(options.out)
