import io

import cv2
import numpy as np
import pytest
from PIL import Image

from anime_gen.prepare.copies import copies, hashed
from anime_gen.prepare.quality import blockiness, contrast, flatness, sharpness
from anime_gen.prepare.rules import Rules

from .conftest import painted

FACES = [painted(index, 128) for index in range(20)]
RULES = Rules()


def blurred(picture, sigma):
    return cv2.GaussianBlur(picture, (0, 0), sigma)


def enlarged(picture, times):
    small = cv2.resize(picture, None, fx=1 / times, fy=1 / times, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_CUBIC)


def jpeg(picture, quality):
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def median(measure, change):
    return float(np.median([measure(change(face)) for face in FACES]))


def test_sharpness_falls_with_blur_and_with_enlargement():
    by_blur = [median(sharpness, lambda face, s=s: blurred(face, s)) for s in (0.5, 1, 2, 4)]
    by_size = [median(sharpness, lambda face, t=t: enlarged(face, t)) for t in (1, 2, 4)]
    assert by_blur == sorted(by_blur, reverse=True)
    assert by_size == sorted(by_size, reverse=True)
    assert min(map(sharpness, FACES)) > RULES.least_sharpness
    assert max(sharpness(blurred(face, 2)) for face in FACES) < RULES.least_sharpness
    # However little the contrast is.
    faint = [(128 + (face.astype(float) - 128) / 4).astype(np.uint8) for face in FACES]
    assert np.median([sharpness(face) for face in faint]) == pytest.approx(
        median(sharpness, lambda face: face), rel=0.15
    )
    assert sharpness(np.full((32, 32, 3), 7, np.uint8)) == 0


def test_blockiness_rises_with_damage_wherever_the_grid_begins():
    by_quality = [median(blockiness, lambda face, q=q: jpeg(face, q)) for q in (95, 50, 10)]
    assert by_quality == sorted(by_quality)
    assert by_quality[0] < RULES.most_blockiness < by_quality[2]
    shifted = median(blockiness, lambda face: jpeg(face, 10)[3:, 5:])
    assert shifted == pytest.approx(by_quality[2], rel=0.3)


def test_plain_areas_are_flat():
    page = np.full((128, 128, 3), 250, np.uint8)
    cv2.putText(page, "text", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0))
    assert flatness(page) > RULES.most_flatness > max(map(flatness, FACES))
    assert contrast(np.full((64, 64, 3), 90, np.uint8)) < RULES.least_contrast < min(map(contrast, FACES))


def test_copies_are_found_and_faces_of_one_painter_are_none():
    changed = [
        jpeg(FACES[0], 60), FACES[1][:, ::-1], cv2.resize(FACES[2], (96, 96)),
        np.clip(FACES[3].astype(int) + 12, 0, 255).astype(np.uint8), blurred(FACES[4], 0.7),
    ]  # fmt: skip
    pictures = [*FACES, *changed]
    found = copies([hashed(np.ascontiguousarray(one)) for one in pictures], range(len(pictures)), RULES.alike)
    assert found == {len(FACES) + number: number for number in range(len(changed))}


def test_the_best_of_many_copies_stays():
    assert copies([(0, 0)] * 3 + [(2**63, 1)], [2, 3, 0, 1], 0) == {0: 2, 1: 2}
    # 1 is near 0 and 2, which are not near each other: it goes, they stay.
    hashes = [(0b0000, 99), (0b0011, 99), (0b1111, 99)]
    assert copies(hashes, [0, 1, 2], 2) == {1: 0}
    assert copies(hashes, [1, 0, 2], 2) == {0: 1, 2: 1}
    assert copies(hashes, [0, 1, 2], -1) == {}
