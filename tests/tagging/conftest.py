"""Small labelled pictures on which a small tagger learns in a second or two."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anime_gen.tagging.network import Tagger
from anime_gen.vocabulary import Vocabulary

HAIR = {"red": (200, 30, 30), "green": (30, 180, 30), "blue": (30, 30, 200)}
WORDS = Vocabulary(["smile", "hat"], {"hair": ["blue", "green", "red"]})
SMALL = {"channels": [8, 12, 16, 16], "stem_width": 4}


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a verb writes by default is written here."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def tiny() -> Tagger:
    """Random weights, in eval mode."""
    return Tagger(WORDS, 16, "resnet10t", SMALL).eval()


def painted(folder: Path, count: int, labelled: int, wrong: bool) -> Path:
    """Pictures: the upper half says the hair, a white lower half smiles, a black left edge is a hat.

    `labelled` of them have labels; every tenth of those is given the next hair colour where `wrong`.
    """
    folder.mkdir()
    draw = np.random.default_rng(0)
    lines = []
    for number in range(count):
        colour = list(HAIR)[draw.integers(3)]
        smile, hat = draw.random() < 0.5, draw.random() < 0.2
        pixels = np.full((16, 16, 3), 255 if smile else 90, np.int64)
        pixels[:8] = HAIR[colour]
        if hat:
            pixels[:, :4] = 0
        pixels = (pixels + draw.integers(-25, 25, pixels.shape)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
        if number < labelled:
            given = list(HAIR)[(list(HAIR).index(colour) + (wrong and number % 10 == 0)) % 3]
            tags = [word for word, there in (("smile", smile), ("hat", hat)) if there]
            # A row needs a tag to be fully tagged.
            lines.append((f"{number:03}.png", ", ".join([*tags, "1girl"]), given))
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "tags", "hair"), *lines])
    return folder


@pytest.fixture
def coloured(tmp_path: Path) -> Callable[..., Path]:
    """`painted`, in a folder of its own."""

    def make(count: int = 200, labelled: int = 200, wrong: bool = False) -> Path:
        return painted(tmp_path / "faces", count, labelled, wrong)

    return make


def truth(folder: Path) -> dict[str, tuple[str, bool, bool]]:
    """(hair, smile, hat) of every picture, by its pixels."""
    found = {}
    for path in sorted(folder.glob("*.png")):
        pixels = np.asarray(Image.open(path)).astype(int)
        hair = min(HAIR, key=lambda name: abs(pixels[:8, 8:].mean((0, 1)) - HAIR[name]).sum())
        found[path.name] = hair, bool(pixels[8:, 8:].mean() > 180), bool(pixels[:, :4].mean() < 40)
    return found
