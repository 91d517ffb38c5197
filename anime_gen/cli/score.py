"""score: compares any two folders of pictures, by the code that scores runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import batched, groupby
from pathlib import Path

import numpy as np
import torch
from jsonargparse import ArgumentParser
from torch import Tensor
from tqdm import tqdm

from anime_gen.contract import UserError, usable
from anime_gen.data.listing import picture_files
from anime_gen.decode import decode, read
from anime_gen.metrics.distribution import CMMD, KID, PRDC, FrechetDistance, InceptionScore, KernelDistance
from anime_gen.metrics.extractors import EXTRACTORS
from anime_gen.metrics.features import Classifier, Extractor
from anime_gen.metrics.patches import SlicedWasserstein
from anime_gen.metrics.protocol import Record, Role, Score, write
from anime_gen.metrics.scores import Scores, computed
from anime_gen.metrics.spectrum import SpectrumDistance
from anime_gen.settings.parser import OneLineParser

# Scores of the pixels themselves, of pictures of one size.
OF_PIXELS: Mapping[str, Callable[[int], Score]] = {"swd": SlicedWasserstein, "spectrum": SpectrumDistance}

BATCH = 64  # pictures read ahead: a whole number of every extractor's chunks


class Pictures:
    """The pictures of a folder and of those below it, in the order of their names, a batch of one size at a time.

    Args:
        folder: where they are.
        size: centre squares are resized to it; None: every picture is taken as it is.
    """

    def __init__(self, folder: Path, size: int | None) -> None:
        self.folder = folder
        self.names = picture_files(folder)
        self._read: Callable[[Path], np.ndarray] = read if size is None else partial(decode, size=size)
        self._digest = hashlib.sha256()

    @property
    def side(self) -> int:
        """Pixels a side of the first picture, which must be a square.

        Raises:
            UserError: it is none.
        """
        height, width, _ = self._open(self.names[0]).shape
        if height != width:
            raise UserError(
                f"{self.folder / self.names[0]} is no square: give --image_size, or leave render, swd and spectrum out"
            )
        return height

    @property
    def content(self) -> str:
        """sha256 of shapes and pixels of what was read so far: says which pictures were scored."""
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[Tensor]:
        """Uint8 (B, 3, H, W); the next batch is read while this one is looked at."""
        with ThreadPoolExecutor(os.cpu_count()) as readers:
            ahead: Iterator[np.ndarray] = iter(())
            for names in [*batched(self.names, BATCH), ()]:
                ready, ahead = ahead, readers.map(self._open, names)
                for shape, pictures in groupby(ready, np.shape):
                    pixels = np.stack(list(pictures))
                    self._digest.update(repr(shape).encode())
                    self._digest.update(pixels)
                    yield torch.from_numpy(pixels).permute(0, 3, 1, 2)

    def _open(self, name: str) -> np.ndarray:
        path = self.folder / name
        try:
            return self._read(path)
        except Exception as reason:  # Pillow raises whatever a damaged file leads it to
            raise UserError(f"{path} cannot be read ({reason}): move it out of {self.folder}") from reason


def build_parser() -> ArgumentParser:
    """The options of `anime-gen score`."""
    parser = OneLineParser(
        prog="anime-gen score",
        description="Compares two folders of pictures, ours or not, by the code that scores runs.",
    )
    parser.add_argument("--real", type=Path, required=True, help="folder of real pictures; folders below count too")
    parser.add_argument("--fake", type=Path, required=True, help="folder of pictures that were made")
    parser.add_argument(
        "--metrics",
        default="fd,kd,prdc",
        help="fd (FID is fd of inception), kd (kernel distance of all pairs), kid (of random subsets, as published), "
        "prdc (precision, recall, density, coverage), is (Inception score), cmmd; without extractor swd (sliced "
        "Wasserstein distance of patches), spectrum (of radial power spectra)",
    )
    parser.add_argument(
        "--extractor",
        action="append",
        default=[],
        help=f"NAME or NAME=FILE of its weights, any number of times; without one, judge: {', '.join(EXTRACTORS)}",
    )
    parser.add_argument(
        "--image_size",
        type=int | None,
        default=None,
        help="take centre squares, of this size; without it, pictures as they are",
    )
    parser.add_argument("--kid_subsets", type=int, default=100, help="random subsets of kid")
    parser.add_argument("--kid_subset_size", type=int, default=1000, help="pictures in each")
    parser.add_argument("--is_splits", type=int, default=10, help="splits of is")
    parser.add_argument("--seed", type=int, default=2020, help="of subsets and splits; torch-fidelity's is 2020")
    parser.add_argument("--json", type=Path | None, default=None, help="file for the scores with their protocols")
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one (default: auto)")
    return parser


def open_extractor(text: str) -> Extractor:
    """NAME or NAME=FILE -> the extractor.

    Raises:
        UserError: no such name, or no weights.
    """
    name, _, file = text.partition("=")
    if name not in EXTRACTORS:
        raise UserError(f"--extractor {text}: there is no extractor {name!r}; they are {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name](weights=Path(file) if file else None)


def open_score(name: str, makers: Mapping[str, Callable[[Extractor], Score]], extractor: Extractor) -> Score:
    """One of the metrics on one of the extractors.

    Raises:
        UserError: no such metric, or one that the extractor cannot have.
    """
    if name not in makers:
        hint = (
            "FID is fd with --extractor inception" if name == "fid" else f"they are {', '.join([*makers, *OF_PIXELS])}"
        )
        raise UserError(f"--metrics: there is no {name!r}; {hint}")
    if name == "is" and not isinstance(extractor, Classifier):
        raise UserError(f"--metrics is: {extractor.name} names no classes; add --extractor inception, or leave it out")
    return makers[name](extractor)


def open_scores(
    metrics: Sequence[str],
    makers: Mapping[str, Callable[[Extractor], Score]],
    extractors: Sequence[Extractor],
    size: int,
) -> Scores:
    """The metrics on every extractor, and those of the pixels of pictures `size` a side.

    Raises:
        UserError: no such metric, or one that an extractor cannot have.
    """
    return Scores(
        [
            *(open_score(name, makers, one) for one in extractors for name in metrics if name not in OF_PIXELS),
            *(OF_PIXELS[name](size) for name in metrics if name in OF_PIXELS),
        ]
    )


def main(verb: str, arguments: list[str]) -> None:
    """Reads both folders once, prints a table, writes the records."""
    options = build_parser().parse_args(arguments)
    if options.image_size is not None and options.image_size < 1:
        raise UserError(f"--image_size {options.image_size}: at least 1")
    for name in ("kid_subsets", "is_splits"):
        if options[name] < 1:
            raise UserError(f"--{name} {options[name]}: at least 1")
    if options.kid_subset_size < 2:
        raise UserError(f"--kid_subset_size {options.kid_subset_size}: at least 2")
    device = usable(options.device)
    if options.json is not None and not options.json.absolute().parent.is_dir():
        raise UserError(f"--json {options.json}: there is no folder {options.json.absolute().parent}; make it first")
    makers: dict[str, Callable[[Extractor], Score]] = {
        "fd": FrechetDistance,
        "kd": KernelDistance,
        "kid": partial(KID, subsets=options.kid_subsets, subset_size=options.kid_subset_size, seed=options.seed),
        "prdc": PRDC,
        "is": partial(InceptionScore, splits=options.is_splits, seed=options.seed),
        "cmmd": CMMD,
    }
    metrics = [name.strip() for name in options.metrics.split(",")]
    sides = {
        Role.HELD_OUT: Pictures(options.real, options.image_size),
        Role.SAMPLE: Pictures(options.fake, options.image_size),
    }
    of_features = [name for name in metrics if name not in OF_PIXELS]
    extractors = [open_extractor(text) for text in options.extractor or ["judge"]] if of_features else []
    of_pixels = [name for name in metrics if name in OF_PIXELS]
    named = [*(extractor.name for extractor in extractors if extractor.resize == "none"), *of_pixels]
    size = options.image_size
    if named and size is None:
        size, other = (pictures.side for pictures in sides.values())
        if size != other:
            raise UserError(f"{', '.join(named)}: real pictures are of {size} px, others of {other}; give --image_size")
    scores = open_scores(metrics, makers, extractors, size).to(device)
    for role, pictures in sides.items():
        progress = tqdm(total=len(pictures.names), desc=f"looking at {pictures.folder}", leave=False, disable=None)
        for images in pictures:
            scores.update(images.to(device), role)
            progress.update(len(images))
        progress.close()
    real, fake = sides.values()
    shared = {
        "data": {"real": real.content, "image_size": options.image_size},
        "system": {"fake": fake.content, "folder": str(options.fake)},
    }
    records, refused = [], []
    for score in scores.scores:
        try:
            found = computed(score)
        except UserError as reason:
            refused.append(f"{', '.join(score.names)}: {reason}")
            continue
        records += [Record(scored.name, scored.value, 0, 0.0, {**scored.protocol, **shared}) for scored in found]
    print(f"real  {len(real.names):,} pictures of {real.folder}")
    print(f"fake  {len(fake.names):,} pictures of {fake.folder}")
    width = max((len(record.name) for record in records), default=0)
    for record in records:
        print(f"{record.name:<{width}}  {record.value:.6g}")
    if options.json is not None:
        write(options.json, records)
        print(f"scores and protocols: {options.json}")
    if refused:
        raise UserError("not computed: " + "; ".join(refused))
