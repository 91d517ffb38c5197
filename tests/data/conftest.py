from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def faces(tmp_path) -> Path:
    """120 readable 24 px pictures in a folder and one below it, each of one colour that tells them apart."""
    folder = tmp_path / "faces"
    (folder / "more").mkdir(parents=True)
    for number in range(120):
        place = folder / ("more" if number % 2 else ".") / f"{number:03}.png"
        Image.fromarray(np.full((24, 24, 3), (number, 2 * number, 255 - number), np.uint8)).save(place)
    return folder
