"""tag: writes the manifest of a folder with a tagger. What somebody wrote in it stays."""

from __future__ import annotations

from itertools import batched
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from anime_gen.cli.quiet import quiet
from anime_gen.contract import UserError, usable
from anime_gen.data.folder import labels_of
from anime_gen.data.listing import picture_files
from anime_gen.data.manifest import Manifest, read_manifest, write_manifest
from anime_gen.settings.parser import OneLineParser
from anime_gen.tagging.completion import Pool, by_one, complete
from anime_gen.tagging.examine import Labels, joined
from anime_gen.tagging.labellers import open_labeller
from anime_gen.tagging.network import Labeller, Seen
from anime_gen.tagging.patches import SIZE
from anime_gen.tagging.writing import given_labels, prepared, with_guesses

BATCH = 32
# The share of labelled pictures that is kept from the three classifiers to calibrate them by; and how few are too few.
HELD_OUT, FEWEST = 0.2, 20


def build_parser() -> OneLineParser:
    parser = OneLineParser(
        prog="anime-gen tag",
        allow_abbrev=False,
        description="Writes DIR/manifest.csv: every label that nobody wrote, with its confidence and origin.",
    )
    parser.add_argument("dir", type=Path, help="folder of pictures")
    parser.add_argument("--tagger", type=str, required=True, help="a file of `anime-gen tagger fit`, or wd:FOLDER")
    parser.add_argument("--out", type=Path | None, default=None, help="the manifest (default: DIR/manifest.csv)")
    parser.add_argument("--words", type=str | None, default=None, help="of wd only: the tags to use (default: S5's)")
    parser.add_argument("--least", type=float, default=0.5, help="how sure the tagger must be of a label it writes")
    parser.add_argument("--complete", action="store_true", help="by agreement of three classifiers")
    parser.add_argument("--agree", type=float, default=0.8, help="--complete: how sure each of the three must be")
    parser.add_argument("--alone", type=float, default=0.95, help="--complete: how sure one further source must be")
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one (default: auto)")
    parser.add_argument("--seed", type=int, default=0, help="--complete: of what is held out, and of the classifiers")
    return parser


def look(folder: Path, files: list[str], labeller: Labeller) -> tuple[list[str], Tensor, Seen]:
    """The readable files, small pictures of them, uint8 (N, 3, SIZE, SIZE), and what the tagger sees.

    Raises:
        UserError: none can be read.
    """
    readable, small, seen = [], [], []
    with tqdm(total=len(files), unit=" pictures", desc=f"looking at {folder}", leave=False, disable=None) as progress:
        for names in batched(files, BATCH):
            pictures = []
            for name in names:
                try:
                    pictures.append(labeller.open(folder / name))
                    readable.append(name)
                except Exception as error:  # Pillow raises whatever a damaged file leads it to
                    tqdm.write(f"skipped {name}: {type(error).__name__}: {error}")
            if pictures:
                pixels = torch.stack(pictures).float()
                seen.append(labeller.look(pixels / 127.5 - 1))
                tiny = F.interpolate(pixels, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)
                small.append(tiny.round().clamp(0, 255).to(torch.uint8))
            progress.update(len(names))
    if not seen:
        raise UserError(f"tag: none of the {len(files)} pictures in {folder} can be read")
    return readable, torch.cat(small), joined(seen)


def main(verb: str, arguments: list[str]) -> None:
    """Looks at every picture, fills in what is not given, writes the manifest in one piece."""
    quiet()
    options = build_parser().parse_args(arguments)
    for name in ("least", "agree", "alone"):
        if not 0 <= options[name] <= 1:
            raise UserError(f"--{name} {options[name]}: a confidence from 0 to 1")
    out: Path = options.out or options.dir / "manifest.csv"
    labeller = open_labeller(options.tagger, options.words, usable(options.device))
    files = picture_files(options.dir)
    # What is written already, in `out` before all else.
    written = read_manifest(out) if out.exists() else labels_of(options.dir) or Manifest((), [])
    files, small, seen = look(options.dir, files, labeller)
    base = prepared(written, files, labeller.vocabulary)
    # In the order of the files; rows of pictures that are not there, or cannot be read, stay as they are.
    rows = {row.file: row for row in base.rows}
    line = {row.file: number for number, row in enumerate(base.rows)}
    here = base._replace(rows=[rows[file] for file in files])
    labels = Labels(*(part[[line[file] for file in files]] for part in given_labels(base, labeller.vocabulary)))
    if options.complete:
        given_N = (~labels.tags_NT.isnan()).any(1) | (labels.classes_NA >= 0).any(1)
        draw = torch.rand(len(files), generator=torch.Generator().manual_seed(options.seed))
        if int(given_N.sum()) < FEWEST:
            raise UserError(
                f"--complete: {int(given_N.sum())} pictures have labels; it learns from at least {FEWEST}: "
                "write some, or leave the option out"
            )
        pool = Pool(small, seen, labels, given_N & (draw < HELD_OUT))
        completed = complete(labeller, pool, options.agree, options.alone, options.seed)
    else:
        completed = by_one(labeller, seen, labels, options.least)
    guessed = with_guesses(here, labeller.vocabulary, completed)
    rows |= {row.file: row for row in guessed.rows}
    write_manifest(out, base._replace(rows=[rows[row.file] for row in base.rows]))
    filled = int((completed.tag_origin_NT > 0).sum() + (completed.class_origin_NA > 0).sum())
    print(f"{out}: {filled:,} labels of {len(files):,} pictures filled in; what was written stays")
