"""The outlines of a drawing, made all at once.

A face has a hundred outlines of a few dozen points. To compute every edge and to hand Skia every segment by itself
takes Python nearly as long as Skia takes to paint them, so a drawing only notes its curves: NumPy makes the edges of
all bands and locks in one pass, with points as complex numbers, and Skia reads each path whole.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from anime_gen.painter.curves import Curve, Profile, profile_heights, serialised, verbs_of
from anime_gen.painter.locks import Lock

Outline = int  # which of a drawing's
Points = npt.NDArray[np.complex128]
_Waiting = tuple[Outline, bytes, int]  # where it will be, its verbs, and how many points it has
Counts = npt.NDArray[np.int64]


class Outlines:
    """The outlines of one drawing."""

    def __init__(self) -> None:
        self._made: list[bytes] = []
        self._clear()

    def _clear(self) -> None:
        """What waits to be made: where it will be, and coordinates one after the other."""
        self._joined: list[_Waiting] = []
        self._curves = array("d")
        self._bands: list[_Waiting] = []
        self._spines, self._heights = array("d"), array("d")
        self._halves: list[float] = []
        self._counts: list[int] = []
        self._locks: list[_Waiting] = []
        self._middles, self._lefts, self._rights = array("d"), array("d"), array("d")
        self._darks, self._wedges, self._rises = array("d"), array("d"), array("d")
        self._wider: list[float] = []

    def _new(self, waiting: list[_Waiting], verbs: bytes, points: int, count: int = 1) -> Outline:
        number = len(self._made)
        waiting.append((number, verbs, points))
        self._made += [b""] * count
        return number

    def closed(self, *curves: Curve) -> Outline:
        """The curves joined in order, and closed."""
        for curve in curves:
            self._curves.fromlist(curve)
        contour = tuple(map(len, curves))
        return self._new(self._joined, verbs_of(contour, True), sum(contour) // 2)

    def bands(self, bands: Iterable[tuple[Curve, float, Profile]]) -> Outline:
        """Bands that are `half * profile` wide to both sides of a curve. All wind alike, so overlaps stay filled."""
        found, points = b"", 0
        for curve, half, profile in bands:
            count = len(curve) // 2
            self._spines.fromlist(curve)
            self._heights.extend(profile_heights(count - 1, profile))
            self._halves.append(half)
            self._counts.append(count)
            found += verbs_of((2 * count, 2 * count), True)
            points += 2 * count
        return self._new(self._bands, found, points)

    def lock(
        self, lock: Lock, wider: float, rise: array[float], dark: Curve, wedge: array[float]
    ) -> tuple[Outline, Outline, Outline]:
        """Rim, body and shadow of a lock.

        Args:
            wider: how much further from the lock's middle the rim is than its edges.
            rise: for each point of an edge, how much of that.
            dark: the edge that the shadow lies along.
            wedge: for each number of `dark`, how far the shadow reaches from there to the middle.
        """
        self._middles.fromlist(lock.curve)
        self._lefts.fromlist(lock.left)
        self._rights.fromlist(lock.right)
        self._darks.fromlist(dark)
        self._wedges.extend(wedge)
        self._rises.extend(rise)
        self._wider.append(wider)
        rim = self._new(self._locks, verbs_of((len(dark), len(dark)), False), len(dark), 3)
        return rim, rim + 1, rim + 2

    def made(self) -> list[bytes]:
        """Every outline in the form that `skia.Path.readFromMemory` reads."""
        if self._joined:
            self._write(self._joined, np.frombuffer(self._curves, complex))
        if self._bands:
            self._write(self._bands, self._make_bands())
        if self._locks:
            for number, points in enumerate(self._make_locks()):
                self._write([(rim + number, verbs, count) for rim, verbs, count in self._locks], points)
        self._clear()
        return self._made

    def _write(self, outlines: list[_Waiting], points: Points) -> None:
        data = points.astype(np.complex64).tobytes()
        end = 0
        for number, verbs, count in outlines:
            start, end = end, end + 8 * count
            self._made[number] = serialised(verbs, data[start:end])

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
        counts = np.array([points // 2 for _, _, points in self._locks], np.int64)
        wider = np.array(self._wider).repeat(counts) * np.frombuffer(self._rises)
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
