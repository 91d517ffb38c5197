"""Several hundred files that are broken or odd: each is an outcome, none is an exception, and it takes no time."""

import io
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from anime_gen.data.listing import list_folder
from anime_gen.prepare import Whole
from anime_gen.prepare.picture import Work, look
from anime_gen.prepare.rules import Reason, Rules

from .conftest import painted

FORMATS = {"png": {}, "jpg": {}, "webp": {}, "gif": {}, "bmp": {}, "tif": {}, "avif": {}, "jp2": {}, "ppm": {}}


def encoded(suffix, picture=None, **options):
    content = io.BytesIO()
    kind = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}.get(suffix, suffix.upper())
    (Image.fromarray(painted(0, 32)) if picture is None else picture).save(content, kind, **options)
    return content.getvalue()


def odd_files():
    """Names and contents."""
    random = np.random.default_rng(0)
    for suffix in FORMATS:
        whole = encoded(suffix)
        for share in (0, 0.01, 0.1, 0.5, 0.9, 0.99):
            yield f"cut {share}.{suffix}", whole[: int(share * len(whole))]
        for number in range(16):
            flipped = bytearray(whole)
            for place in random.integers(0, len(whole), 1 + number):
                flipped[place] = random.integers(256)
            yield f"flipped {number}.{suffix}", bytes(flipped)
        for number in range(6):  # headers are where readers believe what they read
            flipped = bytearray(whole)
            for place in random.integers(0, min(64, len(whole)), 4):
                flipped[place] = random.choice([0, 255, 127])
            yield f"header {number}.{suffix}", bytes(flipped)
        for other in FORMATS:
            yield f"called {other}.{suffix}", encoded(other)
        yield f"trailing.{suffix}", whole + random.bytes(1000)
        yield f"doubled.{suffix}", whole + whole
        yield f"noise.{suffix}", random.bytes(500)
        yield f"text.{suffix}", b"<html>404</html>"
    bomb = bytearray(encoded("png", Image.new("1", (32, 32))))
    bomb[16:24] = (60_000).to_bytes(4) * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4)
    yield "bomb.png", bytes(bomb)
    for mode in ("1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16"):
        for suffix in ("png", "tif", "jpg"):
            try:
                yield f"mode {mode.replace(';', '')}.{suffix}", encoded(suffix, Image.new(mode, (32, 32)))
            except (OSError, KeyError):
                continue
    frames = [Image.fromarray(painted(index, 32)) for index in range(3)]
    for suffix in ("gif", "webp", "png", "tif"):
        yield f"film.{suffix}", encoded(suffix, frames[0], save_all=True, append_images=frames[1:])
    for size in ((1, 1), (1, 5000), (5000, 1), (2, 2), (31, 33)):
        yield f"size {size}.png", encoded("png", Image.new("RGB", size))


def test_each_is_an_outcome(tmp_path):
    for name, content in odd_files():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link.png").symlink_to("nowhere.png")
    (tmp_path / "loop").symlink_to(".")
    raws = list_folder(tmp_path).pictures
    assert len(raws) >= 400
    rules = Rules(size=32, margin=0.0, least_face=16)
    seconds, outcomes = {}, {}
    for name, raw in raws.items():
        began = time.monotonic()
        outcomes[name] = look(Work(tmp_path, tmp_path / "out", Whole(), rules), raw)
        seconds[name] = time.monotonic() - began
    slowest = max(seconds, key=seconds.__getitem__)
    assert seconds[slowest] < 5, slowest
    broken = {name for name, one in outcomes.items() if one.dropped is Reason.broken}
    assert all(outcomes[name].why for name in broken)
    # What is sound but for its name, or for what follows it, is read; what is no picture is not.
    for suffix in FORMATS:
        assert f"trailing.{suffix}" not in broken
        assert {f"noise.{suffix}", f"text.{suffix}", f"cut 0.{suffix}"} <= broken
        assert not {f"called {other}.{suffix}" for other in FORMATS} & broken
    assert "bomb.png" in broken
    assert not {"film.gif", "film.webp", "film.png", "film.tif", "mode CMYK.jpg", "mode I16.png"} & broken


@pytest.mark.parametrize("name", ["mode I.tif", "mode F.tif"])
def test_grey_of_unknown_range_says_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(dict(odd_files())[name])
    (raw,) = list_folder(tmp_path).pictures.values()
    assert "save it with 8 or 16 bits" in look(Work(tmp_path, tmp_path / "out", Whole(), Rules()), raw).why
