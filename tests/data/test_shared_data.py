"""On the real pictures beside the repository, where they are there."""

from pathlib import Path

import pytest
import torch

from anime_gen.data import AnimeFaces, Folder
from anime_gen.data.source import OF_ANY_PICTURE, SPLITS

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared data is not here")


def test_anime96():
    data = AnimeFaces(Folder(SHARED / "anime96"))
    assert data.attribute_sizes == [12, 11]
    assert {"grey hair", "aqua hair", "orange eyes"} < set(data.vocabulary.tags)
    assert "grey" in data.vocabulary.attributes["hair"]
    assert data.num_landmarks == 0
    assert sum(data.source.count(split) for split in SPLITS) == 9509
    told = data.loader("validation", data.source.parts, 64)
    (batch,) = told
    assert batch.image_BCHW.shape == (64, 3, 32, 32)
    assert batch.image_BCHW.std() > 0.3
    assert (batch.condition.tags_BT.sum(1) == 2).all()
    assert (batch.condition.attributes_BA >= 0).all()


def test_photo128_is_grey_and_has_genders():
    data = AnimeFaces(Folder(SHARED / "photo128"), image_size=64)
    assert data.vocabulary.attributes == {"gender": ("female", "male")}
    assert data.num_tags == 0
    batch = next(iter(data.loader("test", frozenset({"attributes_BA"}), None)))
    assert torch.equal(batch.image_BCHW[:, 0], batch.image_BCHW[:, 2])
    assert data.showcase(3).attributes_BA is None
    everyone = data.loader("test", frozenset({"attributes_BA"}), None)
    assert torch.cat([part.condition.attributes_BA for part in everyone]).unique().tolist() == [0, 1]


def test_anime256_has_no_labels():
    """Its pictures can be traced, and that is all."""
    assert Folder(SHARED / "anime256").parts == OF_ANY_PICTURE
