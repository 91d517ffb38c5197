"""Do scores put runs in the order in which a person does? `python -m anime_gen.bench.blind draw|tell`.

`draw` gives each run's faces a letter by lot, and no name. The reader puts the letters in an order, the best first, as
often as he likes, before he opens `key.json`. `tell` says how far each score's order is his: Spearman's rank
correlation, 1 where they are the same. One reader's eye is one reader's eye.
"""

from __future__ import annotations

import argparse
import json
import random
import string
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import torch
from PIL import Image
from scipy.stats import spearmanr

from anime_gen.bench.gallery import COLUMNS, ROWS, drawn, people
from anime_gen.contract import UserError
from anime_gen.files import write_text
from anime_gen.images import tile
from anime_gen.metrics.protocol import read
from anime_gen.run.folder import RunFolder
from anime_gen.run.opened import OpenRun

KEY = "key.json"
ENLARGED = 3
LETTERS = string.ascii_lowercase
LEAST = 4  # runs of which an order says something


def draw(runs: Sequence[Path], out: Path, seed: int, device: str) -> None:
    """A sheet for each run, named by a letter, and the key.

    Raises:
        UserError: too few runs or too many, or one that cannot be loaded.
    """
    if not LEAST <= len(runs) <= len(LETTERS):
        raise UserError(f"give {LEAST} to {len(LETTERS)} runs, not {len(runs)}")
    lot = list(runs)
    random.Random(seed).shuffle(lot)
    out.mkdir(parents=True, exist_ok=True)
    indices = people(ROWS)
    key = {}
    for letter, folder in zip(LETTERS, lot, strict=False):
        run = OpenRun(folder, "last", device)
        sheet = tile(drawn(run, indices).pictures_NCHW, len(COLUMNS))
        sheet.resize((sheet.width * ENLARGED, sheet.height * ENLARGED), Image.Resampling.NEAREST).save(
            out / f"{letter}.png"
        )
        key[letter] = {"run": str(folder), "images_shown": run.trained.images_shown}
    write_text(out / KEY, json.dumps(key, indent=1) + "\n")
    print(f"{out}: {len(key)} sheets; put their letters in an order, the best first, before you open {KEY}")


def correlations(orders: Sequence[str], scores: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[int, float]]:
    """Score -> how many runs have it, and Spearman's correlation of its order with the mean of these orders.

    Args:
        orders: letters, the best first.
        scores: letter -> score -> value, less is better.
    """
    rank = {letter: fmean(order.index(letter) for order in orders) for letter in orders[0]}
    found = {}
    for name in dict.fromkeys(name for of_run in scores.values() for name in of_run):
        having = [letter for letter in rank if name in scores[letter]]
        values = [scores[letter][name] for letter in having]
        places = [rank[letter] for letter in having]
        if len(having) >= LEAST and min(len(set(values)), len(set(places))) > 1:  # equal values are no order
            found[name] = (len(having), float(spearmanr(places, values).statistic))
    return found


def scores_of(folder: Path, images_shown: int) -> dict[str, float]:
    """What a run's samples were worth when it had seen so many, of the scores that say which way is better; turned so
    that less is better."""
    turn = {"lower": 1, "higher": -1}
    return {
        record.name: record.value * turn[way]
        for record in read(RunFolder(folder).metrics)
        if record.nimg == images_shown and record.value is not None and (way := record.protocol.get("better")) in turn
    }


def tell(out: Path, orders: Sequence[str]) -> None:
    """Prints how alike the orders are, and each score's correlation with their mean.

    Raises:
        UserError: there is no key, or an order that is not one of its letters.
    """
    try:
        key = json.loads((out / KEY).read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise UserError(f"{out / KEY}: no key of sheets; draw them first") from reason
    for order in orders:
        if sorted(order) != sorted(key):
            raise UserError(f"--order {order}: each of {''.join(sorted(key))} once, the best first")
    scores = {letter: scores_of(Path(one["run"]), one["images_shown"]) for letter, one in key.items()}
    if len(orders) > 1:
        first, second = ([order.index(letter) for letter in orders[0]] for order in orders[:2])
        print(f"the first two orders: {spearmanr(first, second).statistic:.2f} with each other")
    found = correlations(orders, scores)
    for name, (runs, correlation) in sorted(found.items(), key=lambda one: -one[1][1]):
        print(f"{name:<28} {correlation:6.2f}   {runs} runs")
    print("the first order: " + ", ".join(key[letter]["run"] for letter in orders[0]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws, or tells."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    drawing = verbs.add_parser("draw", help="a sheet for each run, without its name")
    drawing.add_argument("runs", type=Path, nargs="+", help="run folders")
    drawing.add_argument("--out", type=Path, default=Path("runs/blind"), help="folder for the sheets")
    drawing.add_argument("--seed", type=int, default=0, help="of the lot")
    drawing.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one")
    telling = verbs.add_parser("tell", help="how far each score's order is the reader's")
    telling.add_argument("out", type=Path, nargs="?", default=Path("runs/blind"), help="that folder")
    telling.add_argument("--order", action="append", required=True, help="all letters, the best first; once or more")
    given = parser.parse_args(arguments)
    with torch.inference_mode():
        if given.verb == "draw":
            draw(given.runs, given.out, given.seed, given.device)
        else:
            tell(given.out, given.order)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
