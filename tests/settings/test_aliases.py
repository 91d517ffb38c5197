"""Settings of earlier versions still load."""

import importlib
import pkgutil
import re
from pathlib import Path

import lightning as L
import pytest
import torch

from anime_gen.cli.train import suite
from anime_gen.contract import UserError
from anime_gen.families.vae.module import VAE
from anime_gen.run.trained import load
from anime_gen.settings import aliases
from anime_gen.settings.aliases import parameters_today, path_today, today, word_today
from anime_gen.vocabulary import Vocabulary

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("new", aliases.PATHS.values())
def test_every_new_name_is_there(new):
    assert pkgutil.resolve_name(new)


def packages():
    return sorted(set(aliases.PATHS.values()))


@pytest.mark.parametrize("package", packages())
def test_a_class_is_found_by_its_module_and_by_its_package(package):
    """Runs have the long name in their config.yaml, from when there was no short one."""
    for name in importlib.import_module(package).__all__:
        kind = pkgutil.resolve_name(f"{package}.{name}")
        assert path_today(f"{kind.__module__}.{name}") == path_today(f"{package}.{name}") == f"{package}.{name}"
        assert pkgutil.resolve_name(f"{kind.__module__}.{name}") is kind


def test_what_ships_uses_names_of_today():
    pages = [*(ROOT / "experiments").rglob("*.yaml"), *(ROOT / "anime_gen/cli/help").glob("*.txt"), *ROOT.glob("*.md")]
    for page in pages:
        for name in re.findall(r"anime_gen(?:\.\w+)+", page.read_text()):
            assert path_today(name) == name, page


def test_names_are_whole_words():
    assert path_today("anime_gen.adversarial.Hinge") == "anime_gen.blocks.Hinge"
    assert path_today("anime_gen.augment.ada.ADA") == "anime_gen.blocks.augment.ADA"
    assert path_today("anime_gen.augmented") == "anime_gen.augmented"
    assert word_today("--model.loss=anime_gen.adversarial.Hinge") == "--model.loss=anime_gen.blocks.Hinge"
    assert word_today("--data.source.path=a=b") == "--data.source.path=a=b"


def test_settings_are_renewed_at_any_depth():
    old = {"model": {"class_path": "x.Y", "init_args": {"loss": "anime_gen.adversarial.Hinge", "n": [1, None]}}}
    assert today(old)["model"]["init_args"] == {"loss": "anime_gen.blocks.Hinge", "n": [1, None]}


def test_parameters_that_stand_in_a_group_now():
    old = {"class_path": "anime_gen.families.stylegan2.module.StyleGAN2",
           "init_args": {"r1": 0.1, "lr": 1e-3, "mixing": 0.5, "told": "nothing"}}  # fmt: skip
    assert today(old)["init_args"] == {"lr": 1e-3, "labels": "nothing", "regularisers": {"r1": 0.1, "mixing": 0.5}}
    assert today(today(old)) == today(old)
    mixed = {"lr": 1e-3, "optimizer": {"cooldown": 0.1}}
    assert parameters_today("a.Diffusion", mixed) == {"optimizer": {"cooldown": 0.1, "lr": 1e-3}}
    assert mixed["optimizer"] == {"cooldown": 0.1}, "what was given is not changed"


def test_a_config_of_an_earlier_version_builds(tmp_path):
    old = tmp_path / "old.yaml"
    old.write_text(
        "model:\n  class_path: anime_gen.families.dcgan.module.DCGAN\n  init_args:\n"
        "    loss: anime_gen.adversarial.Hinge\n"
        "    augment: {class_path: anime_gen.augment.diffaugment.DiffAugment}\n"
    )
    shared = ["-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml"]
    cli = suite([*shared, "-c", str(old)], run=False)
    assert type(cli.model.loss).__name__ == "Hinge"
    assert type(cli.model.augment).__name__ == "DiffAugment"
    # The run that begins from it has the names of today, as one that has never known others.
    assert cli.config.model.class_path == "anime_gen.families.dcgan.DCGAN"
    assert cli.config.model.init_args.networks.class_path == "anime_gen.families.dcgan.Convolutional"
    assert cli.config.model.init_args.augment.class_path == "anime_gen.blocks.augment.DiffAugment"


def test_a_checkpoint_of_an_earlier_version_loads(tmp_path):
    """Old names of the class, of a parameter and of a submodule, in the weights and in their average."""
    options = {"image_size": 16, "num_tags": 3, "attribute_sizes": [2], "width": 4, "z_dim": 8, "label_width": 4}
    module = VAE(**options)
    old = {name.replace("label_embedding", "told"): value for name, value in module.state_dict().items()}
    assert any(".told." in name for name in old)
    averaged = {
        name.replace("label_embedding", "told"): value + 1.0 if value.is_floating_point() else value
        for name, value in module.averaged.state_dict().items()
    }
    path = tmp_path / "vae" / "one" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    words = Vocabulary(["smile", "hat", "bow"], {"hair": ["red", "blue"]})
    torch.save(
        {
            "family": "anime_gen.families.vae.module.VAE",
            "hyper_parameters": {**options, "hide": 0.3},
            "images_shown": 7,
            "pytorch-lightning_version": L.__version__,
            "state_dict": old,
            "callbacks": {"EMA": {"averaged": averaged}},
            "AnimeFaces": {"vocabulary": words.as_dict(), "text": None},
        },
        path,
    )
    loaded = load(path.parent.parent)
    assert loaded.module.label_dropout == 0.3
    for name, value in module.averaged.state_dict().items():
        torch.testing.assert_close(loaded.module.averaged.state_dict()[name], value + 1.0)


def test_an_old_key_of_the_command_line_is_refused_with_its_name_of_today():
    yamls = ["-c", "experiments/shared.yaml", "-c", "experiments/family/diffusion.yaml"]
    with pytest.raises(UserError, match=r"'lr' is not accepted; it is called optimizer\.lr now$"):
        suite([*yamls, "--model.lr=0.1"], run=False)
    assert suite([*yamls, "--model.optimizer.lr=0.1"], run=False).model.optimizer.lr == 0.1
