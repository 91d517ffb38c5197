"""Detectors: what they find, and what they say where they cannot."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anime_gen.contract import UserError
from anime_gen.prepare import AnimeFace, AnimeFaceDetector, Cascade, Whole, animeface
from anime_gen.prepare.face import Point

from .conftest import painted

SHARED = Path(__file__).resolve().parent.parent.parent.parent / "shared"
CASCADE = SHARED / "weights" / "lbpcascade_animeface.xml"
# Answers as animeface_finder.py does: a face of the picture's size, and then ends.
STAND_IN = """
import json, sys
line = sys.stdin.buffer.readline()
while line:
    width, height = map(int, line.split())
    sys.stdin.buffer.read(3 * width * height)
    if width == 77:
        sys.exit(3)
    eyes = {"left_eye": [width * .6, height * .4, width * .1, height * .1],
            "right_eye": [width * .3, height * .4, width * .1, height * .1]}
    rest = {"nose": [width / 2, height / 2], "mouth": [0, height / 2, width, 0], "chin": [width / 2, height]}
    print(json.dumps([{"likelihood": 0.9, "face": [0, 0, width, height], **eyes, **rest}]), flush=True)
    line = sys.stdin.buffer.readline()
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    page = tmp_path / "finder.py"
    page.write_text(STAND_IN)
    monkeypatch.setattr(animeface, "_FINDER", page)
    monkeypatch.setattr(animeface, "python", lambda: Path(sys.executable))


def test_boxes_and_eyes_are_in_the_pictures_own_pixels(stand_in):
    finder = AnimeFace(side=100)
    for height, width in ((80, 60), (400, 200), (333, 1000)):
        (face,) = finder.find(np.zeros((height, width, 3), np.uint8))
        assert (face.left, face.top) == (0, 0)
        assert (face.width, face.height) == pytest.approx((width, height))
        assert face.left_eye == pytest.approx(Point(0.65 * width, 0.45 * height))
        assert face.right_eye == pytest.approx(Point(0.35 * width, 0.45 * height))
        (seen,) = finder.look(np.zeros((height, width, 3), np.uint8))
        assert seen.face == face
        assert seen.nose == pytest.approx(Point(0.5 * width, 0.5 * height))
        assert seen.mouth == pytest.approx(Point(0.5 * width, 0.5 * height))
        assert seen.chin == pytest.approx(Point(0.5 * width, height))
    finder.check()
    assert "_finder" not in vars(finder), "nobody inherits it"


def test_a_finder_that_ends_costs_one_picture(stand_in):
    finder = AnimeFace()
    with pytest.raises(OSError, match=r"animeface ended on it \(exit code 3\)"):
        finder.find(np.zeros((50, 77, 3), np.uint8))
    assert len(finder.find(np.zeros((50, 50, 3), np.uint8))) == 1


def test_an_environment_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_CACHE", str(tmp_path))
    monkeypatch.setattr(
        subprocess, "run", lambda *rest, **more: subprocess.CompletedProcess(rest, 1, "", "a\nno network\n")
    )
    with pytest.raises(UserError, match=r"cannot be installed in .* \(no network\): mend that, or name another"):
        AnimeFace().check()


@pytest.mark.slow
def test_animeface_in_its_own_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_CACHE", str(tmp_path))
    finder = AnimeFace()
    finder.check()
    assert animeface.python() == animeface.ENVIRONMENT.python
    (face,) = finder.find(painted(3, 256))
    assert face.left_eye.x > face.right_eye.x, "whose left: the character's"
    assert 60 < face.centre.x < 196
    assert finder.find(np.full((256, 256, 3), 200, np.uint8)) == []
    if not SHARED.exists():
        return
    files = sorted((SHARED / "data/anime256/images").iterdir())[:20]
    found = [finder.find(np.asarray(Image.open(file).convert("RGB"))) for file in files]
    assert sum(map(len, found)) >= 17


def test_a_cascade(tmp_path):
    for weights in (tmp_path / "none.xml", tmp_path / "text.xml"):
        (tmp_path / "text.xml").write_text("<html/>")
        with pytest.raises(UserError, match=weights.name):
            Cascade(weights).check()
    if not CASCADE.exists():
        pytest.skip("there is no cascade here")
    files = sorted((SHARED / "data/anime256/images").iterdir())[:20]
    finder = Cascade(CASCADE)
    finder.check()
    assert sum(bool(finder.find(np.asarray(Image.open(file).convert("RGB")))) for file in files) >= 12


def test_the_centre_square_is_the_face():
    (face,) = Whole().find(np.zeros((30, 50, 3), np.uint8))
    assert face[:4] == (10, 0, 30, 30)


def test_missing_weights_of_anime_face_detector_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(AnimeFaceDetector, "cached", staticmethod(lambda model: None))
    with pytest.raises(UserError, match=r"no weights of yolov3 and hrnetv2: fetch .*--detector=AnimeFace needs none"):
        AnimeFaceDetector().check()
    (tmp_path / "a.safetensors").write_bytes(b"none")
    with pytest.raises(UserError, match=r"a\.safetensors are not its weights"):
        AnimeFaceDetector(tmp_path / "a.safetensors", tmp_path / "a.safetensors").check()


@pytest.mark.slow
def test_anime_face_detector_runs_on_weights_of_its_form(tmp_path):
    """Random weights find anything; what they find has the form of faces."""
    import torch
    from anime_face_detector._face import YOLOv3FaceDetector
    from anime_face_detector._landmark import LandmarkModel
    from safetensors.torch import save_file

    torch.manual_seed(0)
    for name, network in (("faces", YOLOv3FaceDetector()), ("points", LandmarkModel())):
        save_file(network.state_dict(), tmp_path / f"{name}.safetensors")
    finder = AnimeFaceDetector(tmp_path / "faces.safetensors", tmp_path / "points.safetensors", least=0.0)
    finder.check()
    for face in finder.find(painted(3, 128)):
        assert face.width > 0
        assert face.left_eye is not None
