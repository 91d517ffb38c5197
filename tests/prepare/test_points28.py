import math

import numpy as np

from anime_gen.data.manifest import read_manifest
from anime_gen.prepare import Whole
from anime_gen.prepare.face import Face, Point
from anime_gen.prepare.picture import Work
from anime_gen.prepare.pipeline import prepare
from anime_gen.prepare.points28 import NUM_POINTS, landmarks
from anime_gen.prepare.rules import Rules
from anime_gen.vocabulary import LANDMARK_MIRROR, LANDMARKS

# Pairs that the network of anime-face-detector swaps in a mirror image.
SWAPPED = [
    (0, 4),
    (1, 3),
    (5, 10),
    (6, 9),
    (7, 8),
    (11, 19),
    (12, 18),
    (13, 17),
    (14, 22),
    (15, 21),
    (16, 20),
    (24, 26),
]


def a_face():
    """28 points of a face in a picture of side 1."""
    points = np.zeros((NUM_POINTS, 2))
    points[:5] = [(0.2, 0.5), (0.25, 0.75), (0.5, 0.9), (0.75, 0.75), (0.8, 0.5)]
    points[5:11] = [(0.22, 0.3), (0.32, 0.27), (0.42, 0.31), (0.58, 0.31), (0.68, 0.27), (0.78, 0.3)]
    eye = np.array([(-0.1, 0.0), (0.01, -0.06), (0.1, 0.01), (0.08, 0.05), (-0.01, 0.07), (-0.08, 0.06)])
    points[11:17] = np.add(eye, (0.33, 0.45))
    points[23:] = [(0.5, 0.62), (0.42, 0.75), (0.5, 0.72), (0.58, 0.75), (0.5, 0.79)]
    for one, other in SWAPPED:
        if 17 <= other < 23:
            points[other] = (1 - points[one][0], points[one][1])
    return points


def at(found, name):
    return found[LANDMARKS.index(name)]


def test_each_landmark_is_where_its_name_says():
    found = landmarks(a_face())
    assert not np.isnan(found).any()
    assert at(found, "right_eye_outer").tolist() == [0.23, 0.45]
    assert np.allclose(at(found, "right_eye_inner"), (0.43, 0.46))
    assert np.allclose(at(found, "right_eye_top"), (0.34, 0.39))
    assert np.allclose(at(found, "right_eye_bottom"), (0.32, 0.52))
    assert np.allclose(at(found, "right_eye_pupil"), (0.33, 0.4717), atol=1e-3)
    assert at(found, "left_brow_outer")[0] > at(found, "left_brow_inner")[0] > at(found, "right_brow_inner")[0]
    assert at(found, "chin").tolist() == [0.5, 0.9]
    assert at(found, "mouth_left")[0] > at(found, "mouth_right")[0]
    assert at(found, "face_left")[0] > at(found, "face_right")[0]


def test_a_mirror_image_has_mirrored_landmarks():
    points = a_face() + np.random.default_rng(0).normal(0, 0.004, (NUM_POINTS, 2))
    mirrored = points * (-1, 1) + (1, 0)
    for one, other in SWAPPED:
        mirrored[[one, other]] = mirrored[[other, one]]
    assert np.allclose(landmarks(mirrored), (landmarks(points) * (-1, 1) + (1, 0))[list(LANDMARK_MIRROR)])


def test_a_tilted_face_has_tilted_landmarks():
    angle = 0.5
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    assert np.allclose(landmarks(a_face() @ turn), landmarks(a_face()) @ turn)


class Marking(Whole):
    """Tells landmarks, some of them past the edge."""

    def find(self, picture):
        (face,) = super().find(picture)
        points = landmarks(a_face() * (1.2, 1)) * face.width + (face.left, face.top)
        return [Face(*face[:5], landmarks=tuple(Point(*point) for point in points.tolist()))]


def test_landmarks_arrive_in_the_manifest_as_fractions_of_the_cut_picture(raw, tmp_path):
    prepare(Work(raw, tmp_path / "out", Marking(), Rules(size=64, margin=0.0)), 1)
    rows = read_manifest(tmp_path / "out/manifest.csv").rows
    assert len(rows) == 12
    for row in rows:
        assert np.allclose(row.landmarks_K2[LANDMARKS.index("nose")], (0.6, 0.62), atol=1e-3)
        assert row.visible_K.sum() == 24
