"""The anime detector is a file of the user's: here stand OpenCV's own, and one that sees whatever is bright."""

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anime_gen.contract import UserError
from anime_gen.metrics import cascade
from anime_gen.metrics.cascade import CascadeFaceRate
from anime_gen.metrics.protocol import Role

FRONTAL = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"


class Bright:
    """A box wherever the left half is brighter than the right: equalising leaves that."""

    def __init__(self):
        self.shapes = set()

    def detectMultiScale(self, grey, scaleFactor, minNeighbors, minSize):
        self.shapes.add((grey.shape, grey.dtype.name))
        width = grey.shape[1] // 2
        return np.ones((1, 4)) if grey[:, :width].mean() > grey[:, width:].mean() else ()


def halves(count, left, size=40):
    images = torch.zeros(count, 3, size, size, dtype=torch.uint8)
    images[:, :, :, : size // 2] = left
    images[:, :, :, size // 2 :] = 255 - left
    return images


def test_each_picture_in_which_it_finds_something_counts_once(monkeypatch):
    detector = Bright()
    monkeypatch.setattr(cascade, "_open", lambda path: detector)
    score = CascadeFaceRate(FRONTAL)
    score.update(halves(3, 200), Role.SAMPLE)
    assert {name: float(value) for name, value in score.compute().items()} == {"faces_cascade": 1}
    score.update(halves(1, 10, size=200), Role.SAMPLE)
    score.update(halves(5, 10), Role.HELD_OUT)
    score.update(halves(5, 200), Role.HELD_OUT)
    score.update(halves(5, 200), Role.TRAINING)
    assert {name: float(value) for name, value in score.compute().items()} == {
        "faces_cascade": 0.75,
        "faces_cascade_real": 0.5,
    }
    assert detector.shapes == {((192, 192), "uint8")}
    score.reset()
    assert list(score.compute()) == ["faces_cascade_real"]
    assert list(score.better) == ["faces_cascade", "faces_cascade_real"]


def test_a_real_detector_finds_nothing_in_noise_and_can_be_copied():
    noise = torch.randint(256, (8, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    score = CascadeFaceRate(FRONTAL)
    score.update(noise, Role.SAMPLE)
    assert score.compute()["faces_cascade"] == 0
    assert pickle.loads(pickle.dumps(score)).compute() == score.compute()


def test_its_protocol_says_which_detector():
    said = CascadeFaceRate(FRONTAL).protocol()
    assert len(said["detector_weights"]) == 64
    assert (
        said["detector_weights"]
        != CascadeFaceRate(FRONTAL.with_name("haarcascade_eye.xml")).protocol()["detector_weights"]
    )
    assert said["minSize"] == [64, 64]


@pytest.mark.parametrize("content", [None, "<opencv_storage>", "no xml at all"])
def test_another_file_is_the_users(tmp_path, content):
    path = tmp_path / "cascade.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match="lbpcascade_animeface"):
        CascadeFaceRate(path)
