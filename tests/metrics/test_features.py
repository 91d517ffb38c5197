import copy
import gc
import weakref

import pytest
import torch

from anime_gen.contract import UserError
from anime_gen.metrics.features import JudgeFeatures, LatestBatch
from anime_gen.metrics.judge import Judge, JudgeOutput, hash_weights, resize


def flat(look: JudgeOutput) -> list[torch.Tensor]:
    return [*look.attribute_logits, *(part for part in look if isinstance(part, torch.Tensor))]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (48, 48), (64, 64), (96, 80), (128, 128), (256, 256)])
def test_looks_at_any_size(judge, pictures, height, width):
    images = pictures(3, size=256)[:, :, :height, :width]
    look = judge.look(images)
    assert look.features_BD.shape == (3, 16)
    assert look.tag_logits_BT.shape == (3, 3)
    assert [logits.shape for logits in look.attribute_logits] == [(3, 3), (3, 2)]
    assert look.landmarks_BK2.shape == (3, 24, 2)
    assert look.face_logit_B.shape == (3,)
    assert all(part.dtype == torch.float32 and part.isfinite().all() for part in flat(look))
    assert 0 <= look.landmarks_BK2.min() <= look.landmarks_BK2.max() <= 1


def test_bytes_and_floats_are_the_same_picture(judge, pictures):
    images = pictures(4)
    torch.testing.assert_close(judge.judge(images), judge.judge(images.float() / 127.5 - 1))


def test_resize_averages_and_keeps_colours():
    flat_grey = torch.full((1, 3, 200, 200), 51, dtype=torch.uint8)
    torch.testing.assert_close(resize(flat_grey), torch.full((1, 3, 64, 64), -0.6))
    checks = (torch.arange(256)[:, None] + torch.arange(256)) % 2 * 255
    # Without antialiasing a fine pattern turns into one colour or stripes.
    assert resize(checks.expand(1, 3, -1, -1).to(torch.uint8)).abs().max() < 0.05


@pytest.mark.parametrize("split", [[64], [1, 63], [20, 20, 24], [7] * 9 + [1]])
def test_a_picture_does_not_depend_on_its_batch(judge, pictures, split):
    images = pictures(64)
    whole = judge.look(images)
    parts = [judge.look(part) for part in images.split(split)]
    for i, part in enumerate(flat(whole)):
        assert torch.equal(torch.cat([flat(look)[i] for look in parts]), part)


def test_one_batch_is_looked_at_once(judge, pictures):
    runs = []
    judge.judge.register_forward_hook(lambda *_: runs.append(1))
    images = pictures(10)
    first = judge(images)
    assert judge(images) is first
    assert judge(images.clone()) is first
    assert len(runs) == 1
    judge(pictures(10, seed=1))
    assert len(runs) == 2


@pytest.mark.parametrize("inference", [False, True])
def test_a_batch_changed_in_place_is_another(judge, pictures, inference):
    with torch.inference_mode(inference):
        images = pictures(10)
        before = judge(images)
        images[3] = 255 - images[3]
        after = judge(images)
    fresh = judge(pictures(10, seed=1)), judge(images)
    assert torch.equal(after, fresh[1])
    same = (before == after).all(1)
    assert same.tolist() == [i != 3 for i in range(10)]


def test_only_the_latest_batch_is_held():
    held = LatestBatch(lambda images: images + 1)
    first = torch.zeros(3, dtype=torch.uint8)
    output = weakref.ref(held(first))
    source = weakref.ref(first)
    del first
    gc.collect()
    assert source() is None
    assert output() is not None
    held(torch.ones(3, dtype=torch.uint8))
    gc.collect()
    assert output() is None


def test_a_moved_judge_looks_again(judge, pictures):
    images = pictures(2)
    first = judge(images)
    judge.to("cpu")
    assert judge(images) is not first


def test_a_copy_has_its_own_memory(judge, pictures):
    other = copy.deepcopy(judge)
    with torch.no_grad():
        other.judge.tags.bias += 1
    images = pictures(2)
    torch.testing.assert_close(other.look(images).tag_logits_BT, judge.look(images).tag_logits_BT + 1)


def test_never_trains_and_never_mixes_precision(judge, pictures):
    images = pictures(5)
    wanted = judge.look(images)
    torch.nn.ModuleList([judge]).train()
    assert not judge.judge.training
    assert not any(p.requires_grad for p in judge.parameters())
    judge(pictures(5, seed=1))
    with torch.autocast("cpu", torch.bfloat16):
        again = judge.look(images)
    assert all(torch.equal(a, b) for a, b in zip(flat(wanted), flat(again), strict=True))


def test_refuses_floats_and_flat_pictures(judge):
    with pytest.raises(ValueError, match="quantise"):
        judge(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="must be"):
        judge(torch.zeros(1, 1, 32, 32, dtype=torch.uint8))


def test_weights_come_back(judge, pictures, tmp_path):
    path = tmp_path / "judge.safetensors"
    judge.judge.painter_version = "3"
    judge.judge.tag_f1 = {"hat": 0.4, "smile": 0.5}
    judge.judge.half().float().save(path)
    loaded = JudgeFeatures(Judge.load(path))
    assert loaded.vocabulary == judge.vocabulary
    assert loaded.judge.painter_version == "3"
    assert loaded.legible_tags == {"smile"}  # no held-out face had glasses
    assert loaded.weights_hash == hash_weights(judge.judge) != judge.weights_hash
    torch.testing.assert_close(loaded(pictures(4)), judge(pictures(4)))
    assert loaded.protocol() == {**judge.protocol(), "extractor_weights": loaded.weights_hash}


def test_a_judge_never_examined_is_trusted(judge):
    assert judge.legible_tags == set(judge.vocabulary.tags)


def test_missing_or_foreign_weights_are_the_users(tmp_path):
    with pytest.raises(UserError, match="anime-gen judge fit PICTURES --out"):
        Judge.load(tmp_path / "judge.safetensors")
    (tmp_path / "judge.safetensors").write_bytes(b"12345678{}")
    with pytest.raises(UserError, match="anime-gen judge fit PICTURES --out"):
        Judge.load(tmp_path / "judge.safetensors")
