"""An experiment file, and the runs that it stands for."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonargparse import ArgumentParser

from anime_gen.contract import UserError
from anime_gen.reading import read_yaml
from anime_gen.reports.matching import At

EXPERIMENTS = Path("experiments")


@dataclass(frozen=True)
class Variant:
    """What one name of a study stands for: a YAML of experiments/family/, and keys that change it."""

    family: str
    set: dict[str, Any] = field(default_factory=dict)

    @property
    def yaml(self) -> Path:
        return EXPERIMENTS / "family" / f"{self.family}.yaml"


@dataclass(frozen=True)
class Study:
    """An experiment file: every variant is trained with every seed. Keys are those of `anime-gen fit`."""

    title: str
    runs: dict[str, Variant]
    seeds: list[int] = field(default_factory=lambda: [0])
    at: At = At.images
    overlay: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One run of a study: where it lies, and the words of its `anime-gen fit` but for that place."""

    name: str
    seed: int
    folder: Path
    words: list[str]

    def __str__(self) -> str:
        return f"{self.name}, seed {self.seed}"


def read_study(path: Path, parser: ArgumentParser) -> Study:
    """The study of an experiment file.

    Args:
        path: the file.
        parser: an empty one, which says what is wrong with a key as the suite does: as a UserError of one line.

    Raises:
        UserError: no such file, a key or a family that there is not, or nothing to run.
    """
    parser.add_class_arguments(Study)
    if not path.is_file():
        raise UserError(f"there is no file {path}; experiment files lie in {EXPERIMENTS}/")
    written = read_yaml(path)
    if not isinstance(written, dict):
        raise UserError(f"{path} is no experiment file: it has title, seeds, overlay and runs")
    try:
        checked = parser.parse_object(copy.deepcopy(written))
    except UserError as reason:
        raise UserError(f"{path}: {reason}") from reason
    # Keys are taken as they are written: what a key may be is for `fit` to say.
    runs = {name: Variant(own["family"], own.get("set", {})) for name, own in written["runs"].items()}
    study = Study(checked.title, runs, checked.seeds, checked.at, written.get("overlay", {}))
    for name, variant in study.runs.items():
        if not variant.yaml.exists():
            there = ", ".join(sorted(yaml.stem for yaml in variant.yaml.parent.glob("*.yaml")))
            raise UserError(f"{path}: runs.{name}.family: there is no {variant.yaml}; there are: {there}")
        if Path(name).name != name:
            raise UserError(f"{path}: runs.{name}: a name becomes a folder, so it has no slash")
    if not study.runs or not study.seeds or len(set(study.seeds)) < len(study.seeds):
        raise UserError(f"{path}: give at least one run and one seed, and each seed once")
    return study


def as_words(keys: Mapping[str, Any]) -> list[str]:
    """{"model.landmarks": None} -> ["--model.landmarks=null"]: as they are typed on the command line."""
    return [f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in keys.items()]


def plan(study: Study, out: Path, more: Sequence[str] = ()) -> list[Job]:
    """Every variant with the first seed, then with the next, so that a study cut short is a fair one of fewer seeds.

    Args:
        study: what to run.
        out: the study's folder.
        more: further words for every run; they win.
    """
    jobs = []
    for seed in study.seeds:
        for name, variant in study.runs.items():
            words = [f"--config={EXPERIMENTS / 'shared.yaml'}", f"--config={variant.yaml}"]
            words += [*as_words(study.overlay), *as_words(variant.set), *more]
            words += as_words({"seed_everything": seed, "data.seed": seed})
            jobs.append(Job(name, seed, out / name / str(seed), words))
    return jobs
