"""A source under other tags: those that were chosen, in their order."""

import numpy as np
import pytest

from anime_gen.contract import UserError
from anime_gen.data import AnimeFaces, ChosenTags, NoisyLabels, PaintedFaces
from anime_gen.vocabulary import S5_TAGS

TAGS = frozenset({"tags", "tag_confidence"})


@pytest.fixture(scope="module")
def faces():
    return PaintedFaces(200)


def test_chosen_tags_are_the_sources_in_another_order(faces):
    chosen = ChosenTags(faces, ["smile", "gloves", "blue hair"])
    assert chosen.vocabulary.tags == ("smile", "gloves", "blue hair")
    assert chosen.vocabulary.attributes == faces.vocabulary.attributes
    true = faces.fill("train", range(50), TAGS, 8).columns
    seen = chosen.fill("train", range(50), TAGS, 8).columns
    for column, tag in ((0, "smile"), (2, "blue hair")):
        at = faces.vocabulary.tags.index(tag)
        assert np.array_equal(seen["tags"][:, column], true["tags"][:, at])
        assert np.array_equal(seen["tag_confidence"][:, column], true["tag_confidence"][:, at])
    assert (seen["tags"][:, 1] == -1).all(), "the painter draws no gloves: nobody says whether there are any"
    assert not seen["tag_confidence"][:, 1].any()
    assert seen["tags"].dtype == true["tags"].dtype


def test_keys_tell_choices_apart(faces):
    one, other = ChosenTags(faces, ["smile"]), ChosenTags(faces, ["hat"])
    assert one.picture_key("test") == other.picture_key("test") == faces.picture_key("test")
    assert len({source.label_key("test") for source in (one, other, faces)}) == 3


def test_scores_are_taken_of_true_labels_under_the_same_choice(faces):
    truth = ChosenTags(NoisyLabels(faces, wrong=0.5), ["smile"]).truth
    assert isinstance(truth, ChosenTags)
    assert truth.source is faces
    plain = ChosenTags(faces, ["smile"])
    assert plain.truth is plain


def test_a_data_module_serves_s5s_59(faces):
    data = AnimeFaces(ChosenTags(faces), image_size=16, batch_size=8, epoch_images=16, score_images=8)
    assert data.num_tags == len(S5_TAGS) == 59
    data.setup("fit")
    (batch, *_) = data.stream(frozenset({"tags_BT"}), 16, 8)
    assert batch.condition.tags_BT.shape == (8, 59)
    assert batch.condition.tags_BT[:, S5_TAGS.index("gloves")].isnan().all()


@pytest.mark.parametrize(
    ("tags", "message"),
    [(["smile", "Smile"], "smile is named more than once"), (["wings"], "none of these tags; they have")],
)
def test_choices_that_cannot_be(faces, tags, message):
    with pytest.raises(UserError, match=message):
        ChosenTags(faces, tags)
