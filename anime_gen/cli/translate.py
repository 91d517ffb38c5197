"""translate: photos through the run of a family that translates, each with a word on how far to trust it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import batched
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from anime_gen.cli.family import data_of
from anime_gen.cli.train import OneLineParser, quiet
from anime_gen.contract import Condition, Translator, UserError, usable
from anime_gen.data import AnimeFaces
from anime_gen.data.decode import decode, read
from anime_gen.data.folder import picture_files
from anime_gen.data.portrait import Square, find_face, framed, usual_frame
from anime_gen.files import write_picture, write_text
from anime_gen.images import quantise, tile
from anime_gen.run import load, run_of

# Held-out photos that say what is usual, and those that are translated where none are named.
USUALLY, SHOWN = 128, 16


class Usual(NamedTuple):
    """What the run's own held-out photos are like."""

    frame: Square
    cycle_error: float  # levels of 255 that 99 of 100 of them stay below


class Framed(NamedTuple):
    """A photo as the family is shown it."""

    file: Path
    photo: np.ndarray  # uint8 (H, W, 3)
    face: Square | None  # where it was found in the file, in pixels


class Unreadable(NamedTuple):
    """A photo that is none."""

    file: Path
    reason: str


class Translated(NamedTuple):
    """One photo and what became of it."""

    file: Path
    photo: np.ndarray  # uint8 (H, W, 3): what the family was shown
    picture: np.ndarray
    face: Square | None
    cycle_error: float

    def doubts(self, usual: Usual) -> list[str]:
        """Why not to trust it, in words; nothing where there is no reason."""
        reasons = [] if self.face else ["no face found: the whole picture was translated"]
        if self.cycle_error > usual.cycle_error:
            reasons.append(
                f"unlike the run's held-out photos: what comes back is {self.cycle_error:.0f} levels off, "
                f"of 99 in 100 of theirs at most {usual.cycle_error:.0f}"
            )
        return reasons


def main(verb: str, arguments: list[str]) -> None:
    """`anime-gen translate RUN [PHOTO...] --out DIR`."""
    quiet()
    parser = OneLineParser(prog="anime-gen translate", description="photos to anime faces, by a run that translates")
    parser.add_argument("run", type=Path, help="run folder, such as runs/cyclegan/NAME, or a .ckpt file")
    parser.add_argument(
        "photos",
        type=Path,
        nargs="*",
        default=[],
        help=f"photos, or folders of them; none: {SHOWN} test photos of the run",
    )
    parser.add_argument("--out", type=Path, default=Path("translations"), help="folder for the pictures")
    parser.add_argument("--checkpoint", default="last", help="best (by score) or last (default: last)")
    parser.add_argument("--seed", type=int, default=0, help="of the noise, where the run adds any")
    parser.add_argument("--device", default="auto", help="cpu or cuda; auto: a GPU where there is one (default: auto)")
    given = parser.parse_args(arguments)
    files = photo_files(given.photos)
    trained = load(given.run, given.checkpoint, usable(given.device))
    module = trained.module
    if not isinstance(module, Translator):
        raise UserError(
            f"{given.run} is a run of {type(module).__name__}, which translates nothing: give one that does, such as "
            "runs/cyclegan/NAME"
        )
    make_folder(given.out, files)
    data = data_of(run_of(trained.path))
    usual = usual_of(module, data)
    photos = frame_photos(files, usual.frame, module.image_size) if given.photos else held_out(data, usual.frame)
    lines, shown = [], []
    for done in tqdm(translations(module, photos, given.seed), "translating", len(files) or SHOWN, leave=False):
        if isinstance(done, Unreadable):
            tqdm.write(f"{done.file}: cannot be read ({done.reason})")
            lines.append([done.file, "", "", "", "unreadable", done.reason])
            continue
        reasons = done.doubts(usual)
        target = given.out / f"{done.file.stem}.png"
        while any(target == line[1] for line in lines) or target.name == "sheet.png":
            target = target.with_name(f"{target.stem}_.png")
        write_picture(target, Image.fromarray(done.picture))
        shown += [done.photo, done.picture]
        confidence = "low" if reasons else "usual"
        face = "" if done.face is None else " ".join(str(round(part)) for part in done.face)
        lines.append([done.file, target, face, f"{done.cycle_error:.1f}", confidence, "; ".join(reasons)])
        tqdm.write(f"{done.file} -> {target}" + (f"   LOW CONFIDENCE: {'; '.join(reasons)}" if reasons else ""))
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["file", "translation", "face_x_y_side", "cycle_error", "confidence", "why"])
    writer.writerows(lines)
    write_text(given.out / "translations.csv", table.getvalue())
    if shown:
        sheet = tile(torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2), 8, headings=["photo", "anime"] * 4)
        write_picture(given.out / "sheet.png", sheet)
    low = sum(line[4] == "low" for line in lines)
    told = f"{len(shown) // 2} of {len(lines)} translated, {low} with low confidence"
    print(f"{told}: {given.out}/translations.csv, sheet.png")
    if not shown:
        raise UserError("none of the photos could be read")


def photo_files(places: list[Path]) -> list[Path]:
    """The pictures among files and folders, each folder's in name order.

    Raises:
        UserError: a place is not there, or a folder has none.
    """
    files: list[Path] = []
    for place in places:
        if not place.exists():
            raise UserError(f"translate: {place} is not there")
        files += [place / name for name in picture_files(place)] if place.is_dir() else [place]
    return files


def make_folder(out: Path, files: list[Path]) -> None:
    """Raises: UserError: `out` cannot be made, or holds the photos, which results must not replace or join."""
    if any(out.resolve() == file.resolve().parent for file in files):
        raise UserError(f"translate: --out {out} is the folder of the photos themselves: give another")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise UserError(f"translate: --out {out}: {reason.strerror}") from reason


@torch.no_grad()
def usual_of(module: Translator, data: AnimeFaces) -> Usual:
    """How the held-out photos of a run frame their faces, and how well they come back."""
    batches = [batch.condition.source_BCHW for batch in data.loader("validation", module.needs, USUALLY)]
    photo_BCHW = torch.cat([part for part in batches if part is not None])
    _, error_B = there_and_back(module, photo_BCHW, 0)
    frame = usual_frame(quantise(photo_BCHW).permute(0, 2, 3, 1).numpy())
    return Usual(frame, float(error_B.quantile(0.99)))


def there_and_back(module: Translator, photo_BCHW: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Translations, uint8 (B, 3, H, W), and how far what comes back of them is from the photos: (B,), levels of 255."""
    photo_BCHW = photo_BCHW.to(module.device)
    made_BCHW = module.sample(Condition(source_BCHW=photo_BCHW), [seed] * len(photo_BCHW))
    again = quantise(module.back(made_BCHW)).double()
    return quantise(made_BCHW).cpu(), (again - quantise(photo_BCHW).double()).abs().flatten(1).mean(1).cpu()


def frame_photos(files: list[Path], frame: Square, size: int) -> Iterator[Framed | Unreadable]:
    """Finds each photo's face, and frames it as the run's photos are framed."""
    for file in files:
        try:
            picture = read(file)
            face = find_face(picture)
            yield Framed(file, decode(file, size) if face is None else framed(picture, face, frame, size), face)
        except Exception as reason:  # whichever way a file is broken
            yield Unreadable(file, " ".join(str(reason).split()))


def held_out(data: AnimeFaces, frame: Square) -> Iterator[Framed]:
    """The first test photos of a run's own data, which are framed as they are."""
    names, photo_BCHW = data.other_pictures("test", SHOWN)
    for name, photo in zip(names, quantise(photo_BCHW).permute(0, 2, 3, 1).numpy(), strict=True):
        yield Framed(Path(name), photo, Square(*(part * len(photo) for part in frame)))


@torch.no_grad()
def translations(
    module: Translator, photos: Iterable[Framed | Unreadable], seed: int = 0
) -> Iterator[Translated | Unreadable]:
    """Translates, a chunk at a time; what cannot be read comes by as it is."""
    for some in batched(photos, module.chunk):
        yield from (one for one in some if isinstance(one, Unreadable))
        ready = [one for one in some if isinstance(one, Framed)]
        if not ready:
            continue
        photo_BHWC = torch.from_numpy(np.stack([one.photo for one in ready]))
        made, error_B = there_and_back(module, photo_BHWC.permute(0, 3, 1, 2).float() / 127.5 - 1, seed)
        for one, picture_CHW, error in zip(ready, made, error_B.tolist(), strict=True):
            yield Translated(one.file, one.photo, picture_CHW.permute(1, 2, 0).numpy(), one.face, error)
