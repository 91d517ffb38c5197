"""What `anime-gen studio` says before it serves."""

from __future__ import annotations

import importlib.util
import shutil
import socket

import pytest

from anime_gen.cli.studio import local
from anime_gen.run.opened import OpenRun
from anime_gen.studio.shelf import Shelf

from .conftest import Page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: RUN"),
        (["nowhere"], "nowhere is no run"),
        (["{run}", "--checkpoint", "worst"], "holds no checkpoint 'worst'"),
        (["{run}", "--port", "x"], "invalid int value"),
        (["{run}", "--port", "99999"], "--port 0 takes a free one"),
        (["{run}", "--device", "abacus"], "has no such device"),
    ],
)
def test_a_mistake_is_one_line(here, toys, words, said):
    done = here("studio", *(word.format(run=toys["diffusion"]) for word in words))
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert said in line


def test_a_port_that_is_taken(here, toys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = here("studio", toys["diffusion"], "--port", other.getsockname()[1])
    assert done.returncode == 2
    assert "Address already in use; --port 0 takes a free one" in done.stderr


def test_missing_packages_are_named(here, toys, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name))
    done = here("studio", toys["diffusion"])
    assert done.returncode == 2
    assert "uvicorn not installed: pip install uvicorn" in done.stderr


def test_which_addresses_are_this_machine_alone():
    assert all(map(local, ("localhost", "127.0.0.1", "127.9.9.9", "::1")))
    assert not any(map(local, ("0.0.0.0", "::", "192.168.1.7", "studio.example")))


def test_a_run_is_opened_once(toys):
    shelf = Shelf([toys["diffusion"], toys["diffusion"]], device="cpu")
    [name] = shelf.names
    assert shelf.open(name) is shelf.open(name)


def test_a_run_that_is_broken_spoils_no_other(toys, tmp_path, opened, monkeypatch):
    broken = tmp_path / "broken"
    shutil.copytree(toys["diffusion"], broken)
    (broken / "checkpoints" / "best.ckpt").write_bytes(b"nothing")
    monkeypatch.setitem(toys, "broken", broken)
    one = Page(opened("broken", "diffusion"))
    with one.socket:
        told = one.ask("runs")
    assert [event["event"] for event in told if event["event"] in ("run", "broken")] == ["broken", "run"]
    assert "is not a checkpoint of this suite" in next(event["text"] for event in told if event["event"] == "broken")


def test_what_belongs_to_the_weights_is_measured_once(toys, monkeypatch):
    run = OpenRun(toys["diffusion"], device="cpu")
    run.module.chunk, settled = 1, []
    monkeypatch.setattr(run.module, "settle", lambda: settled.append(1))
    assert len(list(run.draw(run.ask({}), [1, 2, 3]))) == 3
    assert settled == [1]


@pytest.mark.parametrize(
    ("options", "said"), [(["--near", "1-2"], "--near 1-2: give one seed"), (["--chunk", "0"], "--chunk 0: at least 1")]
)
def test_sample_is_asked_for_one_origin_and_pictures(here, toys, options, said):
    done = here("sample", toys["diffusion"], *options)
    assert done.returncode == 2
    assert said in done.stderr
