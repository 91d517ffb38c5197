"""A judge with random weights: quick, and the code around it cannot tell. Pictures are small."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.judge import Judge
from anime_gen.vocabulary import Vocabulary

WORDS = Vocabulary(["smile", "hat", "glasses"], {"hair": ["red", "blue", "green"], "gender": ["female", "male"]})


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def vocabulary() -> Vocabulary:
    return WORDS


def random_judge(seed: int = 0) -> JudgeFeatures:
    """The same weights for the same seed, in every process."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        judge = Judge(WORDS, widths=(8, 12, 16, 16), num_features=16)
        for module in judge.modules():
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
                module.momentum = 1.0
        judge(pictures(64, seed=-1))  # the normalisation has now seen something like what is to come
        return JudgeFeatures(judge)


@pytest.fixture
def judge() -> JudgeFeatures:
    return random_judge()


def pictures(count: int, seed: int = 0, size: int = 32) -> torch.Tensor:
    """Coloured noise of several scales, uint8 (count, 3, size, size)."""
    stream = torch.Generator().manual_seed(seed + 1)
    coarse = torch.rand(count, 3, 4, 4, generator=stream)
    fine = torch.rand(count, 3, size, size, generator=stream)
    blown = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    return (255 * (0.7 * blown + 0.3 * fine)).to(torch.uint8)
