"""Captions as numbers, and line art of pictures without any."""

import numpy as np
import pytest
import torch
from PIL import Image

from anime_gen.conditions.sketch import line_art
from anime_gen.conditions.text import CAPTION_TOKENS, NUM_TOKENS, TOKEN_MIRROR, caption_tokens
from anime_gen.contract import UserError
from anime_gen.data import AnimeFaces, Folder, PaintedFaces
from anime_gen.data.text import OpenClip


def test_tokens_are_words_in_order():
    tokens = caption_tokens("1girl, blue_hair, :d")
    assert tokens.shape == (CAPTION_TOKENS,)
    assert int(tokens.max()) < NUM_TOKENS
    assert (tokens > 0).sum() == 4
    assert tokens[:4].tolist() == [
        *caption_tokens("1girl")[:1],
        *caption_tokens("blue hair")[:2],
        *caption_tokens(":d")[:1],
    ]
    np.testing.assert_array_equal(caption_tokens("Twintails"), caption_tokens("twin tails"))
    # The same numbers on every machine and in every process.
    assert caption_tokens("blue")[0] == 3775
    assert not caption_tokens(None).any()
    assert not caption_tokens("").any()
    assert (caption_tokens("a " * 100) > 0).sum() == CAPTION_TOKENS


def test_mirrored_tokens_swap_the_sides():
    said, seen = caption_tokens("looking to the left, right glove"), caption_tokens("looking to the right, left glove")
    np.testing.assert_array_equal(TOKEN_MIRROR[said], seen)
    np.testing.assert_array_equal(TOKEN_MIRROR[TOKEN_MIRROR], np.arange(NUM_TOKENS))


def test_painted_captions_arrive(tmp_path):
    data = AnimeFaces(PaintedFaces(40), cache_dir=tmp_path)
    batch = next(iter(data.loader("train", frozenset({"caption_BL"}), 4)))
    expected = np.stack([caption_tokens(caption) for caption in data.captions("train")[:4]])
    assert batch.condition.caption_BL.dtype == torch.int64
    np.testing.assert_array_equal(batch.condition.caption_BL.numpy(), expected)


def drawing(size=200):
    """A dark ring on a light surface, and a dark square without an outline beside it."""
    yy, xx = np.mgrid[:size, :size] / size
    ring = np.abs(np.hypot(xx - 0.35, yy - 0.4) - 0.2) < 0.012
    square = (abs(xx - 0.8) < 0.1) & (abs(yy - 0.8) < 0.1)
    grey = np.where(ring, 30, np.where(square, 60, 220)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2), ring


def test_line_art_finds_lines_and_leaves_surfaces_white():
    pixels, ring = drawing(256)
    lines = line_art(pixels, 256)
    assert lines.dtype == np.uint8
    assert lines[ring].mean() < 40
    assert lines[200:210, 200:210].min() > 250, "the middle of a dark surface is no line"
    assert lines[:20, :20].min() > 250
    grain = np.clip(np.random.default_rng(0).normal(20, 2, (256, 256, 1)), 0, 255).astype(np.uint8).repeat(3, 2)
    assert line_art(grain, 256).mean() > 240, "the grain of a dark surface is no line"
    assert line_art(pixels, 32).shape == (32, 32)


def test_any_folder_has_sketches(tmp_path):
    pixels, _ = drawing()
    for i in range(12):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    data = AnimeFaces(Folder(tmp_path), cache_dir=tmp_path / "cache")
    batch = next(iter(data.loader("train", frozenset({"sketch_B1HW"}), 2)))
    assert batch.condition.sketch_B1HW.shape == (len(batch.index_B), 1, 32, 32)
    assert float(batch.condition.sketch_B1HW.max()) > 0.5
    assert float(batch.condition.sketch_B1HW.min()) == 0


def test_tags_stand_in_for_a_caption_nobody_wrote(tmp_path):
    rows = ["file,tags,caption"]
    for i in range(12):
        Image.new("RGB", (40, 40)).save(tmp_path / f"{i}.png")
        rows.append(f'{i}.png,"blue hair, smile",{"a smiling girl" if i % 2 else ""}')
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    data = AnimeFaces(Folder(tmp_path, min_tag_count=1), cache_dir=tmp_path / "cache")
    said = {caption for split in ("train", "validation", "test") for caption in data.source.captions(split)}
    assert said == {"a smiling girl", "blue hair, smile"}
    assert "caption_BL" in data.source.parts


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    """Weights of the right form for a small CLIP that open_clip knows by name."""
    open_clip = pytest.importorskip("open_clip")
    import json

    folder = tmp_path_factory.mktemp("clip")
    config = {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    (folder / "tiny-for-test.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / "tiny-for-test.json")
    torch.manual_seed(0)
    torch.save(open_clip.create_model("tiny-for-test").state_dict(), folder / "tiny.pt")
    return OpenClip(folder / "tiny.pt", "tiny-for-test")


def test_a_tower_reads_each_caption_once(tower, tmp_path, monkeypatch):
    assert tower.width == 32
    captions = ["blue hair", None, "smile", "blue hair"]
    features = tower.features(captions, tmp_path)
    assert features.shape == (4, 32)
    assert np.isnan(features[1]).all()
    np.testing.assert_array_equal(features[0], features[3])
    assert not np.allclose(features[0], features[2])
    np.testing.assert_allclose(tower.read(["smile"])[0], features[2], atol=1e-5)
    monkeypatch.setattr(OpenClip, "read", lambda *_: pytest.fail("they were read before"))
    np.testing.assert_array_equal(tower.features(captions, tmp_path), features)


def test_mirrored_pictures_have_the_mirrored_captions_features(tower, tmp_path):
    rows = ["file,caption"]
    for i in range(40):
        Image.new("RGB", (40, 40), (i, i, i)).save(tmp_path / f"{i:02d}.png")
        rows.append(f"{i:02d}.png,left glove")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    data = AnimeFaces(Folder(tmp_path), batch_size=8, cache_dir=tmp_path / "cache", text=tower)
    pictures = data._pictures("train", frozenset({"text_BD"}))
    mirrored = np.array([False, True])
    text = pictures.condition(np.array([0, 1]), mirrored).text_BD.numpy()
    left, right = tower.read(["left glove", "right glove"])
    np.testing.assert_allclose(text, np.stack([left, right]), atol=1e-5)


def test_missing_weights_say_what_to_fetch(tmp_path):
    with pytest.raises(UserError, match=r"no weights at .*open_clip_model.safetensors.*data\.text\.weights"):
        OpenClip(tmp_path / "none.safetensors")


def test_weights_that_do_not_fit_are_refused(tower, tmp_path):
    torch.save({"nothing": torch.zeros(1)}, tmp_path / "wrong.pt")
    with pytest.raises(UserError, match="does not fit open_clip's tiny-for-test"):
        OpenClip(tmp_path / "wrong.pt", "tiny-for-test").read(["smile"])
    with pytest.raises(UserError, match="knows no such model"):
        OpenClip(tower.weights, "no-such-model")
