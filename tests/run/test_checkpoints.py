"""Checkpoints are whole or absent, and read only as they were written."""

import errno
import os

import pytest
import torch

from anime_gen.contract import UserError
from anime_gen.run.checkpoints import Checkpoints, make_last, newest_whole, read_checkpoint
from anime_gen.run.folder import RunFolder, checkpoint_of


def checkpoint(images):
    weights = torch.arange(images, images + 2000.0)
    return {"family": "x.Y", "state_dict": {"weights": weights}, "images_shown": images}


def save(run, images, keep=2):
    Checkpoints().save_checkpoint(checkpoint(images), run.next)
    make_last(run, keep)


def shown(path):
    return read_checkpoint(path)["images_shown"]


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path)


def test_a_save_that_fails_leaves_what_was_there(run, monkeypatch, tmp_path):
    """Nothing is written elsewhere and moved: on another file system that is a copy over the old file."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "no such folder"))
    path = run.last
    Checkpoints().save_checkpoint(checkpoint(8), path)
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            Checkpoints().save_checkpoint(checkpoint(16), path)
    assert Checkpoints().load_checkpoint(path)["images_shown"] == 8
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def test_what_the_file_says_and_not_what_torch_makes_of_it(run, monkeypatch):
    def save(saved, file):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise RuntimeError("unexpected pos 704 vs 598")  # noqa: B904

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(OSError, match="No space"):
        Checkpoints().save_checkpoint({}, run.last)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_so_many_are_kept(run, keep):
    for images in (8, 16, 24, 32):
        save(run, images, keep)
    assert [shown(path) for path in run.lasts] == [32, 24, 16][:keep]
    assert [path.name for path in run.lasts] == ["last.ckpt", "last-1.ckpt", "last-2.ckpt"][:keep]
    assert len(list(run.checkpoints.iterdir())) == keep
    save(run, 40, 2)
    assert [shown(path) for path in run.lasts] == [40, 32]


@pytest.mark.parametrize("step", range(4))
def test_a_kill_between_two_names(run, step, monkeypatch):
    """Whichever of the renames is the last one, the last checkpoint and one before it are whole."""
    for images in (8, 16, 24):
        save(run, images, 3)
    replace, done = type(run.path).replace, []

    def killed(path, target):
        if len(done) == step:
            raise KeyboardInterrupt
        done.append(target)
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(type(run.path), "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            save(run, 32, 3)
    assert shown(run.last) == 24
    assert len({shown(path) for path in run.lasts}) >= 2
    save(run, 32, 3)
    assert shown(run.last) == 32


def test_the_newest_whole_one(run, capsys):
    assert newest_whole(run) is None
    for images in (8, 16, 24):
        save(run, images, 3)
    assert newest_whole(run) == run.last
    assert capsys.readouterr().err == ""
    damaged = bytearray(run.last.read_bytes())
    place = damaged.index(torch.arange(24, 2024.0).numpy().tobytes()) + 5000
    damaged[place] ^= 1
    run.last.write_bytes(damaged)
    assert newest_whole(run) == run.before_last(1)
    [line] = capsys.readouterr().err.splitlines()
    assert "last.ckpt is not a checkpoint of this suite, or damaged: the checksum of" in line
    assert line.endswith("going on from last-1.ckpt, which was saved before")
    run.before_last(1).unlink()
    assert newest_whole(run) == run.before_last(2)
    run.before_last(2).write_bytes(b"")
    with pytest.raises(UserError, match="nothing whole is left to go on from"):
        newest_whole(run)
    with pytest.raises(UserError, match="it holds: last, last-2"):
        checkpoint_of(run.path, "middle")


def test_no_changed_byte_is_loaded(run, tmp_path):
    """Every byte of a file: changed, it is noticed, or it is one that says nothing."""
    saved = {"family": "x.Y", "state_dict": {"weights": torch.arange(5.0)}}
    Checkpoints().save_checkpoint(saved, run.last)
    whole, path, noticed = run.last.read_bytes(), tmp_path / "changed.ckpt", 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            found = read_checkpoint(path)
        except UserError:
            noticed += 1
        else:
            assert found["family"] == "x.Y"
            assert torch.equal(found["state_dict"]["weights"], saved["state_dict"]["weights"])
    assert noticed > len(whole) / 3
