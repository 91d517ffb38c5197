import math

import numpy as np
import pytest

from anime_gen.prepare.crop import Square, cut, outside, square_around
from anime_gen.prepare.face import Face, Point, without_doubles

from .conftest import painted


def test_a_square_of_whole_pixels_is_cut_as_it_is():
    picture = painted(0)
    assert (cut(picture, Square(Point(48, 48), 96, 0), 96) == picture).all()
    assert (cut(picture, Square(Point(30, 40), 20, 0), 20) == picture[30:50, 20:40]).all()


def test_past_the_edge_stands_the_mirror_image():
    picture = painted(0)
    got = cut(picture, Square(Point(0, 48), 96, 0), 96)
    assert (got[:, 48:] == picture[:, :48]).all()
    assert (got[:, 1:48] == picture[:, 47:0:-1]).all()
    assert cut(picture, Square(Point(0, 0), 1000, 0.3), 32).shape == (32, 32, 3), "however far"


def test_a_tilted_head_is_set_upright():
    """A dot for each eye: they end level, the character's left one on the right, where `inside` says."""
    picture = np.full((200, 200, 3), 255, np.uint8)
    left_eye, right_eye = Point(130.5, 130.5), Point(70.5, 90.5)
    picture[130, 130] = picture[129:132, 129:132] = (0, 0, 255)
    picture[90, 70] = picture[89:92, 69:72] = (255, 0, 0)
    face = Face(60, 60, 80, 80, 1.0, left_eye, right_eye)
    square = square_around(face, 0.5, math.pi)
    assert square.side == 160
    got = cut(picture, square, 160).astype(int)
    for eye, colour in ((left_eye, 2), (right_eye, 0)):
        dark = 255 - got[..., [c for c in range(3) if c != colour]].min(-1)
        dark = np.where(got[..., colour] > 200, dark, 0)
        y, x = (np.array(np.nonzero(dark > 100)) + 0.5).mean(1)
        told = square.inside(eye)
        assert abs(told.x * 160 - x) < 1
        assert abs(told.y * 160 - y) < 1
    assert abs(square.inside(left_eye).y - square.inside(right_eye).y) < 1e-9
    assert square.inside(left_eye).x > square.inside(right_eye).x
    assert square_around(face, 0.5, math.radians(10)).tilt == 0, "further than it may"
    assert square_around(face._replace(left_eye=None), 0.5, math.pi).tilt == 0


def test_a_smaller_picture_is_averaged_not_sampled():
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    small = cut(stripes, Square(Point(64, 64), 128, 0), 32)
    assert abs(small.astype(int) - 128).max() < 12


@pytest.mark.parametrize(("x", "share"), [(50, 0.0), (0, 0.5), (-1000, 1.0)])
def test_what_lies_past_the_edge_is_counted(x, share):
    assert outside(Square(Point(x, 50), 60, 0), 100, 100) == pytest.approx(share, abs=0.03)


def test_the_surest_of_two_boxes_of_one_face_stays():
    faces = [Face(0, 0, 10, 10, 0.6), Face(1, 1, 10, 10, 0.9), Face(40, 0, 10, 10, 0.7), Face(42, 2, 4, 4, 0.2)]
    assert [face.confidence for face in without_doubles(faces)] == [0.9, 0.7]


def test_a_strip_longer_than_opencv_warps():
    picture = np.tile(painted(0, 64), (1, 600, 1))
    assert (cut(picture, Square(Point(64 * 300 + 32, 32), 64, 0), 64) == painted(0, 64)).all()
    for centre in (Point(5.0, 30.0), Point(picture.shape[1] - 3.0, 60.0)):
        small = picture[:, :640] if centre.x < 320 else picture[:, -640:]
        there = centre if centre.x < 320 else Point(centre.x - picture.shape[1] + 640, centre.y)
        assert (cut(picture, Square(centre, 50, 0.4), 40) == cut(small, Square(there, 50, 0.4), 40)).all()
