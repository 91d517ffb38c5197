"""Pictures from a page: bounded before they are unpacked, and nowhere kept."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from anime_gen.contract import UserError
from anime_gen.decode import upright_size

# Of one file, and of one picture when it is unpacked.
MOST_BYTES = 12 * 2**20
MOST_PIXELS = 50_000_000
CHOOSE = f"choose a JPEG, PNG or WebP of at most {MOST_PIXELS // 10**6} million pixels"
# Of one message: a file in base64, and what else is asked.
MOST_MESSAGE = MOST_BYTES * 4 // 3 + 2**20


def received(text: object) -> bytes:
    """The file of a picture that a page has sent in base64.

    Raises:
        UserError: it is no picture, or too large.
    """
    if not isinstance(text, str):
        raise UserError("no picture came with this; choose one")
    if len(text) > MOST_BYTES * 4 // 3 + 4:
        raise UserError(f"that file is larger than {MOST_BYTES // 2**20} MiB; choose a smaller one")
    try:
        file = base64.b64decode(text, validate=True)
    except binascii.Error as reason:
        raise UserError("the picture did not arrive whole; send it again") from reason
    width, height = unpacked(file, upright_size)
    if width * height > MOST_PIXELS:
        raise UserError(f"that picture has {width} x {height} pixels: {CHOOSE}")
    return file


def unpacked[T](file: bytes, read: Callable[[bytes], T]) -> T:
    """What `read` makes of a received file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return read(file)
    except Exception as reason:  # whichever way a file is broken
        raise UserError(f"that file cannot be read as a picture: {CHOOSE}") from reason
