"""Raw pictures of which everything is known."""

import numpy as np
import pytest
from PIL import Image

from anime_gen.painter import render, sample_face


def painted(index: int, size: int = 96) -> np.ndarray:
    """A painted face, uint8 (size, size, 3)."""
    return render(sample_face(0, index), size)


@pytest.fixture
def raw(tmp_path):
    """Twelve painted faces, in a folder."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for index in range(12):
        Image.fromarray(painted(index)).save(folder / f"{index:02}.png")
    return folder
