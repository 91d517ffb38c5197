"""A run of several ranks of which one is lost ends with one line, and goes on."""

import pytest

from anime_gen.callbacks.ranks import is_lost, why
from anime_gen.run.folder import RunFolder
from tests.callbacks.small import dcgan


def test_why_a_rank_has_ended(tmp_path):
    run = RunFolder(tmp_path)
    assert "rank 2 was killed (SIGKILL)" in why(run, (2, -9))
    assert why(run, (1, 3)) == "rank 1 ended with status 3; what it said says why"
    assert "has not answered in time" in why(run, None)
    run.leave_word(3, "no such picture")
    run.leave_word(1, "out of memory")
    assert why(run, (3, 2)) == "rank 1 stopped: out of memory"
    run.sweep()
    assert run.last_words() == {}


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ("[../third_party/gloo/...] Connection closed by peer [127.0.0.1]:1234", True),
        ("Timed out waiting 20000ms for recv operation to complete", True),
        ("Connection reset by peer", True),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_what_a_lost_peer_looks_like(said, lost):
    assert is_lost(RuntimeError(said)) is lost
    assert not is_lost(ValueError(said))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "expected"),
    [("kill", "rank 1 was killed (SIGKILL)"), ("mistake", "rank 1 stopped: no such picture"), ("hang", "not answered")],
)
def test_a_run_ends_in_a_line_and_goes_on(how, expected, anime_gen, tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_TRUST", "callbacks")
    run = tmp_path / "run"
    lost = {"class_path": "callbacks.lost.Lost", "init_args": {"rank": 1, "images": 72, "how": how}}
    strategy = ("DDPStrategy", "find_unused_parameters=true", "timeout=0:00:10")
    words = [f"--trainer.strategy{key}" for key in (f"=lightning.pytorch.strategies.{strategy[0]}",
                                                     *(f".{one}" for one in strategy[1:]))]  # fmt: skip
    done = anime_gen(
        "fit", *dcgan(tmp_path, max_epochs=2, devices=2, **{"callbacks+": [lost]}), *words, "--run", run, timeout=120
    )
    assert done.returncode, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    line = next(line for line in done.stderr.splitlines() if line.startswith("anime-gen: "))
    assert expected in line
    assert line.endswith(f"to go on: make experiment RESUME={run}")
    done = anime_gen("resume", run, "--trainer.callbacks.init_args.how=no", timeout=200)
    assert done.returncode == 0, done.stderr[-3000:]
    assert run.joinpath("checkpoints", "last.ckpt").exists()
