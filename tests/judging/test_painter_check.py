"""The comparison with real pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anime_gen.contract import UserError
from anime_gen.judging import painter_check as check

SHARED = Path(__file__).parents[3] / "shared"


def test_frechet_of_known_gaussians() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(600, 3))
    b = 2.0 * rng.normal(size=(600, 3)) + np.array([1.0, 0.0, 0.0])
    # |mean|^2 + trace(1 + 4 - 2 * 2) over three dimensions
    assert check.frechet(a, b) == pytest.approx(1 + 3, rel=0.2)
    assert check.frechet(a, a) == pytest.approx(0, abs=1e-8)


def test_frechet_agrees_with_the_matrix_root() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(200, 5)), rng.normal(size=(150, 5)) @ rng.normal(size=(5, 5))
    root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    direct = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert check.frechet(a, b) == pytest.approx(direct)


def test_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--anime PATH"):
        check.main(["--anime", str(tmp_path / "none")])


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real pictures in ../shared")
def test_a_small_check_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cv2")
    status = check.main(
        [
            *("--anime", str(SHARED / "data/anime256/images")),
            *("--photo", str(SHARED / "data/photo128/images")),
            *("--cascade", str(SHARED / "weights/lbpcascade_animeface.xml")),
            *("--squeezenet", str(SHARED / "weights/squeezenet1_1_features.safetensors")),
            *("--out", str(tmp_path), "--count", "40"),
        ]
    )
    assert status == 0, capsys.readouterr().out
    assert (tmp_path / "painted_256.png").exists()


def test_framing_of_known_eyes() -> None:
    upright = np.tile(np.array([[[0.3, 0.4], [0.7, 0.4]]]), (11, 1, 1))
    np.testing.assert_allclose(check.framing(upright), [[0.4] * 3, [0.4] * 3, [0.0] * 3], atol=1e-9)
    upright[:, 1, 1] = np.linspace(0.3, 0.5, 11)
    assert check.framing(upright)[2, 0] < -10
    assert check.framing(upright)[2, 2] > 10


def test_marked_eyes_are_the_middles_of_boxes_from_left_to_right(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "file,left_eye_x,left_eye_y,left_eye_w,left_eye_h,right_eye_x,right_eye_y,right_eye_w,right_eye_h\n"
        "a.jpg,0.6,0.3,0.2,0.1,0.2,0.3,0.1,0.2\n"
        "nothing-found.jpg,,,,,,,,\n"
    )
    np.testing.assert_allclose(check.marked_eyes(tmp_path / "labels.csv"), [[[0.25, 0.4], [0.7, 0.35]]])


def test_looks_of_known_pictures() -> None:
    flat = np.full((96, 96, 3), (255, 0, 0), np.uint8)
    red, green, blue, saturation, contrast, edges, step = check.looks([flat])
    assert (red, green, blue, saturation) == pytest.approx((1, 0, 0, 1))
    assert (contrast, edges, step) == pytest.approx((0, 0, 0), abs=1e-6)
    halves = flat.copy()
    halves[:, 48:] = 0
    assert check.looks([halves])[4] == pytest.approx(0.5 * 0.299, rel=1e-3)
    assert check.looks([halves])[5:] == pytest.approx((1 / 95, 0.299), rel=1e-3)
