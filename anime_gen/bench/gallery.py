"""One picture of all families: the same labels through each run, a row a family: `python -m anime_gen.bench.gallery`.

The first row shows painted faces that no run has learned from. Each family is told of their labels what it can be told;
one that is told nothing draws its first seeds. One that translates is given photos of the people behind those faces,
which stand above its row; a latent space is given the faces themselves, and shows what comes back of them.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from anime_gen import painter
from anime_gen.conditions import Condition
from anime_gen.contract import LatentSpace, Translator, UserError
from anime_gen.images import quantise, tile
from anime_gen.painter import natural
from anime_gen.run.opened import OpenRun

HAIRS, GENDERS = ("blonde", "blue", "pink", "black"), ("female", "male")
COLUMNS = [(hair, gender) for hair in HAIRS for gender in GENDERS]
HEADINGS = [f"{hair} hair, {'girl' if gender == 'female' else 'boy'}" for hair, gender in COLUMNS]
# Rows of a family's own sheet, and the faces of its strip.
ROWS, STRIP = 3, (0, 2, 4, 5)
# Faces of the seed that runs paint by default, in its test split.
SEED, FIRST, SPLITS = 0, 17, 20


class Row(NamedTuple):
    """A line of the picture."""

    name: str
    pictures_NCHW: Tensor  # uint8


def people(rows: int) -> list[int]:
    """Indices of test faces that are what the columns say, all columns of a row, then those of the next."""
    found: dict[tuple[str, str], list[int]] = {column: [] for column in COLUMNS}
    index = FIRST
    while any(len(some) < rows for some in found.values()):
        if index % SPLITS >= FIRST:
            classes = painter.labels(painter.sample_face(SEED, index)).attributes_A
            names = dict(zip(painter.VOCABULARY.attributes, classes.tolist(), strict=True))
            hair = painter.VOCABULARY.attributes["hair"][names["hair"]]
            gender = painter.VOCABULARY.attributes["gender"][names["gender"]]
            if len(some := found.get((hair, gender), [index] * rows)) < rows:
                some.append(index)
        index += 1
    return [found[column][row] for row in range(rows) for column in COLUMNS]


def painted(indices: Sequence[int], size: int) -> Tensor:
    """Faces."""
    return _stacked([painter.render(painter.sample_face(SEED, index), size) for index in indices])


def photographed(indices: Sequence[int], size: int) -> Tensor:
    """The people behind those faces."""
    statistics = painter.Statistics()
    return _stacked([natural.render_person(natural.sample_person(SEED, index, statistics), size) for index in indices])


def _stacked(pictures: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def labels_of(indices: Sequence[int]) -> Condition:
    """All that is true of those faces."""
    known = [painter.labels(painter.sample_face(SEED, index)) for index in indices]
    return Condition(
        tags_BT=torch.from_numpy(np.stack([one.tags_T for one in known])).float(),
        attributes_BA=torch.from_numpy(np.stack([one.attributes_A for one in known])).long(),
        landmarks_BK2=torch.from_numpy(np.stack([one.landmarks_K2 for one in known])).float(),
        visible_BK=torch.from_numpy(np.stack([one.visible_K for one in known])),
    )


class Drawn(NamedTuple):
    """What a run makes of people, uint8 (N, 3, H, W)."""

    given_NCHW: Tensor | None  # of which pictures; None: of labels or of nothing
    pictures_NCHW: Tensor


def drawn(run: OpenRun, indices: Sequence[int]) -> Drawn:
    """Each picture has a seed of its own, whatever it is made of."""
    module, seeds = run.module, range(len(indices))
    given = None
    match module:
        case Translator():
            given = photographed(indices, module.image_size)
            made = module.sample(Condition(source_BCHW=given.float() / 127.5 - 1), seeds)
        case LatentSpace():
            given = painted(indices, module.image_size)
            made = module.decode(module.encode(given.to(module.device).float() / 127.5 - 1))
        case _:
            made = module.sample(labels_of(indices).only(module.needs), seeds)
    return Drawn(given, quantise(made).cpu())


def said(run: OpenRun) -> str:
    """A run's name, and how long it was trained."""
    aside = "" if run.module.needs else " (told nothing)"
    if isinstance(run.module, LatentSpace):
        aside = " (what comes back of the painted)"
    return f"{run.folder.parent.name}{aside} {run.trained.images_shown:,} pictures"


def small(sheet: Image.Image) -> Image.Image:
    """With a palette of its own: a quarter of the bytes, and nobody sees it."""
    return sheet.quantize(255, dither=Image.Dither.NONE)


def draw(runs: Sequence[Path], out: Path, strips: Path | None, checkpoint: str, device: str) -> None:
    """Writes the picture; for each family, a sheet of its own and a strip of a few faces, too, if `strips` is a folder.

    Raises:
        UserError: a run that cannot be loaded, or whose pictures have another size than the first one's.
    """
    rows: list[Row] = []
    indices, size = people(ROWS), 0
    shown = len(COLUMNS)
    for folder in runs:
        run = OpenRun(folder, checkpoint, device)
        size = size or run.module.image_size
        if run.module.image_size != size:
            raise UserError(f"{folder} draws pictures of {run.module.image_size} px, others of {size} px")
        given, pictures = drawn(run, indices)
        name = said(run)
        if not rows:
            rows.append(Row("painted: their labels are what each row is told", painted(indices[:shown], size)))
        if isinstance(run.module, Translator) and given is not None:
            rows.append(Row("photos for the row below", given[:shown]))
        rows.append(Row(name, pictures[:shown]))
        print(name, flush=True)
        if strips is not None:
            strips.mkdir(parents=True, exist_ok=True)
            headings = HEADINGS if run.module.needs and given is None else None
            family = folder.parent.name
            if given is not None:
                pairs = zip(given.chunk(ROWS), pictures.chunk(ROWS), strict=True)
                pictures = torch.cat([part for pair in pairs for part in pair])
            small(tile(pictures, shown, headings=headings)).save(strips / f"{family}.png", optimize=True)
            strip = rows[-1].pictures_NCHW[list(STRIP)]
            small(tile(strip, len(STRIP)).resize((202, 52), Image.Resampling.LANCZOS)).save(
                strips / f"{family}_strip.png", optimize=True
            )
    sheet = tile(
        torch.cat([row.pictures_NCHW for row in rows]),
        shown,
        captions=[row.name for row in rows],
        headings=HEADINGS,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    small(sheet).save(out, optimize=True)
    print(f"{out}: {out.stat().st_size // 1024} KiB")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="run folders in the order of their rows: .../<family>/NAME")
    parser.add_argument("--out", type=Path, default=Path("runs/gallery/gallery.png"), help="the picture")
    parser.add_argument("--strips", type=Path, help="a folder for a sheet and a small strip of each family")
    parser.add_argument("--checkpoint", default="last", help="best (by score) or last (default: last)")
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one")
    given = parser.parse_args(arguments)
    draw(given.runs, given.out, given.strips, given.checkpoint, given.device)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
