"""What a user can write wrong in the YAML of a label-told family is one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("family", "key", "words"),
    [
        ("acgan", "--model.game=anime_gen.families.acgan.Solitaire", ["game", "Solitaire"]),
        ("acgan", "--model.game.tags=many", ["tags", "many"]),
        ("acgan", "--model.game.tags=-1", ["tags -1", "0 or more"]),
        ("acgan", "--model.loss=anime_gen.blocks.DRAGAN", ["BatchNorm", "--model.networks.norm=none"]),
        ("acgan_resnet", "--data.image_size=48", ["image_size is 48", "16, 32, 64, 128 or 256"]),
        ("vae", "--model.label_dropout=2", ["model.label_dropout=2.0", "share from 0 to 1"]),
    ],
)
def test_a_mistake_is_one_line(
    family: str, key: str, words: list[str], here: Callable[..., Any], tmp_path: Path
) -> None:
    yamls = ("-c", "experiments/shared.yaml", "-c", f"experiments/family/{family}.yaml")
    result = here("fit", *yamls, key, "--run", tmp_path / "run")
    assert result.returncode == 2
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("anime-gen: ")
    for word in words:
        assert word in line
