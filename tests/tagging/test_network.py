"""The tagger and its file; the judge keeps out of it."""

import pytest
import torch

from anime_gen.contract import UserError
from anime_gen.metrics.judge import SHIPPED_WEIGHTS, Judge
from anime_gen.tagging.calibration import Calibration
from anime_gen.tagging.network import Tagger
from anime_gen.vocabulary import Vocabulary


def test_what_is_saved_is_loaded_again(tiny, tmp_path):
    tiny.calibration = Calibration(*(torch.rand(2) for _ in range(3)), torch.rand(1) + 1)
    tiny.save(tmp_path / "below" / "a.safetensors")
    again = Tagger.load(tmp_path / "below" / "a.safetensors")
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["a.safetensors"]
    assert again.vocabulary == tiny.vocabulary
    assert not again.training
    image = torch.rand(3, 3, 16, 16) * 2 - 1
    ours, theirs = tiny.look(image), again.look(image)
    assert torch.equal(ours.tag_logits_BT, theirs.tag_logits_BT)
    told, told_again = tiny.beliefs(ours), again.beliefs(theirs)
    torch.testing.assert_close(told.tags_NT, told_again.tags_NT)
    torch.testing.assert_close(told.classes[0], told_again.classes[0])
    torch.testing.assert_close(told.classes[0].sum(1), torch.ones(3))
    assert not torch.allclose(told.tags_NT, ours.tag_logits_BT.sigmoid())
    torch.testing.assert_close(again.thresholds, tiny.thresholds)


def test_pictures_of_other_sizes_are_resized(tiny):
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    large = image.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(tiny.look(large).tag_logits_BT, tiny.look(image).tag_logits_BT, atol=0.2, rtol=0.2)
    assert tiny.look(large).features_BD.shape == tiny.look(image).features_BD.shape


def test_it_needs_what_its_words_are_of():
    options = {"channels": [8, 8, 8, 8], "stem_width": 4}
    assert Tagger(Vocabulary(["hat"], {}), 16, options=options).needs == {"tags_BT", "tag_confidence_BT"}
    groups = Tagger(Vocabulary([], {"hair": ["red", "blue"]}), 16, options=options)
    assert groups.needs == {"attributes_BA", "attribute_confidence_BA"}
    assert groups(torch.rand(2, 3, 16, 16)).tag_logits_BT.shape == (2, 0)


def test_small_pictures_keep_their_detail():
    fine, coarse = Tagger(Vocabulary(["hat"], {}), 96), Tagger(Vocabulary(["hat"], {}), 128)
    image = torch.rand(1, 3, 96, 96)
    assert fine.backbone.forward_features(image).shape[2] == 2 * coarse.backbone.forward_features(image).shape[2]


def test_the_tagger_that_labels_is_never_the_judge(tiny, tmp_path):
    with pytest.raises(UserError, match="is a judge: what scores pictures must not label them"):
        Tagger.load(SHIPPED_WEIGHTS)
    tiny.save(tmp_path / "tagger.safetensors")
    with pytest.raises(UserError, match="not the weights of this version's judge"):
        Judge.load(tmp_path / "tagger.safetensors")


def test_other_files_are_refused(tiny, tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(UserError, match=r"there is no tagger .*nowhere: train one with anime-gen tagger fit"):
        Tagger.load(tmp_path / "nowhere")
    save_file({"a": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(UserError, match="is no tagger of this suite"):
        Tagger.load(tmp_path / "plain.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(UserError, match="does not hold the weights of this version's tagger"):
        Tagger.load(tmp_path / "text.safetensors")
    with pytest.raises(UserError, match="timm has no backbone 'resnet10x'"):
        Tagger(tiny.vocabulary, 16, "resnet10x")
