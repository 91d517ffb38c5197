"""What came with somebody else's run imports nothing but the suite."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml

from anime_gen.cli.bases import with_bases
from anime_gen.contract import UserError
from anime_gen.run.opened import data_of
from anime_gen.run.trained import load
from anime_gen.settings.registered import check_classes, registered

ROOT = Path(__file__).resolve().parent.parent.parent


def test_what_the_suite_ships_is_registered():
    for path in (ROOT / "experiments").rglob("*.yaml"):
        for file in with_bases(path):
            check_classes(yaml.safe_load(file.read_text()), file)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("anime_gen.families.diffusion.module.Diffusion", True),
        ("anime_gen.augment.ada.ADA", True),  # of an earlier version
        ("lightning.pytorch.loggers.CSVLogger", True),
        ("anime_gen.cli.main", False),
        ("anime_gen.__main__", False),
        ("anime_gen.Families", False),
        ("os.system", False),
        ("this.Evil", False),
    ],
)
def test_registered(path, expected):
    assert registered(path) is expected


@pytest.mark.parametrize(
    "written",
    [
        {"class_path": "evil_code.Network"},
        [{"init_args": {"norm": "evil_code.Network"}}],
        {"_class_path": "evil_code.Network"},
        {"a": {"class_path": "no.such.Module"}},
    ],
)
def test_another_class_is_refused_wherever_it_stands(written, evil, monkeypatch):
    with pytest.raises(UserError, match=r"x.ckpt names (evil_code.Network|no.such.Module), which is no class of this"):
        check_classes(written, Path("x.ckpt"))
    assert "evil_code" not in sys.modules
    monkeypatch.setenv("ANIME_GEN_TRUST", "mine,evil_code,no")
    check_classes(written, Path("x.ckpt"))


def test_texts_that_name_no_class_stay(tmp_path):
    check_classes({"path": "faces.of/anime.png", "weights": "w.safetensors", "caption": "blue hair. smile"}, tmp_path)


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A module that would tell, were it imported."""
    (tmp_path / "evil_code.py").write_text("class Network: pass")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("evil_code", None)


@pytest.fixture(scope="module")
def run(typed, tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "dcgan"
    done = typed("fit", "-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml", "-c",
                 "experiments/overlay/debug.yaml", "--data.image_size=16", "--data.source.faces=200",
                 "--trainer.max_epochs=1", "--model.networks.width=8", "--run", path)  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"family": "evil_code.Network"},
        {"hyper_parameters": {"networks": {"class_path": "evil_code.Network"}}},
        {"hyper_parameters": {"networks": "evil_code.Network"}},
        {"hyper_parameters": {"_instantiator": "evil_code.Network"}},
        {"carried": {"latent": {"family": "evil_code.Network"}}},
    ],
)
def test_a_checkpoint_of_somebody_else(run, evil, change):
    saved = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    saved["hyper_parameters"] |= change.pop("hyper_parameters", {})
    torch.save(saved | change, evil / "last.ckpt")
    with pytest.raises(UserError, match=r"last\.ckpt names evil_code\.Network, which is no class of this suite"):
        load(evil / "last.ckpt")
    assert "evil_code" not in sys.modules


def test_settings_of_somebody_else(run, evil, here):
    copy = evil / "copy"
    shutil.copytree(run, copy)
    config = yaml.safe_load((copy / "config.yaml").read_text())
    config["data"]["source"] = {"class_path": "evil_code.Network"}
    (copy / "config.yaml").write_text(yaml.safe_dump(config))
    line = "config.yaml names evil_code.Network, which is no class of this suite"
    with pytest.raises(UserError, match=line):
        data_of(copy)
    last = ("--ckpt_path", copy / "checkpoints" / "last.ckpt")
    for words in (
        ("resume", copy),
        ("test", "--config", copy / "config.yaml", *last),
        ("fit", "--config", copy / "config.yaml", "--run", evil / "new"),
        ("tradeoff", copy, "--vary", "steps", "--over", "1,2"),
    ):
        refused = here(*words)
        assert refused.returncode == 2
        assert line in refused.stderr.splitlines()[-1]
    assert "evil_code" not in sys.modules
    mine = evil / "mine.yaml"  # a user's own file of settings
    shutil.copy(copy / "config.yaml", mine)
    assert "no class of this suite" not in here("fit", "--config", mine, "--run", evil / "new").stderr
    assert "evil_code" in sys.modules
