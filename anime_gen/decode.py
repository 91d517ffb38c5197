"""One way from a file to pixels, for every kind of picture file."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from anime_gen.conditions.kind import on_paper, square

# The formats that are read, and what their files are called. No other one of Pillow's is tried on a file, whatever it
# is called: some of those start programs.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png", ".apng"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)

# Pixels of the largest picture that is opened; an unpacked one takes up to four bytes for each.
MOST_PIXELS = 2**28

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

_PNG = b"\x89PNG\r\n\x1a\n"

# Pillow refuses what is twice as large, and warns in two lines below that; the line is ours to draw.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Nor does it concern anybody which tag of a file's metadata is damaged.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def decode(picture: Path | bytes, size: int) -> np.ndarray:
    """The centre square of a picture, upright, over white.

    The largest centred square is resized with Pillow's antialiased BICUBIC (LANCZOS takes as long as all the rest
    together). A JPEG may be decoded at 1/2, 1/4 or 1/8 by its own cosine transform first, as long as twice the wanted
    size is left (no visible change, > 40 dB).
    Of an animation the first frame is taken. 16-bit greyscale is scaled to 8 bits, not clipped; greyscale in floats or
    32 bits is refused, since nothing says which value is white. Damage to what is not pixels (texts, profiles, EXIF)
    does not matter.

    Args:
        picture: a file, or what is in it.
        size: width and height of the result.

    Returns:
        uint8 (size, size, 3).

    Raises:
        Exception: the file cannot be read; which exception depends on how it is broken.
    """

    def centre(file: Image.Image) -> np.ndarray:
        full = min(file.size)
        if file.format == "JPEG" and full >= 4 * size:
            # Pillow picks the largest reduction that leaves at least this.
            file.draft(None, (2 * size * file.width // full, 2 * size * file.height // full))
        # A centred square stays one when it is turned, and turning the small one is cheaper.
        small = _turned(square(_flatten(file), size), file)
        return np.asarray(small if small.mode == "RGB" else small.convert("RGB"))

    return _opened(picture, centre)


def read(picture: Path | bytes) -> np.ndarray:
    """The whole picture as it is, upright, over white: no pixel is resized.

    Returns:
        uint8 (height, width, 3).

    Raises:
        Exception: as `decode`.
    """

    def whole(file: Image.Image) -> np.ndarray:
        upright = _turned(_flatten(file), file)
        return np.asarray(upright if upright.mode == "RGB" else upright.convert("RGB"))

    return _opened(picture, whole)


def clear(picture: Path | bytes) -> Image.Image:
    """The whole picture, upright, RGBA: where it is clear it stays so.

    Raises:
        Exception: as `decode`.
    """

    def with_alpha(file: Image.Image) -> Image.Image:
        whole = _eight_bits(file)
        return _turned((whole if _has_alpha(whole) else _flatten(whole)).convert("RGBA"), file)

    return _opened(picture, with_alpha)


def upright_size(picture: Path | bytes) -> tuple[int, int]:
    """(width, height) in pixels as a viewer shows the picture, from the file's header alone.

    Raises:
        Exception: as `decode`.
    """

    def size(file: Image.Image) -> tuple[int, int]:
        width, height = file.size
        return (height, width) if _orientation(file) in _SIDEWAYS else (width, height)

    return _opened(picture, size)


def _opened[T](picture: Path | bytes, use: Callable[[Image.Image], T]) -> T:
    """What `use` makes of the opened file."""
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]  # an older Pillow, or one built without, has fewer
    try:
        with Image.open(io.BytesIO(picture) if isinstance(picture, bytes) else picture, formats=formats) as file:
            return _bounded(file, use)
    except ValueError:
        # Pillow gives up a whole PNG for one text or colour profile that unpacks to more than it wants to hold.
        bare = _without_texts(picture if isinstance(picture, bytes) else picture.read_bytes())
        if bare is None:
            raise
        with Image.open(bare, formats=["PNG"]) as file:
            return _bounded(file, use)


def _bounded[T](file: Image.Image, use: Callable[[Image.Image], T]) -> T:
    width, height = file.size
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width} x {height} pixels are more than the {MOST_PIXELS:,} that are opened")
    if file.format == "PNG" and isinstance(file, ImageFile.ImageFile):
        _scale_clear_colour(file)
    return use(file)


def _scale_clear_colour(file: ImageFile.ImageFile) -> None:
    """Pillow unpacks a PNG of 2, 4 or 16 bits to 8, and leaves the colour that is clear in it as it was.

    (Of 16 bits it keeps the upper 8: colours that differ in the lower ones alone are clear together.)
    """
    key, raw = file.info.get("transparency"), file.tile[0].args if file.tile else None
    if raw in ("L;2", "L;4") and isinstance(key, int):
        file.info["transparency"] = key * 255 // (3 if raw == "L;2" else 15)
    elif raw == "RGB;16B" and isinstance(key, tuple):
        file.info["transparency"] = tuple(part >> 8 for part in key)


def _without_texts(whole: bytes) -> io.BytesIO | None:
    """A PNG without its packed texts and colour profile; None where the file is no PNG, or has none of those.

    Portable Network Graphics (third edition), section 5.3: a signature, then chunks of length, type, data, checksum.
    """
    if not whole.startswith(_PNG):
        return None
    kept, place = [_PNG], len(_PNG)
    while place + 8 <= len(whole):
        end = place + 12 + int.from_bytes(whole[place : place + 4])
        if whole[place + 4 : place + 8] not in (b"zTXt", b"iTXt", b"tEXt", b"iCCP"):
            kept.append(whole[place:end])
        place = end
    bare = b"".join(kept)
    return io.BytesIO(bare) if len(bare) < len(whole) else None


def _orientation(file: Image.Image) -> int:
    if file.format == "TIFF":
        return 1  # Pillow's reader turns the picture itself and has the upright size from the start
    try:
        return int(file.getexif().get(_ORIENTATION, 1))
    except Exception:  # Pillow raises whatever damaged EXIF leads it to; viewers show the picture as it is stored
        return 1


def _turned(picture: Image.Image, file: Image.Image) -> Image.Image:
    """A picture made of a file, which is loaded by now, turned as the file says."""
    orientation = _orientation(file)
    return picture.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else picture


def _has_alpha(file: Image.Image) -> bool:
    return file.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in file.info


def _flatten(file: Image.Image) -> Image.Image:
    """RGB or L, loaded; transparency laid over white."""
    picture = _eight_bits(file)
    if _has_alpha(picture):
        return on_paper(picture)
    if picture.mode in ("RGB", "L"):
        picture.load()
        return picture
    return picture.convert("RGB")


def _eight_bits(file: Image.Image) -> Image.Image:
    if file.mode in ("I", "F"):
        raise ValueError("greyscale in floats or 32 bits, of unknown range: save it with 8 or 16 bits")
    if not file.mode.startswith("I;16"):
        return file
    # Pillow's own convert() clips everything above 255 to white.
    values = np.asarray(file)
    grey = Image.fromarray((values / 257 + 0.5).astype(np.uint8))
    if "transparency" not in file.info:
        return grey
    alpha = Image.fromarray(np.where(values == file.info["transparency"], 0, 255).astype(np.uint8))
    return Image.merge("LA", [grey, alpha])
