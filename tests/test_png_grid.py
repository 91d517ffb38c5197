"""Every kind of PNG there is, each of its properties beside each other one: what is shown is what the file says."""

import itertools
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from anime_gen.decode import clear, decode, read, upright_size

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
HEIGHT, WIDTH = 5, 7
COLOURS = np.array([[200, 30, 40], [10, 220, 70], [90, 80, 250], [255, 255, 0]])
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# The starts and steps of Adam7's passes: x, y, step in x, step in y.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def rows(samples_HWC: np.ndarray, depth: int) -> bytes:
    """Scan lines without a filter, their samples packed."""
    lines = []
    for line in samples_HWC.reshape(len(samples_HWC), -1):
        bits = "".join(f"{value:0{depth}b}" for value in line)
        bits += "0" * (-len(bits) % 8)
        lines.append(b"\0" + int(bits, 2).to_bytes(len(bits) // 8))
    return b"".join(lines)


def png(
    kind: int, depth: int, clear: bool, profile: bool, orientation: int, interlaced: bool
) -> tuple[bytes, np.ndarray]:
    """A file, and its picture as a viewer shows it over white: float64 (H, W, 3)."""
    random = np.random.default_rng(kind * 100 + depth)
    most = len(COLOURS) if kind == PALETTE else 2**depth
    samples = random.integers(0, min(most, 2**depth), (HEIGHT, WIDTH, CHANNELS[kind]))
    samples[1, 2] = samples[0, 0]
    full = 2**depth - 1
    chunks = [struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, kind, 0, 0, interlaced)]
    parts = [chunk(b"IHDR", chunks[0])]
    if profile:
        parts.append(chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(PROFILE)))
    if orientation != 1:
        parts.append(
            chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 0))
        )
    alpha = np.ones((HEIGHT, WIDTH, 1))
    if kind == PALETTE:
        parts.append(chunk(b"PLTE", bytes(COLOURS[: 2**depth].astype(np.uint8).ravel())))
        colour = COLOURS[samples[..., 0]].astype(float)
        if clear:
            parts.append(chunk(b"tRNS", bytes([128, 0])))
            alpha = np.array([128 / 255, 0, 1, 1])[samples]
    else:
        colour = samples[..., : 3 if kind in (RGB, RGBA) else 1] * 255 / full
        if kind in (GREY_ALPHA, RGBA):
            alpha = samples[..., -1:] / full
        elif clear:
            parts.append(chunk(b"tRNS", samples[0, 0].astype(">u2").tobytes()))
            alpha = (samples != samples[0, 0]).any(-1, keepdims=True).astype(float)
    if interlaced:
        small = [samples[y::down, x::across] for x, y, across, down in PASSES]
        packed = b"".join(rows(part, depth) for part in small if part.size)
    else:
        packed = rows(samples, depth)
    parts += [chunk(b"IDAT", zlib.compress(packed)), chunk(b"IEND", b"")]
    shown = np.broadcast_to(colour, (HEIGHT, WIDTH, 3)) * alpha + 255 * (1 - alpha)
    if orientation == 6:  # to be turned clockwise
        shown = np.rot90(shown, -1)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts), shown


KINDS = [(kind, depth) for kind, depths in DEPTHS.items() for depth in depths]


@pytest.mark.parametrize(("kind", "depth"), KINDS)
def test_every_png(tmp_path, kind, depth):
    for keyed, profile, orientation, interlaced in itertools.product(
        (False, True), (False, True), (1, 6), (False, True)
    ):
        content, shown = png(kind, depth, keyed, profile, orientation, interlaced)
        path = tmp_path / "a.png"
        path.write_bytes(content)
        what = f"{keyed=} {profile=} {orientation=} {interlaced=}"
        assert upright_size(path) == shown.shape[1::-1], what
        off = np.abs(read(path) - shown).max()
        assert off <= 1.5, f"{what}: {off} levels off"
        side = min(shown.shape[:2])
        top, left = ((size - side) // 2 for size in shown.shape[:2])
        over_white = Image.alpha_composite(Image.new("RGBA", shown.shape[1::-1], "white"), clear(path)).convert("RGB")
        assert np.abs(np.asarray(over_white) - shown).max() <= 1.5, what
        assert np.abs(decode(path, side) - shown[top : top + side, left : left + side]).max() <= 1.5, what
