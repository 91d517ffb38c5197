"""The order of training pictures, as one endless stream; and who takes which part of it.

A *position* is the number of training pictures shown before this one, over all ranks. Everything random about a
picture's turn is a function of (seed, position), so a resumed run needs to know nothing but how many it has shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from anime_gen.contract import UserError, mix


class Stream:
    """Pass after pass over the pictures, each in a fresh order, each picture exactly once a pass.

    Args:
        pictures: how many there are.
        seed: another seed gives another order and other mirror decisions.
    """

    def __init__(self, pictures: int, seed: int) -> None:
        self.pictures = pictures
        self.seed = seed
        self._orders: dict[int, np.ndarray] = {}
        self._coins: dict[int, np.ndarray] = {}

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What is shown at some positions.

        Args:
            positions: int64 (B,).

        Returns:
            int64 (B,): which pictures; bool (B,): whether each is mirrored, a function of (seed, pass, picture).
        """
        passes, places = np.divmod(positions, self.pictures)
        rows = np.empty_like(positions)
        mirrored = np.empty(len(positions), bool)
        for number in np.unique(passes).tolist():
            self._draw(number)
            here = passes == number
            rows[here] = self._orders[number][places[here]]
            mirrored[here] = self._coins[number][rows[here]]
        return rows, mirrored

    def _draw(self, number: int) -> None:
        if number in self._orders:
            return
        # A batch straddles two passes at most when it is no larger than a pass: two are kept.
        for old in [kept for kept in self._orders if kept != number - 1]:
            del self._orders[old], self._coins[old]
        self._orders[number] = np.random.default_rng(mix(self.seed, number, 0)).permutation(self.pictures)
        self._coins[number] = np.random.default_rng(mix(self.seed, number, 1)).random(self.pictures) < 0.5


def check_batches(epoch_images: int, batch_size: int, world: int) -> None:
    """Raises UserError where an epoch is not whole batches, or a batch cannot be dealt out to `world` ranks."""
    if batch_size % world:
        raise UserError(
            f"data.batch_size is {batch_size} for all {world} devices together: make it a multiple of {world}"
        )
    if epoch_images < batch_size or epoch_images % batch_size:
        whole = max(1, epoch_images // batch_size) * batch_size
        raise UserError(
            f"data.epoch_images is {epoch_images}, not whole batches of {batch_size}: make it {whole} or another "
            f"multiple of {batch_size}"
        )


class GlobalBatches:
    """Positions of this rank's part of each global batch, from where training stands to the end of its epoch.

    An epoch is `epoch_images` positions; the k-th begins at k * epoch_images, wherever passes begin. Every iteration
    asks `position` anew: after a resume in mid-epoch the rest of that epoch follows, and then whole ones.

    Args:
        epoch_images: a multiple of batch_size.
        batch_size: pictures in a global batch; rank r takes the r-th of `world` equal parts.
        position: pictures shown so far, over all ranks.
    """

    def __init__(self, epoch_images: int, batch_size: int, rank: int, world: int, position: Callable[[], int]) -> None:
        check_batches(epoch_images, batch_size, world)
        self.epoch_images = epoch_images
        self.batch_size = batch_size
        self.rank = rank
        self.world = world
        self.position = position

    def __len__(self) -> int:
        return self.epoch_images // self.batch_size

    def __iter__(self) -> Iterator[range]:
        # Not a generator itself: the position is asked for now, not when the first batch is wanted.
        start = self.position()
        return self._batches(start, (start // self.epoch_images + 1) * self.epoch_images)

    def _batches(self, start: int, end: int) -> Iterator[range]:
        share = self.batch_size // self.world
        for first in range(start, end, self.batch_size):
            yield range(first + self.rank * share, first + (self.rank + 1) * share)


class Shard:
    """Rows rank, rank + world, ... below `count`, in batches: over all ranks each row exactly once, no padding."""

    def __init__(self, count: int, batch_size: int, rank: int, world: int) -> None:
        self.rows = range(rank, count, world)
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __iter__(self) -> Iterator[range]:
        for start in range(0, len(self.rows), self.batch_size):
            yield self.rows[start : start + self.batch_size]
