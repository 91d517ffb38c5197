"""The settings that a run keeps."""

import os
from types import SimpleNamespace

import pytest
from jsonargparse import Namespace

from anime_gen.cli.train import SaveSettings


def test_they_outlive_a_write_that_fails(tmp_path, monkeypatch):
    """They are written at every start: a full disk, or a kill, must not end a run that was there before."""

    def start(text):
        parser = SimpleNamespace(dump=lambda config, skip_none: text)
        strategy = SimpleNamespace(broadcast=lambda value: value)
        trainer = SimpleNamespace(default_root_dir=str(tmp_path), is_global_zero=True, strategy=strategy)
        config = Namespace(run="here", ckpt_path="there", trainer=Namespace(logger=None))
        SaveSettings(parser, config).setup(trainer, None, "fit")

    def full(descriptor):
        raise OSError("no space left")

    start("old: 1\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            start("new: 1\n")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"config.yaml": "old: 1\n"}
    start("new: 1\n")
    assert (tmp_path / "config.yaml").read_text() == "new: 1\n"
