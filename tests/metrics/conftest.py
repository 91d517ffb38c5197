"""A judge with random weights: quick, and the code around it cannot tell. Pictures are small."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from anime_gen.judging.content import Flaw, weigh
from anime_gen.metrics.features import Extractor, JudgeFeatures
from anime_gen.metrics.judge import Judge
from anime_gen.vocabulary import Vocabulary

WORDS = Vocabulary(["smile", "hat", "glasses"], {"hair": ["red", "blue", "green"], "gender": ["female", "male"]})


def random_judge(seed: int = 0) -> JudgeFeatures:
    """The same weights for the same seed, in every process."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        judge = Judge(WORDS, widths=(8, 12, 16, 16), num_features=16)
        for module in judge.modules():
            if isinstance(module, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d):
                module.momentum = 1.0
        plain = draw(64, seed=1_000)
        judge(plain)  # the normalisation has now seen something like what is to come
        features = JudgeFeatures(judge)
        weigh(judge, draw(200, seed=1_001), [Flaw(plain, one) for one in (plain.flip(2), 255 - plain, plain // 2)])
        return JudgeFeatures(features.judge)


def draw(count: int, seed: int = 0, size: int = 32) -> Tensor:
    """Coloured blobs and grain, uint8 (count, 3, size, size)."""
    stream = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=stream)
    fine = torch.rand(count, 3, size, size, generator=stream)
    blown = torch.nn.functional.interpolate(coarse, (size, size), mode="bilinear")
    return (255 * (0.7 * blown + 0.3 * fine)).to(torch.uint8)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def vocabulary() -> Vocabulary:
    return WORDS


@pytest.fixture
def judge() -> JudgeFeatures:
    return random_judge()


@pytest.fixture
def pictures() -> Callable[..., Tensor]:
    return draw


class FirstBytes(Extractor):
    """Two features that a test can write into a picture."""

    name = "bytes"
    num_features = 2
    resize = "none"
    weights_hash = "none"

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :2].float()


@pytest.fixture
def first_bytes() -> FirstBytes:
    return FirstBytes()
