"""The kill test sees what it is there to see."""

from pathlib import Path

import pytest
import torch

from anime_gen.bench.kill import NOT_COMPARED, contents, differences, main
from anime_gen.metrics.protocol import Record, write
from anime_gen.run.checkpoints import Checkpoints
from anime_gen.run.folder import RunFolder


def run(folder, weight=1.0, shown=8, score=3.0, seconds=1.0, grid=b"a"):
    made = RunFolder(folder)
    state = {"family": "x.Y", "state_dict": {"w": torch.tensor([weight, 2.0])}, "seconds": seconds,
             "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}}], "images_shown": shown}  # fmt: skip
    for path in (made.last, made.best):
        Checkpoints().save_checkpoint(state, path)
    write(made.metrics, [Record("fd_judge", score, 8, seconds, {})])
    made.grids.mkdir()
    made.grid(8).write_bytes(grid)
    return contents(made)


def test_what_is_compared(tmp_path):
    whole = run(tmp_path / "whole")
    assert {"last/state_dict/w", "best/optimizer_states/0/state/0/step", "scores/0/fd_judge"} < whole.keys()
    assert differences(whole, run(tmp_path / "again", seconds=2.0)) == []
    for number, (change, names) in enumerate(
        [
            ({"weight": 1.0000001}, ["best/state_dict/w", "last/state_dict/w"]),
            ({"shown": 16}, ["best/images_shown", "last/images_shown"]),
            ({"score": 3.5}, ["scores/0/fd_judge"]),
            ({"grid": b"b"}, ["grids/000000008.png"]),
        ]
    ):
        assert differences(whole, run(tmp_path / str(number), **change)) == names
    assert differences(whole, {}) == sorted(whole)
    assert not any(part in name for name in whole for part in NOT_COMPARED)


@pytest.mark.slow
def test_a_family(cache, tmp_path, capsys):
    assert main(["experiments/family/mlpgan.yaml", "--tries", "2", "--keep", str(tmp_path)]) == 0
    [_, line] = capsys.readouterr().out.splitlines()
    assert line.split()[:2] == ["mlpgan", "2"]
    assert line.split()[-1] == "none"
    assert len(contents(RunFolder(Path(tmp_path / "mlpgan" / "0")))) > 100
