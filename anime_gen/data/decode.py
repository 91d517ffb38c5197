"""One way from a file to pixels, for every kind of picture file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from anime_gen.conditions.kind import on_paper, square

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})

_ORIENTATION = 0x0112
# EXIF orientation -> what to do to the stored picture, as in Pillow's `exif_transpose`.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})


def decode(path: Path, size: int) -> np.ndarray:
    """The centre square of a picture, upright, over white.

    The largest centred square is resized with Pillow's antialiased BICUBIC (LANCZOS takes as long as all the rest
    together). A JPEG may be decoded at 1/2, 1/4 or 1/8 by its own cosine transform first, as long as twice the wanted
    size is left (no visible change, > 40 dB).
    Of an animation the first frame is taken. 16-bit greyscale is scaled to 8 bits, not clipped; greyscale in floats or
    32 bits is refused, since nothing says which value is white.

    Returns:
        uint8 (size, size, 3).

    Raises:
        Exception: the file cannot be read; which exception depends on how it is broken.
    """
    with Image.open(path) as file:
        full = min(file.size)
        if file.format == "JPEG" and full >= 4 * size:
            # Pillow picks the largest reduction that leaves at least this.
            file.draft(None, (2 * size * file.width // full, 2 * size * file.height // full))
        orientation = _orientation(file)
        picture = _flatten(file)
        small = square(picture, size)
        # A centred square stays one when it is turned, and turning the small one is cheaper.
        if orientation in _UPRIGHT:
            small = small.transpose(_UPRIGHT[orientation])
        return np.asarray(small if small.mode == "RGB" else small.convert("RGB"))


def read(path: Path) -> np.ndarray:
    """The whole picture as it is, upright, over white: no pixel is resized.

    Returns:
        uint8 (height, width, 3).

    Raises:
        Exception: as `decode`.
    """
    with Image.open(path) as file:
        orientation = _orientation(file)
        picture = _flatten(file)
        if orientation in _UPRIGHT:
            picture = picture.transpose(_UPRIGHT[orientation])
        return np.asarray(picture if picture.mode == "RGB" else picture.convert("RGB"))


def clear(path: Path) -> Image.Image:
    """The whole picture, upright, RGBA: where it is clear it stays so.

    Raises:
        Exception: as `decode`.
    """
    with Image.open(path) as file:
        orientation = _orientation(file)
        picture = file.convert("RGBA") if _has_alpha(file) else _flatten(file).convert("RGBA")
        return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def upright_size(path: Path) -> tuple[int, int]:
    """(width, height) in pixels as a viewer shows the picture, from the file's header alone.

    Raises:
        Exception: as `decode`.
    """
    with Image.open(path) as file:
        width, height = file.size
        return (height, width) if _orientation(file) in _SIDEWAYS else (width, height)


def _orientation(file: Image.Image) -> int:
    # Pillow's TIFF reader turns the picture itself and has the upright size from the start.
    return 1 if file.format == "TIFF" else int(file.getexif().get(_ORIENTATION, 1))


def _has_alpha(file: Image.Image) -> bool:
    return file.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in file.info


def _flatten(file: Image.Image) -> Image.Image:
    """RGB or L, loaded; transparency laid over white."""
    if file.mode in ("I", "F"):
        raise ValueError("greyscale in floats or 32 bits, of unknown range: save it with 8 or 16 bits")
    if file.mode.startswith("I;16"):
        # Pillow's own convert() clips everything above 255 to white.
        return Image.fromarray((np.asarray(file) / 257 + 0.5).astype(np.uint8))
    if _has_alpha(file):
        return on_paper(file)
    if file.mode in ("RGB", "L"):
        file.load()
        return file
    return file.convert("RGB")
