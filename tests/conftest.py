"""What all tests share: one torch thread, a cache of their own, the command as a user types it."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import lightning
import pytest
import torch
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Before the first parallel region: threads of several test processes would spin for each other's cores.
torch.set_num_threads(1)

# What `make test ARGS=...` was told is not for the makes of tests.
for told in ("ARGS", "MAKEFLAGS", "MFLAGS"):
    os.environ.pop(told, None)

# That a machine is slow, or busy, is no fault of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Processes of their own are forks of one that has imported everything, in which nothing else has happened.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["anime_gen.cli.train", "anime_gen.families.dcgan", "anime_gen.metrics.judge"])


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keeps what tests paint out of the user's cache, and lets all tests share it."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["ANIME_GEN_CACHE"] = str(folder)
    return folder


@pytest.fixture
def here(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """As `anime_gen`, but in this process: seconds faster, for what needs no process of its own."""
    from anime_gen.cli import main

    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ANIME_GEN_RUN", "")

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        arguments = [str(word) for word in words]
        status = main(arguments)
        said = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def typed(cache: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """As `here`, for what a whole module shares; `folder` is where it is typed."""
    from anime_gen.cli import main

    def run(*words: object, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
        arguments = [str(word) for word in words]
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(StringIO()) as out,
            redirect_stderr(StringIO()) as err,
        ):
            patch.chdir(folder)
            patch.setenv("ANIME_GEN_RUN", "")
            status = main(arguments)
        return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())

    return run


Typed = Callable[..., subprocess.CompletedProcess[str]]


def environment() -> dict[str, str]:
    """What a process of its own is told."""
    # `tests` itself would be torch-fidelity's, which installs a package of that name.
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    told = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    told.pop("ANIME_GEN_RUN", None)
    return told


@pytest.fixture(scope="session")
def fresh(cache: Path) -> Typed:
    """Runs `anime-gen` with the given words in a new interpreter: where it is the start that counts."""

    def run(*words: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "anime_gen", *map(str, words)],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return run


def free_port() -> int:
    """One at which ranks can meet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def as_rank(rank: int, world: int, port: int) -> dict[str, str]:
    """What torchrun tells one of its processes."""
    meet = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "test"}
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world}
    return meet | {name: str(number) for name, number in place.items()}


def _typed_in_child(words: list[str], said: Path, told: dict[str, str]) -> None:
    """Runs in a child of the server that has everything imported; all that it says goes to files."""
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(said / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(told)
    sys.path[:0] = told["PYTHONPATH"].split(os.pathsep)
    # Lightning starts further ranks as it was started itself.
    sys.modules["__main__"].__spec__ = importlib.util.find_spec("anime_gen.__main__")
    sys.argv = ["anime-gen", *words]
    from anime_gen.cli import main

    status = main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def in_forks(
    words: tuple[object, ...], told: list[dict[str, str]], folder: Path, timeout: float
) -> subprocess.CompletedProcess[str]:
    """Types a command in as many processes as are told something; returns the status and the words of the first."""
    arguments = [str(word) for word in words]
    said = [folder / str(rank) for rank in range(len(told))]
    for place in said:
        place.mkdir(exist_ok=True)
    children = [
        FORKS.Process(target=_typed_in_child, args=(arguments, place, variables))
        for place, variables in zip(said, told, strict=True)
    ]
    for child in children:
        child.start()
    for child in children:
        child.join(timeout)
        if child.exitcode is None:
            for other in children:
                other.kill()
            raise subprocess.TimeoutExpired(arguments, timeout, (said[0] / "err").read_bytes())
    out, err = ((said[0] / name).read_text() for name in ("out", "err"))
    return subprocess.CompletedProcess(arguments, children[0].exitcode, out, err)


@pytest.fixture(scope="session")
def anime_gen(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """Runs `anime-gen` in a process of its own, from the project's folder.

    The process is a fork of one that has everything imported, which saves the seconds that this takes.
    """
    said = tmp_path_factory.mktemp("said")
    return lambda *words, timeout=300: in_forks(words, [environment()], said, timeout)


@pytest.fixture(scope="session")
def on_ranks(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    """As `anime_gen`, on so many ranks: each a fork of that process, told of the others as torchrun would.

    Returns the status and the words of the first of them.
    """
    said = tmp_path_factory.mktemp("said")

    def run(world: int, *words: object, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        port = free_port()
        told = [environment() | as_rank(rank, world, port) for rank in range(world)]
        return in_forks((*words, f"--trainer.devices={world}"), told, said, timeout)

    return run


@pytest.fixture(scope="session")
def style(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a checkpoint of a small StyleGAN2 as it begins, with these keys: for what looks for its styles."""
    from anime_gen.cli.train import suite

    small = ("--model.width=16", "--model.channel_base=128", "--model.channel_max=16", "--data.source.faces=64")

    def begun(*keys: object) -> Path:
        yamls = (ROOT / f"experiments/{name}.yaml" for name in ("shared", "family/stylegan2"))
        words = [*(word for path in yamls for word in ("-c", path)), *small, *keys]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ANIME_GEN_RUN", "")
            cli = suite([str(word) for word in words], run=False)
        saved = {
            "state_dict": cli.model.state_dict(),
            "hyper_parameters": dict(cli.model.hparams),
            "AnimeFaces": cli.datamodule.state_dict(),
            "pytorch-lightning_version": lightning.__version__,
        }
        cli.model.on_save_checkpoint(saved)
        path = tmp_path_factory.mktemp("style") / "style.ckpt"
        torch.save(saved, path)
        return path

    return begun


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--refresh-golden", action="store_true", help="write golden curves anew instead of comparing")
