"""Weights in which bytes have changed, or that are cut short: they load, or end in one line that names the file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from anime_gen.contract import UserError
from anime_gen.files import write_tensors
from anime_gen.metrics import weights
from anime_gen.metrics.judge import SHIPPED_WEIGHTS, Judge
from anime_gen.prepare.heatmap import SHIPPED, Heatmaps


def small(path: Path) -> None:
    write_tensors(path, {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.int8)}, {"kind": "small"})


# How a whole file is made, and who reads it.
READERS: dict[str, tuple[Callable[[Path], object], Callable[[Path], object]]] = {
    "published": (small, lambda path: weights.read(path, "published")),
    "judge": (lambda path: path.write_bytes(SHIPPED_WEIGHTS.read_bytes()), Judge.load),
    "landmarks": (lambda path: path.write_bytes(SHIPPED.read_bytes()), lambda path: Heatmaps(path).check()),
}


def damaged(whole: bytes, number: int) -> bytes:
    """Up to four bytes changed, half of them in the header; or every eighth time, an end that is missing."""
    random = np.random.default_rng(number)
    content = bytearray(whole)
    if number % 8 == 0:
        return bytes(content[: random.integers(0, len(content))])
    header = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(random.integers(1, 5)):
        content[random.integers(0, header if random.random() < 0.5 else len(content))] ^= random.integers(1, 256)
    return bytes(content)


def refusals(reader: str, path: Path, count: int) -> int:
    """How many of `count` damaged files were refused, each in one line that names the file."""
    make, read = READERS[reader]
    make(path)
    read(path)
    whole, lines = path.read_bytes(), []
    for number in range(count):
        path.write_bytes(damaged(whole, number))
        try:
            read(path)
        except UserError as told:
            lines.append(str(told))
    for line in lines:
        assert str(path) in line
        assert "\n" not in line
        assert len(line) < 600 + len(str(path))
    return len(lines)


@pytest.mark.parametrize("reader", READERS)
def test_a_few(reader, tmp_path):
    assert refusals(reader, tmp_path / "a.safetensors", 24) > 8


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_many(reader, tmp_path):
    assert refusals(reader, tmp_path / "a.safetensors", 400) > 100


@pytest.mark.parametrize("name", READERS)
def test_a_value_that_changed_after_it_was_written_is_never_read(name, tmp_path):
    make, read = READERS[name]
    path = tmp_path / "weights.safetensors"
    make(path)
    with safe_open(str(path), framework="pt") as file:
        tensors = {one: file.get_tensor(one) for one in file.keys()}  # noqa: SIM118
        told = file.metadata() or {}
    write_tensors(path, tensors, told)
    read(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match="the file is damaged"):
        read(path)
