import numpy as np
import pytest

from anime_gen.prepare.human_points import COUNTS, landmarks
from anime_gen.vocabulary import LANDMARK_MIRROR, LANDMARKS


def pairs(first, last, *more):
    """(first, last), (first + 1, last - 1) ... until they meet, and others."""
    return [(first + step, last - step) for step in range((last - first + 1) // 2)] + list(more)


# What mmpose's own data sets swap in a mirror image.
SWAPPED = {
    68: [
        *pairs(0, 16),
        *pairs(17, 26),
        *pairs(31, 35),
        *[(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)],
        *pairs(48, 54),
        *pairs(55, 59),
        *pairs(60, 64),
        (65, 67),
    ],
    98: [
        *pairs(0, 32),
        *[(33, 46), (34, 45), (35, 44), (36, 43), (37, 42), (38, 50), (39, 49), (40, 48), (41, 47)],
        *pairs(55, 59),
        *[(60, 72), (61, 71), (62, 70), (63, 69), (64, 68), (65, 75), (66, 74), (67, 73)],
        *pairs(76, 82),
        *pairs(83, 87),
        *pairs(88, 92),
        *[(93, 95), (96, 97)],
    ],
    106: [
        *pairs(0, 32),
        *[(33, 46), (34, 45), (35, 44), (36, 43), (37, 42), (38, 50), (39, 49), (40, 48), (41, 47)],
        *pairs(55, 65),
        *[(66, 79), (67, 78), (68, 77), (69, 76), (70, 75), (71, 82), (72, 81), (73, 80), (74, 83)],
        *pairs(84, 90),
        *pairs(91, 95),
        *pairs(96, 100),
        *[(101, 103), (104, 105)],
    ],
}


def arc(count, begin, end, y, height):
    """Points from (begin, y) to (end, y), the middle one higher by `height`."""
    return [(begin + (end - begin) * t, y - height * np.sin(np.pi * t)) for t in np.linspace(0, 1, count)]


def a_face(count):
    """Its points by what the data sets' pages show: x to the right, y down, in a picture of side 1."""
    bridge = [(0.5, 0.42), (0.5, 0.48), (0.5, 0.54), (0.5, 0.6)]
    below = arc(5, 0.45, 0.55, 0.63, -0.01)
    lips = arc(7, 0.4, 0.6, 0.75, 0.04) + arc(7, 0.6, 0.4, 0.75, -0.06)[1:-1]
    lips += arc(5, 0.42, 0.58, 0.75, 0.01) + arc(5, 0.58, 0.42, 0.75, -0.01)[1:-1]
    brows, eyes = [], []
    for eye, brow in ((0.27, 0.25), (0.6, 0.57)):
        brows += arc(5, brow, brow + 0.18, 0.3, 0.03)
        if count == 68:
            eyes += arc(4, eye, eye + 0.13, 0.42, 0.05) + arc(4, eye + 0.13, eye, 0.42, -0.06)[1:-1]
        else:
            # The lower edge of a brow begins at its right end in the picture, as that of an eye does.
            brows += arc(4, brow + 0.16, brow + 0.02, 0.32, 0.02)
            eyes += arc(5, eye, eye + 0.13, 0.42, 0.05) + arc(5, eye + 0.13, eye, 0.42, -0.06)[1:-1]
            eyes += [(eye + 0.065, 0.424)] * (count == 106)
    outline = arc(17 if count == 68 else 33, 0.2, 0.8, 0.4, -0.5)
    if count == 106:
        below = [(0.47, 0.5), (0.46, 0.55), (0.45, 0.6), *below, (0.55, 0.6), (0.54, 0.55), (0.53, 0.5)]
    pupils = [(0.335, 0.423), (0.665, 0.423)] * (count > 68)
    return np.array([*outline, *brows, *bridge, *below, *eyes, *lips, *pupils])


def at(found, name):
    return found[LANDMARKS.index(name)]


@pytest.mark.parametrize("count", COUNTS)
def test_each_landmark_is_where_its_name_says(count):
    points = a_face(count)
    assert len(points) == count
    found = landmarks(points)
    near = {
        "right_brow_outer": (0.25, 0.3), "right_brow_middle": (0.34, 0.27), "right_brow_inner": (0.43, 0.3),
        "left_brow_inner": (0.57, 0.3), "left_brow_middle": (0.66, 0.27), "left_brow_outer": (0.75, 0.3),
        "right_eye_outer": (0.27, 0.42), "right_eye_inner": (0.4, 0.42), "right_eye_top": (0.335, 0.375),
        "right_eye_bottom": (0.335, 0.475), "right_eye_pupil": (0.335, 0.423), "left_eye_inner": (0.6, 0.42),
        "left_eye_outer": (0.73, 0.42), "left_eye_top": (0.665, 0.375), "left_eye_bottom": (0.665, 0.475),
        "left_eye_pupil": (0.665, 0.423), "nose": (0.5, 0.6), "mouth_right": (0.4, 0.75), "mouth_left": (0.6, 0.75),
        "mouth_top": (0.5, 0.71), "mouth_bottom": (0.5, 0.81), "chin": (0.5, 0.9),
    }  # fmt: skip
    for name, place in near.items():
        assert np.allclose(at(found, name), place, atol=0.006), name
    # The sides, where drawn faces are widest: at the height of the nose.
    for name, x in (("face_right", 0.27), ("face_left", 0.725)):
        assert at(found, name) == pytest.approx((x, 0.59), abs=0.01)


@pytest.mark.parametrize("count", COUNTS)
def test_a_mirror_image_has_mirrored_landmarks(count):
    points = np.random.default_rng(0).random((count, 2))
    mirrored = points * (-1, 1) + (1, 0)
    for one, other in SWAPPED[count]:
        mirrored[[one, other]] = mirrored[[other, one]]
    assert np.allclose(landmarks(mirrored), (landmarks(points) * (-1, 1) + (1, 0))[list(LANDMARK_MIRROR)])


def test_what_else_is_known_of_a_point_goes_along():
    points = np.column_stack([a_face(68), np.arange(68)])
    found = landmarks(points)
    assert at(found, "chin")[2] == 8
    assert at(found, "left_eye_top")[2] == 43.5
    assert np.allclose(found[:, :2], landmarks(a_face(68)))
