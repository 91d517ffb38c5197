"""Which pictures are nearly the same: perceptual hashes of 64 bits, compared all with all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

# Rows of the comparison at a time: 64 MB of them with 100,000 pictures.
_ROWS = 64


def hashed(picture: np.ndarray) -> tuple[int, int]:
    """The perceptual hash of a picture and of its mirror image, which is a copy, too.

    `imagehash.phash`: signs of the low frequencies of a cosine transform (Zauner 2010).

    Args:
        picture: uint8 (H, W, 3).
    """
    import imagehash

    one = Image.fromarray(picture)
    both = (imagehash.phash(one), imagehash.phash(one.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    own, mirrored = (int(str(code), 16) for code in both)
    return own, mirrored


def copies(hashes: Sequence[tuple[int, int]], order: Sequence[int], within: int) -> dict[int, int]:
    """For each picture that is nearly the same as a better one, that one.

    Args:
        hashes: as `hashed` gives them.
        order: places of all pictures, the best first: of copies the first one stays.
        within: bits by which the hashes of copies differ at most; below 0 nothing is a copy.

    Returns:
        Place of a copy -> place of the picture that stays, which is no copy itself.
    """
    own = np.array([code for code, _ in hashes], np.uint64)
    mirrored = np.array([code for _, code in hashes], np.uint64)
    rank = np.empty(len(hashes), np.int64)
    rank[list(order)] = np.arange(len(hashes))
    near: dict[int, np.ndarray] = {}
    for begin in range(0, len(hashes), _ROWS):
        codes = own[begin : begin + _ROWS, None]
        apart = np.minimum(np.bitwise_count(codes ^ own), np.bitwise_count(codes ^ mirrored))
        for row, places in enumerate(apart <= within if within >= 0 else np.zeros_like(apart, bool)):
            found = np.flatnonzero(places)
            if len(found) > 1:
                near[begin + row] = found
    kept: dict[int, int] = {}
    for place in order:
        better = [other for other in near.get(place, ()) if rank[other] < rank[place] and int(other) not in kept]
        if better:
            kept[place] = int(min(better, key=lambda other: rank[other]))
    return kept
