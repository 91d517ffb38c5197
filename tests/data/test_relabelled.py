"""A source under other training labels: noise for a study, and labels out of a manifest."""

import numpy as np
import pytest

from anime_gen.contract import UserError
from anime_gen.data import AnimeFaces, NoisyLabels, PaintedFaces, Relabelled

LABELS = frozenset({"tags", "attributes", "tag_confidence", "attribute_confidence"})


@pytest.fixture(scope="module")
def faces():
    return PaintedFaces(300)


def labels(source, split="train"):
    return source.fill(split, range(source.count(split)), LABELS, 8).columns


def test_hidden_labels_are_hidden_at_their_rate_and_the_others_true(faces):
    true, seen = labels(faces), labels(NoisyLabels(faces, hidden=0.3))
    gone = seen["tags"] < 0
    assert abs(gone.mean() - 0.3) < 0.03
    assert np.array_equal(seen["tags"][~gone], true["tags"][~gone])
    assert np.array_equal(seen["tag_confidence"], np.where(gone, 0, 1))
    lost = (seen["attributes"] < 0) & (true["attributes"] >= 0)
    assert abs(lost.sum() / (true["attributes"] >= 0).sum() - 0.3) < 0.05
    assert np.array_equal(seen["attribute_confidence"], seen["attributes"] >= 0)


def test_a_colour_and_its_tags_are_hidden_together(faces):
    seen = labels(NoisyLabels(faces, hidden=0.5))
    hair = [i for i, tag in enumerate(faces.vocabulary.tags) if tag in {
        f"{name} hair" for name in faces.vocabulary.attributes["hair"]}]  # fmt: skip
    assert len(hair) > 5
    hidden = seen["attributes"][:, list(faces.vocabulary.attributes).index("hair")] < 0
    assert np.array_equal((seen["tags"][:, hair] < 0).all(1), hidden)
    assert np.array_equal((seen["tags"][:, hair] < 0).any(1), hidden)
    assert not np.array_equal(seen["tags"][:, faces.vocabulary.tags.index("smile")] < 0, hidden)


def test_wrong_labels_are_another_pictures(faces):
    true, seen = labels(faces), labels(NoisyLabels(faces, wrong=0.4))
    assert abs(seen["tags"].mean() - true["tags"].mean()) < 0.015  # no tag becomes more frequent
    assert (seen["tag_confidence"] == 1).all()  # nobody knows that they are wrong
    for column in range(true["attributes"].shape[1]):
        was, now = true["attributes"][:, column], seen["attributes"][:, column]
        chance = sum((was == name).mean() ** 2 for name in np.unique(was))  # of the same label by chance
        assert abs((was != now).mean() - 0.4 * (1 - chance)) < 0.1
    assert np.array_equal(labels(NoisyLabels(faces, wrong=0.0))["tags"], true["tags"])


def test_only_training_labels_change_and_keys_say_so(faces):
    noisy = NoisyLabels(faces, hidden=0.5, wrong=0.5)
    for split in ("validation", "test"):
        for kind, column in labels(faces, split).items():
            assert np.array_equal(labels(noisy, split)[kind], column)
        assert noisy.label_key(split) == faces.label_key(split)
    assert noisy.picture_key("train") == faces.picture_key("train")  # painted once for all levels of noise
    others = [NoisyLabels(faces, 0.5, 0.4), NoisyLabels(faces, 0.4, 0.5), NoisyLabels(faces, 0.5, 0.5, seed=1), faces]
    assert len({source.label_key("train") for source in [noisy, *others]}) == 5
    assert "caption_BL" not in noisy.parts


def test_noise_is_a_function_of_seed_and_row(faces):
    whole = labels(NoisyLabels(faces, hidden=0.3, wrong=0.3))
    part = NoisyLabels(faces, hidden=0.3, wrong=0.3).fill("train", range(40, 60), LABELS, 8).columns
    assert all(np.array_equal(part[kind], whole[kind][40:60]) for kind in LABELS)
    assert not np.array_equal(labels(NoisyLabels(faces, hidden=0.3, wrong=0.3, seed=1))["tags"], whole["tags"])


def test_the_data_module_serves_it(faces, tmp_path):
    data = AnimeFaces(NoisyLabels(PaintedFaces(100), hidden=0.5), image_size=8, cache_dir=tmp_path)
    batch = next(iter(data.stream(frozenset({"tags_BT", "tag_confidence_BT"}), 64, 64)))
    assert abs(float(batch.condition.tags_BT.isnan().float().mean()) - 0.5) < 0.05
    (batch,) = data.loader("validation", frozenset({"tags_BT"}), 12)
    assert not batch.condition.tags_BT.isnan().any()


def test_runs_on_changed_labels_are_measured_alike(faces, tmp_path):
    """What is scored is the same; how the training pictures were labelled is the system's affair."""
    plain = AnimeFaces(faces, 32, 16, cache_dir=tmp_path)
    noisy = AnimeFaces(NoisyLabels(faces, wrong=0.3), 32, 16, cache_dir=tmp_path)
    assert noisy.record("train", "validation") == plain.record("train", "validation")
    assert "labels" not in plain.presentation()
    assert noisy.presentation()["labels"]["wrong"] == 0.3


def test_a_share_is_a_share(faces):
    with pytest.raises(UserError, match=r"data\.source\.wrong is 1\.5: it is a share of the labels, from 0 to 1"):
        NoisyLabels(faces, wrong=1.5)


def test_labels_out_of_a_manifest(faces, tmp_path):
    names = [faces.name("train", row) for row in range(3)]
    path = tmp_path / "labels.csv"
    path.write_text(
        f'file,tags,hair\n{names[1]},"smile@0.5 tagger, -hat@0.75 tagger",blue@0.25 tagger\n{names[2]},hat,red\n'
    )
    source = Relabelled(faces, path)
    seen = labels(source)
    smile, hat = (faces.vocabulary.tags.index(tag) for tag in ("smile", "hat"))
    hair = faces.vocabulary.attributes["hair"]
    assert (seen["tags"][0] == -1).all()
    assert (seen["tags"][1, [smile, hat]] == [1, 0]).all()
    assert (seen["tags"][1] >= 0).sum() == 2
    assert (seen["tag_confidence"][1, [smile, hat]] == [0.5, 0.75]).all()
    assert (seen["tags"][2] >= 0).sum() == len(faces.vocabulary.tags)
    assert seen["attributes"][:3, 0].tolist() == [-1, hair.index("blue"), hair.index("red")]
    assert seen["attribute_confidence"][:3, 0].tolist() == [0, 0.25, 1]
    assert (seen["attributes"][:, 1:] == -1).all()  # the manifest has no such column
    assert np.array_equal(labels(source, "test")["tags"], labels(faces, "test")["tags"])
    path.write_text(f"file,tags,hair\n{names[1]},smile@0.6 tagger,blue\n")
    assert Relabelled(faces, path).label_key("train") != source.label_key("train")
    path.write_text("file,hair\nother.png,red\n")
    with pytest.raises(UserError, match="has no row for any training picture"):
        labels(Relabelled(faces, path))
