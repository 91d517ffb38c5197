import errno
import multiprocessing
import os
import signal
import sys
import time

import numpy as np
import pytest

from anime_gen.contract import UserError
from anime_gen.data.pack import Pack
from anime_gen.data.source import Filled, Source
from anime_gen.vocabulary import Vocabulary

COUNT = 400
fork = multiprocessing.get_context("fork")


class Numbered(Source):
    """Row i is full of i % 256; each chunk that is made takes `delay` seconds and leaves a line in `diary`."""

    vocabulary = Vocabulary((), {})
    parts = frozenset()

    def __init__(self, diary, delay=0.0, count=COUNT):
        super().__init__()
        self.diary, self.delay, self._count = diary, delay, count

    def count(self, split):
        return self._count

    def name(self, split, row):
        return str(row)

    def describe(self):
        return {"class": "Numbered"}

    def picture_key(self, split):
        return "numbered"

    def label_key(self, split):
        return "none"

    def captions(self, split):
        return []

    def fill(self, split, rows, kinds, size):
        time.sleep(self.delay)
        with self.diary.open("a") as file:
            file.write(f"{rows.start}\n")
        values = np.arange(rows.start, rows.stop) % 256
        image = np.broadcast_to(values[:, None, None, None], (len(rows), size, size, 3)).astype(np.uint8)
        return Filled({"image": image, "readable": np.ones(len(rows), bool)}, [])


def right(pack: Pack) -> bool:
    image = pack.open({"image"})["image"]
    return image.shape == (COUNT, 4, 4, 3) and bool((image[:, 2, 1, 0] == np.arange(COUNT) % 256).all())


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_builds_once_with_any_number_of_processes(tmp_path, processes):
    diary = tmp_path / "diary"
    pack = Pack(Numbered(diary), "train", 4, processes)
    assert right(pack)
    assert right(pack)
    assert sorted(map(int, diary.read_text().split())) == list(range(0, COUNT, 32))
    assert sorted(path.name for path in pack.folder.iterdir()) == ["about.json", "image-4.npy", "lock"]


def test_two_runs_at_once_make_one_column(tmp_path, caplog):
    diary = tmp_path / "diary"
    started = fork.Event()

    def run():
        started.wait()
        os._exit(0 if right(Pack(Numbered(diary, 0.02), "train", 4, 2)) else 1)

    runs = [fork.Process(target=run) for _ in range(2)]
    for one in runs:
        one.start()
    started.set()
    for one in runs:
        one.join(60)
    assert [one.exitcode for one in runs] == [0, 0]
    assert sorted(map(int, diary.read_text().split())) == list(range(0, COUNT, 32))


def test_a_run_that_waits_says_so(tmp_path, caplog):
    diary = tmp_path / "diary"
    other = fork.Process(target=lambda: Pack(Numbered(diary, 0.05), "train", 4, 1).open({"image"}))
    other.start()
    until(diary.exists)
    assert right(Pack(Numbered(diary), "train", 4, 1))
    other.join()
    assert "another run is building" in caplog.text
    assert len(diary.read_text().split()) == len(range(0, COUNT, 32))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_leaves_a_cache_that_the_next_one_mends(tmp_path, processes):
    diary = tmp_path / "diary"
    pack = Pack(Numbered(diary, 0.05), "train", 4, processes)
    # A process of its own kind: daemons may not have children.
    victim = fork.Process(target=lambda: pack.open({"image"}), daemon=False)
    victim.start()
    until(lambda: diary.exists() and len(diary.read_text().split()) >= 3)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join()
    assert [path.name for path in pack.folder.glob("*.npy*")] == ["image-4.npy.tmp"]
    began = time.monotonic()
    assert right(Pack(Numbered(diary), "train", 4, 1))
    # Neither the dead run nor the processes it left behind hold the lock.
    assert time.monotonic() - began < 5
    assert not list(pack.folder.glob("*.tmp"))


def test_a_killed_builder_process_ends_the_build_clearly(tmp_path):
    class Dying(Numbered):
        def fill(self, split, rows, kinds, size):
            if rows.start == 64:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().fill(split, rows, kinds, size)

    with pytest.raises(UserError, match=r"was ended \(exit code -9\): free some memory"):
        Pack(Dying(tmp_path / "diary"), "train", 4, 2).open({"image"})


def ignored(number, frame):
    """A handler as a training's, which notes the signal and goes on."""


@pytest.mark.parametrize("at_sigterm", [signal.SIG_DFL, signal.default_int_handler, ignored])
def test_ctrl_c_is_answered_once(tmp_path, at_sigterm):
    diary = tmp_path / "diary"

    def run():
        os.setsid()
        # The processes are ended with it, whatever this one does at it.
        signal.signal(signal.SIGTERM, at_sigterm)
        sys.stderr = (tmp_path / "said").open("w")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            Pack(Numbered(diary, 0.05, 40_000), "train", 4, 3).open({"image"})
        except KeyboardInterrupt:
            os._exit(7)

    victim = fork.Process(target=run)
    victim.start()
    until(lambda: diary.exists() and len(diary.read_text().split()) >= 3)
    # As a terminal does: to every process of the group.
    os.killpg(victim.pid, signal.SIGINT)
    victim.join(20)
    if victim.is_alive():
        os.killpg(victim.pid, signal.SIGKILL)
    assert victim.exitcode == 7
    assert "Traceback" not in (tmp_path / "said").read_text()
    assert not list((tmp_path / "cache").rglob("*.npy*"))


def test_an_error_in_a_process_arrives_with_its_place(tmp_path):
    class Failing(Numbered):
        def fill(self, split, rows, kinds, size):
            raise ZeroDivisionError("in the painter")

    with pytest.raises(ZeroDivisionError, match="in the painter") as caught:
        Pack(Failing(tmp_path / "diary"), "train", 4, 2).open({"image"})
    assert "in fill" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk_is_told(tmp_path, monkeypatch, processes):
    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    pack = Pack(Numbered(tmp_path / "diary"), "train", 64, processes)
    with pytest.raises(UserError, match=r"No space left on device\): free 5 MB there, or name another folder"):
        pack.open({"image"})
    assert not list(pack.folder.glob("*.npy*"))


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ANIME_GEN_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot write the data cache at .*ANIME_GEN_CACHE"):
        Pack(Numbered(tmp_path / "diary"), "train", 4).open({"image"})


def test_a_built_pack_opens_where_nothing_can_be_written(tmp_path, monkeypatch):
    pack = Pack(Numbered(tmp_path / "diary"), "train", 4)
    assert right(pack)
    monkeypatch.setattr(os, "open", None)
    assert right(pack)


def until(true, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_column_that_was_cut_short_is_named(tmp_path):
    pack = Pack(Numbered(tmp_path / "diary"), "train", 4)
    pack.open({"image"})
    path = pack.path("image")
    os.truncate(path, 1000)
    with pytest.raises(UserError, match=r"image-4.npy is damaged .*: delete it"):
        pack.open({"image"})
    path.unlink()
    assert len(pack.open({"image"})["image"]) == COUNT


def test_a_column_that_is_cut_short_while_it_is_read_is_named(tmp_path):
    columns = Pack(Numbered(tmp_path / "diary"), "train", 8).open({"image"})
    (path,) = columns._paths.values()
    assert columns["image"][np.arange(4)].shape == (4, 8, 8, 3)
    os.truncate(path, 200)
    with pytest.raises(UserError, match=r"image-8\.npy was cut short: delete it, and the next run makes it anew"):
        columns["image"]


def test_a_column_that_is_deleted_while_it_is_read_stays(tmp_path):
    columns = Pack(Numbered(tmp_path / "diary"), "train", 8).open({"image"})
    before = columns["image"][np.arange(COUNT)]
    columns._paths["image"].unlink()
    assert (columns["image"][np.arange(COUNT)] == before).all()
