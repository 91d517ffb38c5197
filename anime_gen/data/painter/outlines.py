"""The outlines of a drawing, made all at once.

A face has a hundred outlines of a few dozen points. To compute every edge and to hand Skia every segment by itself
takes Python longer than Skia takes to paint them, so a drawing only notes its curves: NumPy makes the edges of all
bands and locks in one pass, with points as complex numbers, and Skia reads each path whole.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from anime_gen.data.painter.curves import Curve, Profile, profile_heights
from anime_gen.data.painter.locks import Lock

Outline = int  # which of a drawing's
Points = npt.NDArray[np.complex128]
Counts = npt.NDArray[np.int64]


class _Layout(NamedTuple):
    """What surrounds the points of a path in Skia's serialised form, which `SkPath::readFromMemory` reads."""

    head: bytes
    points: int  # how many
    verbs: bytes


@lru_cache(maxsize=4096)
def _layout(contours: tuple[tuple[int, ...], ...], closed: bool) -> _Layout:
    """Contours of curves that straight lines join; a curve is given by how many numbers it has."""
    move, line, cubic, close = (bytes([verb]) for verb in (0, 1, 4, 5))
    verbs = b""
    for contour in contours:
        for place, coordinates in enumerate(contour):
            verbs += (line if place else move) + cubic * ((coordinates - 2) // 6)
        verbs += close * closed
    points = sum(map(sum, contours)) // 2
    # Version 5 with winding fill, then how many points, weights of conics and verbs there are.
    return _Layout(np.array([5, points, 0, len(verbs)], np.uint32).tobytes(), points, verbs + bytes(-len(verbs) % 4))


class Outlines:
    """The outlines of one drawing."""

    def __init__(self) -> None:
        self._made: list[bytes] = []
        self._clear()

    def _clear(self) -> None:
        """What waits to be made: where it will be, and coordinates one after the other."""
        self._joined: list[tuple[Outline, _Layout]] = []
        self._curves = array("d")
        self._bands: list[tuple[Outline, _Layout]] = []
        self._spines, self._heights = array("d"), array("d")
        self._halves: list[float] = []
        self._counts: list[int] = []
        self._locks: list[tuple[Outline, _Layout]] = []
        self._middles, self._lefts, self._rights = array("d"), array("d"), array("d")
        self._darks, self._wedges = array("d"), array("d")
        self._wider: list[float] = []

    def _new(self, waiting: list[tuple[Outline, _Layout]], layout: _Layout, count: int = 1) -> Outline:
        number = len(self._made)
        waiting.append((number, layout))
        self._made += [b""] * count
        return number

    def closed(self, *curves: Curve) -> Outline:
        """The curves joined in order, and closed."""
        for curve in curves:
            self._curves.fromlist(curve)
        return self._new(self._joined, _layout((tuple(map(len, curves)),), True))

    def bands(self, bands: Iterable[tuple[Curve, float, Profile]]) -> Outline:
        """Bands that are `half * profile` wide to both sides of a curve. All wind alike, so overlaps stay filled."""
        contours = []
        for curve, half, profile in bands:
            count = len(curve) // 2
            self._spines.fromlist(curve)
            self._heights.extend(profile_heights(count - 1, profile))
            self._halves.append(half)
            self._counts.append(count)
            contours.append((2 * count, 2 * count))
        return self._new(self._bands, _layout(tuple(contours), True))

    def lock(self, lock: Lock, wider: float, dark: Curve, wedge: array[float]) -> tuple[Outline, Outline, Outline]:
        """Rim, body and shadow of a lock.

        Args:
            wider: how much further from the lock's middle the rim is than its edges.
            dark: the edge that the shadow lies along.
            wedge: for each number of `dark`, how far the shadow reaches from there to the middle.
        """
        self._middles.fromlist(lock.curve)
        self._lefts.fromlist(lock.left)
        self._rights.fromlist(lock.right)
        self._darks.fromlist(dark)
        self._wedges.extend(wedge)
        self._wider.append(wider)
        rim = self._new(self._locks, _layout(((len(dark), len(dark)),), False), 3)
        return rim, rim + 1, rim + 2

    def made(self) -> list[bytes]:
        """Every outline in the form that `skia.Path.readFromMemory` reads."""
        if self._joined or self._bands or self._locks:
            self._write(self._joined, np.frombuffer(self._curves, complex))
            self._write(self._bands, self._make_bands())
            for number, points in enumerate(self._make_locks()):
                self._write([(rim + number, layout) for rim, layout in self._locks], points)
            self._clear()
        return self._made

    def _write(self, outlines: list[tuple[Outline, _Layout]], points: Points) -> None:
        data = points.astype(np.complex64).tobytes()
        end = 0
        for number, (head, count, verbs) in outlines:
            start, end = end, end + 8 * count
            self._made[number] = head + data[start:end] + verbs

    def _make_bands(self) -> Points:
        """Along the left edges and back along the right ones, as `curves.ribbon` finds them."""
        spine, heights = np.frombuffer(self._spines, complex), np.frombuffer(self._heights)
        counts = np.array(self._counts, np.int64)
        ends = counts.cumsum()
        before, after = np.arange(-1, len(spine) - 1), np.arange(1, len(spine) + 1)
        before[ends - counts] += 1
        after[ends - 1] -= 1
        along = spine[after] - spine[before]
        length = np.sqrt(along.real * along.real + along.imag * along.imag)
        length[length == 0] = 1.0
        across = -1j * (along * (np.array(self._halves).repeat(counts) * heights / length))
        return _there_and_back(spine + across, spine - across, counts)

    def _make_locks(self) -> tuple[Points, Points, Points]:
        middle, left, right, dark = (
            np.frombuffer(numbers, complex) for numbers in (self._middles, self._lefts, self._rights, self._darks)
        )
        counts = np.array([layout.points // 2 for _, layout in self._locks], np.int64)
        wider = np.array(self._wider).repeat(counts)
        inner = dark.view(float) + (middle - dark).view(float) * np.frombuffer(self._wedges)
        return (
            _there_and_back(left + (left - middle) * wider, right + (right - middle) * wider, counts),
            _there_and_back(left, right, counts),
            _there_and_back(dark, inner.view(complex), counts),
        )


def _there_and_back(left: Points, right: Points, counts: Counts) -> Points:
    """For each of the curves of `counts` points: its left edge, then its right one from the end."""
    ends = counts.cumsum()
    start, end = (ends - counts).repeat(counts), ends.repeat(counts)
    place = np.arange(len(left))
    contours = np.empty(2 * len(left), complex)
    contours[start + place] = left
    contours[start + 2 * end - 1 - place] = right
    return contours
