"""Settings of earlier versions still load."""

import pkgutil

import pytest

from anime_gen import aliases
from anime_gen.aliases import path_today, today, word_today
from anime_gen.cli.train import suite


@pytest.mark.parametrize("new", aliases.PATHS.values())
def test_every_new_name_is_there(new):
    assert pkgutil.resolve_name(new)


def test_names_are_whole_words():
    assert path_today("anime_gen.adversarial.Hinge") == "anime_gen.blocks.adversarial.Hinge"
    assert path_today("anime_gen.augmented") == "anime_gen.augmented"
    assert word_today("--model.loss=anime_gen.adversarial.Hinge") == "--model.loss=anime_gen.blocks.adversarial.Hinge"
    assert word_today("--data.source.path=a=b") == "--data.source.path=a=b"


def test_settings_are_renewed_at_any_depth():
    old = {"model": {"class_path": "x.Y", "init_args": {"loss": "anime_gen.adversarial.Hinge", "n": [1, None]}}}
    assert today(old)["model"]["init_args"] == {"loss": "anime_gen.blocks.adversarial.Hinge", "n": [1, None]}


def test_a_config_of_an_earlier_version_builds(tmp_path):
    old = tmp_path / "old.yaml"
    old.write_text(
        "model:\n  class_path: anime_gen.families.dcgan.module.DCGAN\n  init_args:\n"
        "    loss: anime_gen.adversarial.Hinge\n"
        "    augment: {class_path: anime_gen.augment.diffaugment.DiffAugment}\n"
    )
    shared = ["-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml"]
    module = suite([*shared, "-c", str(old)], run=False).model
    assert type(module.loss).__name__ == "Hinge"
    assert type(module.augment).__name__ == "DiffAugment"
