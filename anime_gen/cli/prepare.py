"""prepare: from a heap of illustrations to a folder of faces that DATA= takes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

from anime_gen import prepare
from anime_gen.cli.quiet import quiet
from anime_gen.cli.shards import written
from anime_gen.contract import UserError
from anime_gen.data.folder import SHARDS
from anime_gen.files import fitting, write_text
from anime_gen.prepare import pipeline, report
from anime_gen.prepare.picture import Work
from anime_gen.prepare.rules import Rules
from anime_gen.prepare.tagging import Tagging
from anime_gen.settings.parser import OneLineParser


def build_parser() -> OneLineParser:
    """The options of `anime-gen prepare`."""
    parser = OneLineParser(
        prog="anime-gen prepare",
        description="Finds, cuts out, judges and compares the faces of a folder of illustrations of any size and kind. "
        "The same command goes on where it was stopped.",
    )
    parser.add_argument("raw", type=Path, help="folder of illustrations, with labels in any form or without")
    parser.add_argument("--out", type=Path, required=True, help="new folder: faces, manifest.csv, report.html")
    parser.add_argument(
        "--detector",
        type=prepare.Detector | None,
        default=None,
        help="AnimeFaceDetector (default where its weights are), AnimeFace (default where not), Cascade or Whole",
    )
    parser.add_argument(
        "--landmarks",
        type=prepare.Landmarks | None,
        default=None,
        help="who places the 24 landmarks (default: the detector where it tells them, else Heatmaps)",
    )
    parser.add_argument(
        "--tagger",
        type=str | None,
        default=None,
        help="a file of `anime-gen tagger fit`, or wd:FOLDER (default: labels of the raw folder alone)",
    )
    parser.add_argument("--words", type=str | None, default=None, help="of wd only: the tags to use (default: S5's)")
    parser.add_argument("--least_tag", type=float, default=0.5, help="how sure the tagger must be of a label it writes")
    parser.add_argument(
        "--shards", type=Path | None, default=None, help="new folder: the same once more, as `anime-gen shards` does it"
    )
    parser.add_argument("--processes", type=int | None, default=None, help="how many (default: one for each core)")
    parser.add_argument(
        "--ray",
        type=str | None,
        default=None,
        help="address of a Ray cluster (or auto, or local) that does the work; RAW and OUT have the same names on it",
    )
    parser.add_class_arguments(Rules, None, help="what is kept")
    return parser


def usual() -> prepare.Detector:
    """The best detector that this machine has."""
    there = all(prepare.AnimeFaceDetector.cached(model) for model in ("yolov3", "hrnetv2"))
    return prepare.AnimeFaceDetector() if there else prepare.AnimeFace()


def main(verb: str, arguments: list[str]) -> None:
    """`anime-gen prepare RAW --out DIR`."""
    quiet()
    parser = build_parser()
    options = parser.parse_args(arguments)
    given = parser.instantiate_classes(options)
    rules = Rules(**{name: given[name] for name in vars(Rules())})
    rules.check()
    out, raw = given.out.absolute(), given.raw.absolute()
    if out.resolve() == raw.resolve() or raw.resolve() in out.resolve().parents:
        raise UserError(
            f"--out {given.out} is in the folder of the raw pictures, and would be found there: give another"
        )
    if out.resolve() in raw.resolve().parents:
        raise UserError(f"--out {given.out} holds the folder of the raw pictures: give another, new one")
    if out.is_dir() and any(out.iterdir()) and not (out / "journal.jsonl").exists():
        raise UserError(f"--out {given.out} is not empty, and nothing that was prepared: give a new folder")
    if given.processes is not None and given.processes < 1:
        raise UserError(f"--processes {given.processes}: at least 1")
    if given.shards is not None and given.shards.exists() and not (given.shards / SHARDS).exists():
        raise UserError(f"--shards {given.shards} is there already, and holds no shards: give a new folder")
    if given.shards is not None and given.shards.exists() and not out.exists():
        raise UserError(f"--shards {given.shards} are of other pictures: give a new folder")
    detector = given.detector or usual()
    if detector.framed:
        rules = replace(rules, margin=0.0)
    landmarks = given.landmarks or (None if detector.marks else prepare.Heatmaps())
    if given.words is not None and given.tagger is None:
        raise UserError("--words is of a tagger: name one with --tagger=wd:FOLDER")
    tagging = None if given.tagger is None else Tagging(given.tagger, given.words, given.least_tag)
    work = Work(raw, out, detector, rules, landmarks, tagging)
    outcomes = pipeline.prepare(work, given.processes, given.ray)
    told = pipeline.told(work)
    write_text(out / "report.json", json.dumps(report.as_json(outcomes, told), indent=1) + "\n")
    write_text(out / "report.html", report.as_html(outcomes, raw, told))
    print(report.summary(outcomes))
    print(f"{given.out}/report.html shows them")
    if not any(face.dropped is None for outcome in outcomes for face in outcome.faces):
        raise UserError(f"no face is left: {given.out}/report.html says why")
    if given.shards is None:
        print(f"next: make experiment MODEL=diffusion DATA={given.out}")
    else:
        # The same command once more: new pictures may have come. What was there stays until the new is whole.
        if given.shards.exists():
            aside = given.shards.with_name(fitting(given.shards.name, ".before"))
            shutil.rmtree(aside, ignore_errors=True)
            given.shards.rename(aside)
            written(given.out, given.shards)
            shutil.rmtree(aside)
        else:
            written(given.out, given.shards)
