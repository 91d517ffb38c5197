"""A photo is translated as `anime-gen translate` does it, is bounded, and is nowhere kept."""

from __future__ import annotations

import base64
import csv
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from anime_gen.studio import uploads

from .conftest import Page


@pytest.fixture
def translating(opened):
    one = Page(opened("cyclegan", "diffusion"))
    with one.socket:
        yield one


def sent(content: bytes) -> str:
    return base64.b64encode(content).decode()


def photo(size=(90, 120)) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (size[1] // 10, size[0] // 10, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size).save(file, "PNG")
    return file.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of that many pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_as_the_command_does_it(translating, toys, typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [made] = [
        event
        for event in translating.ask("translate", run=str(toys["cyclegan"]), picture=sent(photo()))
        if event["event"] == "translated"
    ]
    assert list(tmp_path.iterdir()) == [], "nothing is kept"
    (tmp_path / "photo.png").write_bytes(photo())
    done = typed("translate", toys["cyclegan"], tmp_path / "photo.png", "--out", tmp_path / "out", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    [row] = csv.DictReader((tmp_path / "out" / "translations.csv").open(newline=""))
    assert made["confidence"] == row["confidence"]
    assert "; ".join(made["reasons"]) == row["why"]
    assert made["cycle_error"] == pytest.approx(float(row["cycle_error"]), abs=0.1)
    there = np.asarray(Image.open(io.BytesIO(base64.b64decode(made["png"]))), int)
    assert np.abs(there - np.asarray(Image.open(row["translation"]), int)).max() <= 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"this is a letter", "cannot be read as a picture: choose a JPEG, PNG or WebP"),
        (b"", "cannot be read as a picture"),
        (photo()[:60], "cannot be read as a picture"),
        (bomb(30_000, 30_000), "at most 50 million pixels"),
        (bomb(9_000, 9_000), "that picture has 9000 x 9000 pixels"),
    ],
    ids=["text", "empty", "half", "bomb", "large"],
)
def test_what_is_no_photo_is_one_line(translating, toys, content, said):
    assert said in translating.error("translate", run=str(toys["cyclegan"]), picture=sent(content))


def test_a_file_that_is_too_long_is_not_even_unpacked(translating, toys, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)
    assert "larger than 0 MiB" in translating.error("translate", run=str(toys["cyclegan"]), picture=sent(bytes(2000)))


def test_what_does_not_translate_says_so(translating, toys):
    assert "translates nothing" in translating.error("translate", run=str(toys["diffusion"]), picture=sent(photo()))
    assert "no picture came" in translating.error("translate", run=str(toys["cyclegan"]))
    assert "draws nothing from seeds" in translating.error("ask", run=str(toys["cyclegan"]), seeds=[1])
