"""Frequent words are hidden so that all are shown about equally often."""

import numpy as np
import torch

from anime_gen.conditions.text import NUM_TOKENS
from anime_gen.data import AnimeFaces, PaintedFaces
from anime_gen.data.flatten import Flattening, keep_chances
from anime_gen.data.pack import Pack
from anime_gen.data.pictures import Pictures, TrainingSet

PARTS = frozenset({"tags_BT", "caption_BL"})


def test_words_above_the_median_come_down_to_it():
    counts = np.array([1000, 100, 10, 1, 0])
    np.testing.assert_allclose(counts * keep_chances(counts), [55, 55, 10, 1, 0])
    assert keep_chances(np.zeros(3)).tolist() == [1, 1, 1]


def shown(tmp_path, flatten, seed=0):
    """(tags, captions) of ten passes over the training pictures, as a family would see them."""
    pictures = Pictures(Pack(AnimeFaces(PaintedFaces(600), cache_dir=tmp_path).source, "train", 32), PARTS)
    hide = Flattening(pictures, seed) if flatten else None
    batch = TrainingSet(pictures, seed, True, None, hide).__getitems__(range(4200))
    return batch.condition.tags_BT, batch.condition.caption_BL


def test_the_frequencies_are_nearly_flat(tmp_path):
    plain, said = shown(tmp_path, flatten=False)
    hidden, heard = shown(tmp_path, flatten=True)
    counts, flat = (tags.nan_to_num(0.0).sum(0) for tags in (plain, hidden))
    median = counts[counts > 0].median()
    assert float(counts.max()) > 5 * float(median)
    assert float(flat.max()) < 1.3 * float(median)
    rare = counts <= median
    torch.testing.assert_close(flat[rare], counts[rare])  # those are never hidden
    frequent = int(counts.argmax())
    known = ~hidden[:, frequent].isnan()
    # Absent ones are hidden as often: what is not given says nothing.
    assert abs(float(hidden[known, frequent].mean()) - float(plain[:, frequent].mean())) < 0.1
    words = [torch.bincount(caption.flatten(), minlength=NUM_TOKENS)[1:] for caption in (said, heard)]
    assert int(words[0].max()) > 5 * int(words[1].max())
    assert bool((words[1] <= words[0]).all())


def test_what_is_hidden_is_a_function_of_seed_and_position(tmp_path):
    tags, words = shown(tmp_path, flatten=True)
    again, words_again = shown(tmp_path, flatten=True)
    torch.testing.assert_close(tags, again, equal_nan=True)
    assert torch.equal(words, words_again)
    other, _ = shown(tmp_path, flatten=True, seed=1)
    assert not torch.equal(other.isnan(), tags.isnan())


def test_a_family_in_training_gets_them_hidden(here, tmp_path):
    """Through the command line: the key reaches the batches, and the protocol says so."""
    small = ("-c", "experiments/overlay/debug.yaml", "--data.source.faces=200", "--trainer.max_epochs=1",
             "--data.flatten_words=true")  # fmt: skip
    yamls = ("-c", "experiments/shared.yaml", "-c", "experiments/family/diffusion.yaml")
    done = here("fit", *yamls, *small, "--model.settings.steps=1", "--run", tmp_path / "run")
    assert done.returncode == 0, done.stderr[-1500:]
    assert '"flatten_words": true' in (tmp_path / "run" / "metrics.json").read_text()


def test_of_a_hidden_tag_nobody_is_sure(tmp_path):
    parts = PARTS | {"tag_confidence_BT"}
    pictures = Pictures(Pack(AnimeFaces(PaintedFaces(600), cache_dir=tmp_path).source, "train", 32), parts)
    told = TrainingSet(pictures, 0, True, None, Flattening(pictures, 0)).__getitems__(range(420)).condition
    assert told.tags_BT.isnan().any()
    assert torch.equal(told.tag_confidence_BT, (~told.tags_BT.isnan()).float())
