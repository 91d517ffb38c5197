"""Every start of a run is written down, and a kill while it is costs none of what was."""

import json
import os
from types import SimpleNamespace

import pytest

from anime_gen.callbacks.provenance import Provenance
from anime_gen.run.folder import RunFolder


@pytest.fixture
def start(tmp_path, monkeypatch):
    monkeypatch.setattr("anime_gen.callbacks.provenance.provenance", lambda: {"command": ["anime-gen"]})

    def start(images):
        trainer = SimpleNamespace(default_root_dir=str(tmp_path), is_global_zero=True, world_size=1)
        Provenance().on_fit_start(trainer, SimpleNamespace(images_shown=images))
        return RunFolder(tmp_path)

    return start


def test_one_record_a_start(start):
    start(0)
    assert [sitting["images_shown"] for sitting in start(64).sittings()] == [0, 64]
    assert start(64).sittings()[0] == {"command": ["anime-gen"], "images_shown": 0, "world_size": 1}


def test_a_write_that_fails_costs_nothing(start, monkeypatch):
    run = start(0)
    before = run.provenance.read_bytes()

    def full(descriptor):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space"):
            start(64)
    assert run.provenance.read_bytes() == before
    assert list(run.path.iterdir()) == [run.provenance]
    assert len(start(64).sittings()) == 2


@pytest.mark.parametrize("left", ["", '[\n {\n  "started": "2026-01-01T00:00:00+'])
def test_what_an_earlier_version_left_half_written_is_set_aside(start, left, recwarn):
    run = start(0)
    run.provenance.write_text(left)
    assert [sitting["images_shown"] for sitting in start(64).sittings()] == [64]
    assert (run.path / "provenance.broken").read_text() == left
    assert "is kept as provenance.broken" in str(recwarn.pop(UserWarning).message)
    assert json.loads(run.provenance.read_text())
