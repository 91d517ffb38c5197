"""Two processes never train in one folder."""

import errno
import fcntl
import multiprocessing
import os
import signal

import pytest

from anime_gen.contract import UserError
from anime_gen.run.folder import RunFolder
from anime_gen.run.lock import alone


def hold(folder, ready):
    """As a training that forks workers, which live longer than it does."""
    with alone(RunFolder(folder)):
        if not os.fork():
            signal.alarm(30)  # it is nobody's, once its parent is killed
            signal.pause()
        ready.set()
        signal.pause()


@pytest.fixture
def other(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def test_the_lock_goes_with_its_process(other, tmp_path, here):
    with pytest.raises(UserError, match=rf"another process trains in {tmp_path}: wait until it ends, or stop it"):
        alone(RunFolder(tmp_path)).__enter__()
    refused = here("fit", "-c", "experiments/shared.yaml", "-c", "experiments/family/dcgan.yaml",
                   "-c", "experiments/overlay/debug.yaml", "--run", tmp_path)  # fmt: skip
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)
    assert "another process trains in" in refused.stderr
    other.kill()
    other.join()
    with alone(RunFolder(tmp_path)):
        pass


def test_what_a_kill_left_is_swept_by_who_holds_the_lock(tmp_path, monkeypatch, capsys):
    run = RunFolder(tmp_path)
    run.checkpoints.mkdir()
    litter = run.checkpoints / "next.ckpt.01234567.tmp"
    litter.touch()

    def none(file, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "lockf", none)
        with alone(run):
            assert litter.exists()
    assert f"{tmp_path} cannot be locked (No locks available): start nothing else" in capsys.readouterr().err
    with alone(run):
        assert not litter.exists()


def test_a_folder_that_cannot_be_written_is_a_line(tmp_path):
    with pytest.raises(UserError, match=r"cannot write in .*none \(No such file or directory\)"):
        alone(RunFolder(tmp_path / "none")).__enter__()
