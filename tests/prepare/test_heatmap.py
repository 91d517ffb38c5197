"""The network of landmarks: its geometry both ways, what it learns from, and what its weights know."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.data.manifest import read_manifest
from anime_gen.painter import labels, render, sample_face
from anime_gen.prepare import Heatmaps, Whole
from anime_gen.prepare import heatmap_training as training
from anime_gen.prepare.crop import Square
from anime_gen.prepare.face import Face, Point
from anime_gen.prepare.heatmap import CELLS, HeatmapNet, around, read_off
from anime_gen.prepare.picture import Work
from anime_gen.prepare.pipeline import prepare
from anime_gen.prepare.rules import Reason, Rules, Several
from anime_gen.vocabulary import LANDMARK_MIRROR, LANDMARKS, NUM_LANDMARKS, OUTER_EYE_CORNERS


def test_a_distribution_is_read_off_where_it_peaks():
    points = torch.rand(3, NUM_LANDMARKS, 2) * 0.8 + 0.1
    heat, inside = training.wanted(points)
    assert inside.all()
    torch.testing.assert_close(heat.sum((2, 3)), torch.ones(3, NUM_LANDMARKS))
    found, sure = read_off(heat)
    torch.testing.assert_close(found, points, atol=0.003, rtol=0)
    assert (sure > 0.95).all()
    # Half of it is elsewhere: the place stays, and it is half as sure.
    split = 0.4 * heat.roll(CELLS // 2, 3) + 0.6 * heat
    found, less = read_off(split)
    torch.testing.assert_close(found, points, atol=0.02, rtol=0)
    torch.testing.assert_close(less, 0.6 * sure, atol=0.05, rtol=0)


def test_squares_go_both_ways():
    square = Square(Point(30, 50), 40, 0.4)
    for point in (Point(0, 0), Point(0.5, 0.5), Point(0.9, 0.2)):
        assert square.inside(square.outwards(point)) == pytest.approx(point)
    assert square.outwards(Point(0.5, 0.5)) == pytest.approx(Point(30, 50))


def test_the_second_look_is_upright_and_around_all_points():
    points = np.random.default_rng(0).uniform(0.3, 0.7, (NUM_LANDMARKS, 2))
    left, right = OUTER_EYE_CORNERS
    points[left], points[right] = (0.7, 0.4), (0.3, 0.4)
    whole = Square(Point(100, 80), 64, 0.5)
    square = around([whole.outwards(Point(*point)) for point in points.tolist()])
    assert square.tilt == pytest.approx(0.5)
    again = np.array([square.inside(whole.outwards(Point(*point))) for point in points.tolist()])
    assert again.min() > 0.15
    assert again.max() < 0.85
    assert again[left, 1] == pytest.approx(again[right, 1])


def test_landmarks_follow_when_a_face_is_bent_and_mirrored(monkeypatch):
    """A white spot is painted where a landmark is; in the view it is where that landmark is said to be.

    In a mirror image the landmark of the other side has the place: its name is the character's own side.
    """
    monkeypatch.setattr(training, "_covered", lambda x: x)
    monkeypatch.setattr(training, "_coloured", lambda x: x)
    torch.manual_seed(0)
    count, size, landmark = 64, training.PAINTED, LANDMARKS.index("right_eye_outer")
    points = torch.rand(count, NUM_LANDMARKS, 2) * 0.3 + 0.35
    line = (torch.arange(size) + 0.5) / size
    off = points[:, landmark, :, None] - line
    spots = 255 * torch.exp(-(off[:, 0, None, :].square() + off[:, 1, :, None].square()) / 2e-4)
    views, seen = training.view(spots[:, None].expand(-1, 3, -1, -1).to(torch.uint8), points)
    views = (views[:, 0] + 1).clamp(min=0.05) - 0.05
    place = (torch.arange(views.shape[-1]) + 0.5) / views.shape[-1]
    mass = views.sum((1, 2))
    found = torch.stack([(views.sum(1) * place).sum(1), (views.sum(2) * place).sum(1)], 1) / mass[:, None]
    wholly = ((seen > 0.1) & (seen < 0.9)).all(2).all(1)
    off_own, off_other = ((found - seen[:, at]).norm(dim=1)[wholly] for at in (landmark, LANDMARK_MIRROR[landmark]))
    assert wholly.sum() > count / 4
    assert torch.minimum(off_own, off_other).max() < 0.02
    assert 0.2 < (off_own < 0.02).float().mean() < 0.8


def test_the_network_learns():
    pictures, points = training.paint(2, 16)
    torch.manual_seed(0)
    network = HeatmapNet((8, 8, 8, 8))
    shown, seen = training.view(pictures, points)
    before = float(training.loss(network(shown), seen).detach())
    training.train(network, pictures, points, 64 * 18, seed=0, state=None)
    after = float(training.loss(network(shown), seen).detach())
    assert after < before - 0.05


def test_shipped_weights_find_the_landmarks_of_faces_they_have_not_seen():
    finder, off = Heatmaps(), []
    finder.check()
    for index in range(12):
        face = sample_face(77, index, framing="hair")
        page = np.full((300, 340, 3), 200, np.uint8)
        page[60:220, 100:260] = render(face, 160)
        points = labels(face).landmarks_K2 * 160 + (100, 60)
        (left, top), (right, bottom) = points.min(0), points.max(0)
        box = Face(left - 8, top - 12, right - left + 16, bottom - top + 12)
        placed = finder.place(page, box)
        found = np.array(placed.points)
        assert found.shape == (24, 2)
        assert 0 <= min(placed.confidence) <= max(placed.confidence) <= 1
        unit = math.dist(*points[list(OUTER_EYE_CORNERS)])
        off.append(np.linalg.norm(found - points, axis=1).mean() / unit)
    assert np.median(off) < 0.08
    assert found[LANDMARKS.index("left_eye_pupil"), 0] > found[LANDMARKS.index("right_eye_pupil"), 0]


def test_pictures_that_are_cut_out_already_are_marked_and_kept(tmp_path):
    """A bust's eyes are near each other: that is how it is framed, and no side view."""
    (tmp_path / "raw").mkdir()
    for index in range(4):
        face = sample_face(78, index, framing="bust")
        Image.fromarray(render(face, 96)).save(tmp_path / f"raw/{index}.png")
    work = Work(tmp_path / "raw", tmp_path / "out", Whole(), Rules(size=64, margin=0.0), Heatmaps())
    assert all(one.dropped is None for outcome in prepare(work, 1) for one in outcome.faces)
    off = []
    for row in read_manifest(tmp_path / "out/manifest.csv").rows:
        index = int(row.about[0].split(".")[0])
        truth = labels(sample_face(78, index, framing="bust")).landmarks_K2
        off.append(np.abs(row.landmarks_K2 - truth).max())
        assert len(row.about[-1].split()) == NUM_LANDMARKS
    assert np.median(off) < 0.05


class Everywhere(Whole):
    """Takes both halves of a picture for faces."""

    framed = False

    def find(self, picture):
        width = picture.shape[1] // 2
        return [Face(left, 0, width, picture.shape[0]) for left in (0, width)]


def test_what_a_detector_takes_for_a_face_and_is_none_is_left_out(tmp_path):
    (tmp_path / "raw").mkdir()
    noise = np.random.default_rng(0).integers(0, 60, (128, 128, 1)) + np.linspace(0, 190, 128)[:, None, None]
    scene = np.repeat(noise, 3, 2).astype(np.uint8)
    for index in range(3):
        face = render(sample_face(79, index, framing="hair"), 128)
        Image.fromarray(np.hstack([face, scene])).save(tmp_path / f"raw/{index}.png")
    rules = Rules(size=64, margin=0.0, several=Several.all, most_outside=1.0, alike=-1, least_eyes_apart=0.0)
    outcomes = prepare(Work(tmp_path / "raw", tmp_path / "out", Everywhere(), rules, Heatmaps()), 1)
    assert [[face.dropped for face in one.faces] for one in outcomes] == [[None, Reason.no_face]] * 3


def test_what_are_no_weights_is_told(tmp_path):
    with pytest.raises(UserError, match=r"there is no file .*none\.safetensors; `make landmarks` makes one"):
        Heatmaps(tmp_path / "none.safetensors").check()
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"bad\.safetensors does not hold its weights"):
        Heatmaps(tmp_path / "bad.safetensors").check()
