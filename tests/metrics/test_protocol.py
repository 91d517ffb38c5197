import json
import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anime_gen.contract import UserError
from anime_gen.images import quantise
from anime_gen.metrics import protocol
from anime_gen.metrics.protocol import Record

RECORDS = [
    Record("fd_judge", 1.25, 1000, 3.5, {"num_real": 50, "words": ["é"]}),
    Record("accuracy_hair", None, 1000, 3.5, {}),
    Record("fd_judge", 0.5, 2000, 7.0, {}),
]


def test_bytes_come_back_as_they_were():
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(quantise(every.float() / 127.5 - 1), every)
    assert torch.equal(quantise(every.double() / 127.5 - 1), every)


def test_rounds_and_clamps():
    values = torch.tensor([-9.0, -1.0, -1 + 0.6 / 127.5, 0.99999, 1.0, 1.001, 9.0, float("inf"), float("nan")])
    assert quantise(values).tolist() == [0, 0, 1, 255, 255, 255, 255, 255, 0]


@given(st.floats(-1, 1))
def test_is_never_further_than_half_a_step(value: float):
    found = quantise(torch.tensor(value)).item()
    assert abs(found - (value * 127.5 + 127.5)) <= 0.5 + 1e-4


def test_records_come_back(tmp_path):
    path = tmp_path / "run" / "metrics.json"
    assert protocol.read(path) == []
    protocol.append(path, RECORDS[:1])
    protocol.append(path, RECORDS[1:])
    assert protocol.read(path) == RECORDS
    assert [entry["name"] for entry in json.loads(path.read_text())] == [record.name for record in RECORDS]
    assert list(path.parent.iterdir()) == [path]


def test_a_resumed_run_forgets_what_came_after(tmp_path):
    path = tmp_path / "metrics.json"
    protocol.drop_after(path, 5)
    assert not path.exists()
    protocol.write(path, RECORDS)
    protocol.drop_after(path, 1000)
    assert protocol.read(path) == RECORDS[:2]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_failed_write_leaves_the_old_file(tmp_path, bad):
    path = tmp_path / "metrics.json"
    protocol.write(path, RECORDS)
    with pytest.raises(ValueError, match="finite"):
        protocol.append(path, [Record("fd_judge", bad, 3000, 9.0, {})])
    with pytest.raises(TypeError):
        protocol.append(path, [Record("fd_judge", 1.0, 3000, 9.0, {"not": {"json"}})])
    assert protocol.read(path) == RECORDS
    assert list(tmp_path.iterdir()) == [path]


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    protocol.write(path, RECORDS)

    def crash(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="no space"):
        protocol.append(path, RECORDS)
    assert protocol.read(path) == RECORDS
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["{", "[1]", '[{"name": "a"}]', "3", "[" * 100_000,
    '[{"name": "a", "value": "b", "nimg": 1, "seconds": 1, "protocol": {}}]',
    '[{"name": "a", "value": 1, "nimg": 1, "seconds": 1, "protocol": []}]',
    '[{"name": "a", "value": 1e999, "nimg": 1, "seconds": 1, "protocol": {}}]',
    f'[{{"name": "a", "value": 1, "nimg": {"9" * 400}, "seconds": 1, "protocol": {{}}}}]',
])  # fmt: skip
def test_a_broken_file_is_the_users(tmp_path, text):
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"metrics.json:? (is not JSON|not a list of records)"):
        protocol.read(path)
