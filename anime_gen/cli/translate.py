"""translate: photos through the run of a family that translates, each with a word on how far to trust it."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from anime_gen.cli.quiet import quiet
from anime_gen.contract import Translator, UserError
from anime_gen.data.listing import picture_files
from anime_gen.escape import in_csv
from anime_gen.files import fitting, write_picture, write_text
from anime_gen.images import tile
from anime_gen.run.opened import OpenRun
from anime_gen.run.photos import SHOWN, Unreadable, frame_photos, held_out, translations, usual_of
from anime_gen.settings.parser import OneLineParser


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
    run = OpenRun(given.run, given.checkpoint, given.device)
    module = run.module
    if not isinstance(module, Translator):
        raise UserError(
            f"{given.run} is a run of {type(module).__name__}, which translates nothing: give one that does, such as "
            "runs/cyclegan/NAME"
        )
    make_folder(given.out, files)
    usual = usual_of(module, run.data)
    photos = frame_photos(files, usual.frame, module.image_size) if given.photos else held_out(run.data, usual.frame)
    lines, shown, taken = [], [], {"sheet.png"}
    for done in tqdm(translations(module, photos, given.seed), "translating", len(files) or SHOWN, leave=False):
        if isinstance(done, Unreadable):
            tqdm.write(f"{done.file}: cannot be read ({done.reason})")
            lines.append([done.file, "", "", "", "unreadable", done.reason])
            continue
        reasons = done.doubts(usual)
        # Two photos of two folders may have one name.
        names = (fitting(f"{done.file.stem}{'_' * more}", ".png") for more in itertools.count())
        target = given.out / next(name for name in names if name not in taken)
        taken.add(target.name)
        write_picture(target, Image.fromarray(done.picture))
        shown += [done.photo, done.picture]
        confidence = "low" if reasons else "usual"
        face = "" if done.face is None else " ".join(str(round(part)) for part in done.face)
        lines.append([done.file, target, face, f"{done.cycle_error:.1f}", confidence, "; ".join(reasons)])
        tqdm.write(f"{done.file} -> {target}" + (f"   LOW CONFIDENCE: {'; '.join(reasons)}" if reasons else ""))
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["file", "translation", "face_x_y_side", "cycle_error", "confidence", "why"])
    writer.writerows([in_csv(str(cell)) for cell in line] for line in lines)
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
