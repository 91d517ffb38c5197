"""Outlines made at once against the same curves handed to Skia segment by segment."""

from __future__ import annotations

from array import array
from random import Random

import pytest
import skia

from anime_gen.painter.curves import PRESSED, TAPERED, Curve, path, reverse, ribbon, spline
from anime_gen.painter.locks import Lock
from anime_gen.painter.outlines import Outline, Outlines


def curve(seed: int, points: int) -> Curve:
    draw = Random(seed)
    return spline([(draw.random(), draw.random()) for _ in range(points)])


def by_segments(*contours: tuple[Curve, ...], closed: bool) -> skia.Path:
    """What the outlines must be: Skia's own calls, one a segment."""
    slow = skia.Path()
    for contour in contours:
        for place, joined in enumerate(contour):
            (slow.lineTo if place else slow.moveTo)(joined[0], joined[1])
            for i in range(2, len(joined), 6):
                slow.cubicTo(*joined[i : i + 6])
        if closed:
            slow.close()
    return slow


def read(outlines: Outlines, outline: Outline) -> skia.Path:
    found = skia.Path()
    assert found.readFromMemory(outlines.made()[outline])
    return found


@pytest.mark.parametrize("closed", [True, False])
def test_a_path_is_read_as_its_segments(closed: bool) -> None:
    contours = [(curve(0, 4), curve(1, 3)), (curve(2, 2),)]
    assert path(contours, closed) == by_segments(*contours, closed=closed)
    assert path([]).isEmpty()


def test_backwards() -> None:
    assert reverse([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == [5.0, 6.0, 3.0, 4.0, 1.0, 2.0]


def test_outlines_of_every_kind_and_in_two_goes() -> None:
    """The number that is given when a curve is noted finds its outline, whenever it is made."""
    outlines = Outlines()
    stays = [0.5, 0.5] * 4  # a curve of no length has no direction to be wide across
    bands = [(curve(3, 5), 0.02, TAPERED), (curve(4, 2), 0.01, PRESSED), (stays, 0.01, TAPERED)]
    strand = curve(5, 4)
    left, right = ribbon(strand, 0.1, TAPERED)
    lock = Lock(strand, left, right, 0.1)
    wedge = array("d", [i / len(left) for i in range(len(left))])

    thick = outlines.bands(bands)
    shape = outlines.closed(curve(6, 3), curve(7, 4))
    rise = array("d", [i / len(left) for i in range(len(left) // 2)])
    rim, body, shadow = outlines.lock(lock, 0.3, rise, right, wedge)
    nothing = outlines.bands([])
    first = [read(outlines, outline) for outline in (thick, shape, rim, body, shadow, nothing)]
    late = outlines.closed(curve(8, 3))

    def away(edge: Curve, share: float) -> Curve:
        return [a + (a - c) * share * rise[i // 2] for i, (a, c) in enumerate(zip(edge, strand, strict=True))]

    inner = [a + (c - a) * w for a, c, w in zip(right, strand, wedge, strict=True)]
    edges = [ribbon(*band) for band in bands]
    assert first == [
        by_segments(*((a, reverse(b)) for a, b in edges), closed=True),
        by_segments((curve(6, 3), curve(7, 4)), closed=True),
        by_segments((away(left, 0.3), reverse(away(right, 0.3))), closed=False),
        by_segments((left, reverse(right)), closed=False),
        by_segments((right, reverse(inner)), closed=False),
        skia.Path(),
    ]
    assert read(outlines, late) == by_segments((curve(8, 3),), closed=True)
    assert read(outlines, thick) == first[0]
