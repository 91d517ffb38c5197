"""Run folders as the suite writes them, without the training."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from anime_gen.metrics.protocol import Record, write

# A run's levels at the end, by family: fd_judge, accuracy_hair, landmark_nme, parameters.
LEVELS = {"diffusion": (20.0, 0.95, 0.04, 3.7e6), "dcgan": (30.0, None, None, 3.6e6), "dit": (24.0, 0.9, 0.06, 5.0e6)}
DIRECTIONS = {"fd_judge": "lower", "accuracy_hair": "higher", "landmark_nme": "lower", "images_per_second": "higher"}

CONTROL = ("accuracy_hair", "landmark_nme")


def make_run(
    root: Path,
    family: str,
    seed: int,
    name: str | None = None,
    images: tuple[int, ...] = (1000, 2000, 3000),
    speed: float = 100.0,
    num_fake: int = 512,
    **settings: object,
) -> Path:
    """runs/<family>/<name> with scores that get better with images, other ones for each seed."""
    folder = root / family / (name or f"seed{seed}")
    folder.mkdir(parents=True)
    config = {
        "seed_everything": seed,
        "run": None,
        **({"minutes": None} if seed else {}),  # as runs have since there is such a key
        "trainer": {
            "max_epochs": len(images),
            "default_root_dir": str(folder),
            "callbacks": [{"class_path": "anime_gen.callbacks.Grids", "init_args": {"rows": 8, "columns": 8}}],
        },
        "model": {"class_path": f"anime_gen.families.{family}", "init_args": {"lr": 0.001, **settings}},
        "data": {"image_size": 32, "source": {"class_path": "anime_gen.data.PaintedFaces"}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    luck = random.Random(f"{family}{seed}{name}{settings}")
    fd, hair, nme, parameters = LEVELS[family]
    records = []
    for nimg in images:
        far = math.exp(-nimg / 1000)
        values = {
            "fd_judge": fd * (1 + 4 * far) + luck.gauss(0, 0.7),
            "accuracy_hair": hair and hair * (1 - far) + luck.gauss(0, 0.01),
            "landmark_nme": nme and nme * (1 + far) + luck.gauss(0, 0.001),
            "faces_real": 1.0,
        }
        records += [
            Record(score, value, nimg, nimg / speed, {
                "extractor": "judge", "num_fake": num_fake, "num_real": 512, "split": "validation",
                "data": {"image_size": 32}, "better": DIRECTIONS.get(score), "system": {"precision": "32-true"},
                **({"observed": {"num_asked": 512}} if value and score in CONTROL else {}),
            })
            for score, value in values.items()
        ]  # fmt: skip
    costs = {"parameters": parameters, "images_per_second": speed, "peak_memory_gib": 1.2}
    records += [
        Record(name, value, images[-1], images[-1] / speed, {"device": "cpu", "better": DIRECTIONS.get(name)})
        for name, value in costs.items()
    ]
    write(folder / "metrics.json", records)
    return folder


@pytest.fixture
def make() -> Callable[..., Path]:
    return make_run


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Three families with three seeds each; dcgan is asked nothing, and is faster."""
    return [
        make_run(tmp_path / "runs", family, seed, speed=200.0 if family == "dcgan" else 100.0)
        for family in LEVELS
        for seed in (0, 1, 2)
    ]
