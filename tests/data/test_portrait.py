"""A face found in a photo, and framed as other photos frame theirs."""

from __future__ import annotations

import numpy as np
import pytest

from anime_gen.data import PaintedPhotos
from anime_gen.data.portrait import USUAL, Square, find_face, framed, usual_frame


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    """Painted people, 128 px."""
    return list(PaintedPhotos(200).fill("validation", range(12), frozenset({"image"}), 128).columns["image"])


def test_most_faces_are_found_and_nothing_is_found_in_noise(photos: list[np.ndarray]) -> None:
    found = [face for face in map(find_face, photos) if face is not None]
    assert len(found) >= 6
    for face in found:
        assert 32 < face.x < 96
        assert 25 < face.side < 110
    rng = np.random.default_rng(0)
    assert find_face(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)) is None
    assert find_face(np.full((90, 200, 3), 128, np.uint8)) is None


def test_a_framed_face_lies_where_it_is_asked(photos: list[np.ndarray]) -> None:
    """A face in the corner of a large picture comes to lie as the frame says, as large as it says."""
    photo = photos[3]
    large = np.full((400, 500, 3), 120, np.uint8)
    large[130:386, 230:486] = photo.repeat(2, axis=0).repeat(2, axis=1)
    face = find_face(large)
    assert face is not None
    frame = Square(0.5, 0.55, 0.5)
    square = framed(large, face, frame, 128)
    assert square.shape == (128, 128, 3)
    again = find_face(square)
    assert again is not None
    assert [again.x / 128, again.y / 128, again.side / 128] == pytest.approx(frame, abs=0.08)


def test_past_the_edge_pixels_repeat() -> None:
    picture = np.zeros((10, 10, 3), np.uint8)
    picture[:, :5] = 200
    square = framed(picture, Square(0, 5, 10), Square(0.5, 0.5, 1.0), 10)
    assert (square[:, :8] > 150).all()


def test_the_usual_frame_is_that_of_the_pictures(photos: list[np.ndarray]) -> None:
    faces = [face for face in map(find_face, photos) if face is not None]
    frame = usual_frame(photos)
    if len(faces) >= 8:
        assert frame.side == pytest.approx(np.median([face.side for face in faces]) / 128)
    blank = [np.full((64, 64, 3), 99, np.uint8)] * 10
    assert usual_frame(blank) == USUAL
