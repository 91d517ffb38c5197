"""A WD tagger of the published form with small random weights: its files, words and preparation."""

import csv
import json

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from anime_gen.contract import UserError
from anime_gen.tagging.wd import THRESHOLD, WDTagger, letterboxed
from anime_gen.vocabulary import S5_TAGS

NAMES = [
    ("general", 9), ("sensitive", 9), ("1girl", 0), ("1boy", 0), ("long_hair", 0), ("blue_hair", 0), ("brown_hair", 0),
    ("blue_eyes", 0), ("red_eyes", 0), (":d", 0), ("twintails", 0), ("smile", 0), ("hakurei_reimu", 4), ("x", 4),
]  # fmt: skip
SHAPE = {"embed_dim": 16, "depth": 1, "num_heads": 2, "img_size": 32, "patch_size": 8, "class_token": False}
SHAPE |= {"global_pool": "avg", "fc_norm": False}


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", pretrained=False, num_classes=len(NAMES), **SHAPE)
    model.head.weight.data.normal_()
    place = tmp_path / "wd"
    place.mkdir()
    save_file(model.state_dict(), place / "model.safetensors")
    prepared = {"input_size": [3, 32, 32], "mean": [0.5] * 3, "std": [0.5] * 3, "num_classes": len(NAMES)}
    config = {"architecture": "vit_tiny_patch16_224", "num_classes": len(NAMES), "model_args": SHAPE}
    (place / "config.json").write_text(json.dumps({**config, "pretrained_cfg": prepared}))
    with (place / "selected_tags.csv").open("w", newline="") as file:
        rows = [(i, name, kind, 1000 - i) for i, (name, kind) in enumerate(NAMES)]
        csv.writer(file).writerows([("tag_id", "name", "category", "count"), *rows])
    return place


def test_its_words_become_ours(folder):
    tagger = WDTagger.load(str(folder))
    assert tagger.vocabulary.tags == tuple(tag for tag in S5_TAGS if tag in {
        "long hair", "blue hair", "brown hair", "blue eyes", "red eyes", ":d", "twin tails", "smile"})  # fmt: skip
    assert {group: set(names) for group, names in tagger.vocabulary.attributes.items()} == {
        "hair": {"blue", "brown"}, "eye": {"blue", "red"}, "gender": {"female", "male"},
    }  # fmt: skip
    assert tagger.image_size == 32
    assert (tagger.thresholds == THRESHOLD).all()
    assert WDTagger.load(str(folder), ["Smile", "twin_tails"]).vocabulary.tags == ("smile", "twin tails")
    with pytest.raises(UserError, match="no general tag 'hakurei reimu'"):  # a character
        WDTagger.load(str(folder), ["hakurei_reimu"])


def test_it_sees_what_timm_sees_of_bgr(folder):
    tagger = WDTagger.load(str(folder), ["smile", ":d", "twintails"])
    image = torch.rand(3, 3, 32, 32) * 2 - 1
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    with torch.no_grad():
        logits = model(image[:, [2, 1, 0]])  # [-1, 1] is what mean and deviation 0.5 make of [0, 1]
    place = {name: i for i, (name, _) in enumerate(NAMES)}
    seen = tagger.look(image)
    torch.testing.assert_close(seen.tag_logits_BT, logits[:, [place["smile"], place[":d"], place["twintails"]]])
    hair = list(tagger.vocabulary.attributes).index("hair")
    names = tagger.vocabulary.attributes["hair"]
    torch.testing.assert_close(seen.class_logits[hair], logits[:, [place[f"{name}_hair"] for name in names]])
    assert seen.features_BD.shape == (3, 16)
    beliefs = tagger.beliefs(seen)
    torch.testing.assert_close(beliefs.tags_NT, seen.tag_logits_BT.sigmoid())
    scores = seen.class_logits[hair].sigmoid()
    torch.testing.assert_close(beliefs.classes[hair], scores / scores.sum(1, keepdim=True).clamp(min=1))
    assert (beliefs.classes[hair].sum(1) <= 1.00001).all()


def test_pictures_are_laid_on_a_white_square(folder, tmp_path):
    pixels = np.zeros((20, 40, 3), np.uint8)
    pixels[:, :, 0] = 200
    square = letterboxed(pixels, 40)
    assert square.shape == (40, 40, 3)
    assert (square[:10] == 255).all()
    assert (square[30:] == 255).all()
    assert (square[10:30] == (200, 0, 0)).all()
    Image.fromarray(pixels).save(tmp_path / "a.png")
    opened = WDTagger.load(str(folder)).open(tmp_path / "a.png")
    assert opened.shape == (3, 32, 32)
    assert opened[:, 16, 16].tolist() == [200, 0, 0]
    assert opened[:, 2, 16].tolist() == [255, 255, 255]


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "selected_tags.csv"])
def test_what_is_missing_is_named(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(UserError) as caught:
        WDTagger.load(str(folder))
    assert f"there is no {missing} in {folder}: fetch config.json, model.safetensors, selected_tags.csv" in str(
        caught.value
    )
    assert "\n" not in str(caught.value)


def test_a_name_on_the_hub_says_what_to_fetch(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"of https://huggingface.co/SmilingWolf/wd-x-tagger into a folder"):
        WDTagger.load("SmilingWolf/wd-x-tagger")


@pytest.mark.parametrize("place", ["/nowhere", "nowhere/", "no--where/at_all"])
def test_a_path_that_is_no_folder_says_what_to_fetch(place):
    with pytest.raises(UserError, match=r"there is no config.json in .*huggingface.co/SmilingWolf/wd-vit-tagger-v3"):
        WDTagger.load(place)


def test_files_of_two_models_are_refused(folder):
    rows = (folder / "selected_tags.csv").read_text().splitlines()
    (folder / "selected_tags.csv").write_text("\n".join(rows[:-1]) + "\n")
    with pytest.raises(UserError, match=f"{len(NAMES) - 1} rows of selected_tags.csv for {len(NAMES)} logits"):
        WDTagger.load(str(folder))
    (folder / "selected_tags.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="has no columns name and category"):
        WDTagger.load(str(folder))


def test_a_broken_model_is_one_line(folder):
    (folder / "model.safetensors").write_text("oops")
    with pytest.raises(UserError, match="timm cannot read the model in"):
        WDTagger.load(str(folder))
