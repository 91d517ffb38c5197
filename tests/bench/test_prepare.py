"""The measurement of preparing knows what is right."""

import numpy as np

from anime_gen.bench import prepare
from anime_gen.prepare import Landmarks
from anime_gen.prepare.animeface import Seen
from anime_gen.prepare.face import Face, Point
from anime_gen.prepare.landmarks import Placed
from anime_gen.vocabulary import LANDMARKS, OUTER_EYE_CORNERS, PUPILS


def test_a_page_says_where_its_eyes_are():
    one = prepare.page(0)
    assert one.picture.shape == (1024, 1024, 3)
    assert len(one.pupils) == 16
    for left, right in one.pupils:
        assert left.x > right.x - 5, "the character's left eye is on the right"
        assert 0 < left.y < 1024


class Knowing(Landmarks):
    """Places every landmark of a page a tenth of the eyes' outer distance too low, and knows it of the chin."""

    def __init__(self, one):
        self.one = one

    def place(self, picture, face):
        points = min(self.one.points_NK2, key=lambda some: np.linalg.norm(some.mean(0) - face.centre))
        unit = np.linalg.norm(np.subtract(*points[list(OUTER_EYE_CORNERS)]))
        return Placed(tuple(Point(*point) for point in np.add(points, (0, 0.1 * unit)).tolist()), (1.0,) * 23 + (0.0,))

    def describe(self):
        return {}


class Boxes:
    """Finds the faces of a page, and nothing in another place."""

    def __init__(self, one):
        self.one = one

    def look(self, picture):
        found = []
        for points in self.one.points_NK2:
            (left, top), (right, bottom) = points.min(0), points.max(0)
            eyes = (Point(*points[place]) for place in PUPILS)
            places = (Point(*points[LANDMARKS.index(name)]) for name in ("nose", "mouth_left", "chin"))
            found.append(Seen(Face(left, top, right - left, bottom - top, 1.0, *eyes), *places))
        return found

    def find(self, picture):
        return [one.face for one in self.look(picture)]


def test_landmarks_are_off_by_what_they_are_off():
    one = prepare.page(1)
    table = prepare.marked([one], Boxes(one), Knowing(one))
    assert table.startswith("16 faces")
    lines = {line.split("|")[1].strip(): line.split("|")[2:5] for line in table.splitlines() if line.startswith("| ")}
    for part in ("brow", "eye", "mouth", "chin", "all"):
        assert float(lines[part][0]) == 0.1
    table = prepare.marked_really([one.picture], Boxes(one), Knowing(one))
    lines = {line.split("|")[1].strip(): line.split("|")[2:5] for line in table.splitlines() if line.startswith("| ")}
    assert 0.1 < float(lines["eyes"][1]) == float(lines["chin"][1]) < 0.3


def test_a_box_is_right_for_one_face_of_its_size():
    pupils = [(Point(60, 50), Point(40, 50)), (Point(160, 50), Point(140, 50))]
    good = Face(25, 20, 50, 50, 0.9, Point(61, 50), Point(40, 51))
    found = [good, good, Face(100, 0, 100, 100), Face(0, 0, 1000, 1000), Face(59, 49, 2, 2)]
    right, errors = prepare.matches(found, pupils)
    assert right == 2
    assert np.isclose(errors, [0.05]).all()
    assert prepare.matches([], pupils) == (0, [])


def test_damage_is_seen_where_it_was_done():
    from anime_gen.painter import render, sample_face

    table = prepare.damages([render(sample_face(0, index), 128) for index in range(6)], prepare.Rules())
    lines = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:5]] for line in table.splitlines()[2:10]
    }
    assert lines["none"] == ["0.00", "0.00", "1.00"]
    assert lines["blur, sigma 2"][0] == "1.00"
    assert float(lines["JPEG 15"][1]) > 0.2 > float(lines["JPEG 75"][1])
