"""Photos as a source: pairs outside training, strangers inside it, and what it refuses and passes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anime_gen import painter
from anime_gen.contract import UserError
from anime_gen.data import AnimeFaces, PaintedFaces, PaintedPhotos, Split
from anime_gen.painter import natural


@pytest.mark.parametrize("seed", [-1, 2**64, *painter.JUDGE_SEEDS])
def test_seeds_that_cannot_be_or_are_the_judges_are_refused(seed: int) -> None:
    with pytest.raises(UserError, match=rf"data\.other_domain\.seed is {seed}:"):
        PaintedPhotos(seed=seed)


def test_too_few_people_are_refused() -> None:
    with pytest.raises(UserError, match=r"data\.other_domain\.people is 19"):
        PaintedPhotos(people=19)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_twins_where_nothing_is_learned(split: Split) -> None:
    faces, photos = PaintedFaces(faces=60, seed=2), PaintedPhotos(people=60, seed=2)
    assert faces.count(split) == photos.count(split) == 9
    assert [faces.name(split, row).split()[1] for row in range(9)] == [
        photos.name(split, row).split()[1] for row in range(9)
    ]
    for row in range(9):
        index = int(photos.name(split, row).split()[1])
        assert photos.person(split, row).face == painter.sample_face(2, index)


def test_training_photos_are_of_strangers() -> None:
    """None of the training people is any face of that seed, whatever the split; nor of the twins."""
    photos = PaintedPhotos(people=200, seed=2)
    strangers = {photos.person("train", row).face for row in range(photos.count("train"))}
    assert len(strangers) == 140
    assert not strangers & {painter.sample_face(2, index) for index in range(200)}


def test_statistics_reach_the_people() -> None:
    plain = PaintedPhotos(people=20, seed=2)
    upright = PaintedPhotos(people=20, seed=2, left_leaning=False)
    assert plain.person("test", 0) != upright.person("test", 0)
    assert plain.picture_key("test") != upright.picture_key("test")


def test_columns() -> None:
    source = PaintedPhotos(people=40, seed=1)
    kinds = frozenset({"image", "readable", "tags", "attributes", "landmarks", "visible", "caption"})
    filled = source.fill("test", range(2, 5), kinds, 32)  # type: ignore[arg-type]
    assert not filled.broken
    assert filled.columns["image"].shape == (3, 32, 32, 3)
    person = source.person("test", 3)
    assert (filled.columns["image"][1] == natural.render_person(person, 32)).all()
    label = natural.label_person(person)
    assert (filled.columns["attributes"][1] == label.attributes_A).all()
    np.testing.assert_allclose(filled.columns["landmarks"][1], label.landmarks_K2)
    assert filled.columns["readable"].all()
    assert source.captions("test")[3] == label.caption


def test_pairs_arrive_side_by_side(tmp_path: Path) -> None:
    """As the other domain of the painted faces, a held-out photo comes with its twin."""
    photos = PaintedPhotos(people=20, seed=3)
    data = AnimeFaces(PaintedFaces(20, seed=3), image_size=16, cache_dir=tmp_path, other_domain=photos)
    batch = next(iter(data.loader("validation", frozenset({"source_BCHW"}), 3)))
    person = photos.person("validation", 1)
    for shown, picture in (
        (batch.condition.source_BCHW[1], natural.render_person(person, 16)),
        (batch.image_BCHW[1], painter.render(person.face, 16)),
    ):
        expected = picture.astype(np.float32).transpose(2, 0, 1) / 127.5 - 1
        np.testing.assert_allclose(shown.numpy(), expected, atol=0.01)


def test_a_framing_that_does_not_exist_is_named() -> None:
    with pytest.raises(UserError, match=r"data\.source\.framing is wide: it must be one of crops, tight, hair, bust"):
        PaintedFaces(framing="wide")


def test_photos_framed_otherwise_are_no_twins() -> None:
    assert PaintedPhotos(people=20, framing="bust").is_twin_of(PaintedFaces(20, framing="bust"))
    assert not PaintedPhotos(people=20, framing="bust").is_twin_of(PaintedFaces(20))
