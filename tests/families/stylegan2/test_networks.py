"""Layers and networks against what the papers say of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from anime_gen.families.stylegan2.discriminator import (
    Discriminator,
    LabelSelect,
    LabelSelectHead,
    ProjectionHead,
    ResidualBlock,
    with_deviation,
)
from anime_gen.families.stylegan2.generator import Generator, StyledConvolution, Synthesis, channels
from anime_gen.families.stylegan2.layers import Convolution, Dense, normalised
from anime_gen.families.stylegan2.mapping import ApartMapping, JoinedMapping
from anime_gen.families.stylegan2.modulation import demodulation, modulated
from anime_gen.families.stylegan2.regularisation import lazily, path_lengths


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parameters(network: nn.Module) -> int:
    return sum(part.numel() for part in network.parameters())


def small_generator(labels: int = 3) -> Generator:
    torch.manual_seed(0)
    sizes = channels(64, 8, 16)
    return Generator(JoinedMapping(2).mapping(labels, 8), Synthesis(16, 8, sizes), 8)


def test_s5_has_its_papers_parameters() -> None:
    """Every line of the paper's tables, at 256 px with 59 labels."""
    sizes = channels(16384, 512, 256)
    assert sizes == [512, 512, 512, 512, 256, 128, 64]
    mapping = JoinedMapping(8).mapping(59, 512)
    assert [parameters(part) for part in (mapping.embed, *mapping.layers)] == [30208, 524800, *[262656] * 7]
    generator = Generator(mapping, Synthesis(256, 512, sizes), 512)
    assert sum(isinstance(part, StyledConvolution) for part in generator.modules()) == 13
    assert parameters(generator) == 25_059_810
    discriminator = Discriminator(sizes, LabelSelectHead().head(512, 59))
    assert discriminator.convolution.weight.shape == (512, 513, 3, 3)
    assert discriminator.dense.weight.shape == (512, 8192)
    assert parameters(discriminator) == 24_030_843


@pytest.mark.parametrize("double", [False, True])
def test_modulation_is_a_convolution_with_each_pictures_own_weights(double: bool) -> None:
    """Equations 1 and 3, written out for one picture at a time; first and second gradients too."""
    results = []
    for fast in (True, False):
        x, weight, style = (
            part.requires_grad_() for part in (numbers(2, 3, 4, 4), numbers(5, 3, 3, 3, seed=1), numbers(2, 3, seed=2))
        )
        if fast:
            out = modulated(x, weight, style, double) * demodulation(weight, style)[:, :, None, None]
        else:
            own = style[:, None, :, None, None] * weight
            own = own / (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
            ones = torch.ones(1, 3, dtype=torch.float64)
            out = torch.cat([modulated(x[b : b + 1], own[b], ones, double) for b in range(2)])
        first = torch.autograd.grad(out.square().sum(), (x, weight, style), create_graph=True)
        second = torch.autograd.grad(sum(part.square().sum() for part in first), (x, weight, style))
        results.append([out, *first, *second])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-7, atol=1e-7)


def test_layers_keep_the_variance_and_equalise_the_rate() -> None:
    torch.manual_seed(0)
    x = torch.randn(4096, 64)
    for rate in (1.0, 0.01):
        dense = Dense(64, 256, rate=rate)
        assert dense(x).std().item() == pytest.approx(1, abs=0.05)
        assert dense.weight.std().item() == pytest.approx(1 / rate, rel=0.05)
    active = Dense(64, 256, active=True)
    torch.testing.assert_close(
        active(x), nn.functional.leaky_relu(x @ active.weight.T / 8, 0.2) * math.sqrt(2), rtol=1e-4, atol=1e-4
    )
    maps = torch.randn(8, 64, 16, 16)
    convolution = Convolution(64, 32, 3)
    wanted = nn.functional.conv2d(maps, convolution.weight / 24, padding=1)
    torch.testing.assert_close(
        convolution(maps), nn.functional.leaky_relu(wanted, 0.2) * math.sqrt(2), rtol=1e-3, atol=1e-4
    )


def test_a_residual_block_keeps_the_variance() -> None:
    torch.manual_seed(0)
    out = ResidualBlock(32, 64)(torch.randn(8, 32, 16, 16))
    assert out.shape == (8, 64, 8, 8)
    # The filter takes some of white noise's variance away, never adds any.
    assert 0.1 < out.square().mean() < 1.5


def test_the_deviation_is_that_of_each_group() -> None:
    x = numbers(6, 2, 3, 3)
    told = with_deviation(x, 3)  # 0, 2, 4 are one group, 1, 3, 5 the other
    for start in (0, 1):
        wanted = x[start::2].var(0, correction=0).add(1e-8).sqrt().mean()
        torch.testing.assert_close(told[start::2, -1], wanted.expand(3, 3, 3), check_dtype=False, rtol=1e-6, atol=1e-6)
    assert torch.equal(told[:, :2], x)
    assert with_deviation(x, 4).shape == (6, 3, 3, 3), "where 4 does not divide 6, groups of 3"


def test_styles_skip_and_noise_reach_the_picture() -> None:
    generator = small_generator()
    z, label = torch.randn(2, 8), torch.zeros(2, 3)
    w = generator.broadcast(generator.mapping(z, label)).clone()
    before = generator.synthesis(w)
    assert before.shape == (2, 3, 16, 16)
    for layer in range(generator.synthesis.num_ws):
        moved = w.clone()
        moved[0, layer] += 1
        after = generator.synthesis(moved)
        assert not torch.allclose(after[0], before[0]), layer
        assert torch.allclose(after[1], before[1], atol=1e-5), "one picture's style is not another's"
    noises = [torch.randn(2, 1, side, side) for side in generator.synthesis.sides()]
    assert torch.allclose(generator.synthesis(w, noises), before), "noise is silent at first"
    for part in generator.synthesis.modules():
        if isinstance(part, StyledConvolution):
            nn.init.ones_(part.noise_strength)
    for layer, noise in enumerate(noises):
        loud = [other * (number == layer) for number, other in enumerate(noises)]
        assert noise.any()
        still = generator.synthesis(w, [other * 0 for other in noises])
        assert not torch.allclose(generator.synthesis(w, loud), still), layer


def test_labels_are_heard() -> None:
    torch.manual_seed(0)
    z = torch.randn(1, 8)
    one, two = torch.eye(3)[:1], torch.eye(3)[:1] + torch.eye(3)[1:2]
    for kind in (JoinedMapping(2), ApartMapping(2)):
        mapping = kind.mapping(3, 8)
        assert not torch.allclose(mapping(z, one), mapping(z, two))
        assert kind.mapping(0, 8)(z, torch.zeros(1, 0)).shape == (1, 8)
    # Twice as loud a label: the joined one hears it, the one that normalises labels by themselves does not.
    joined, apart = JoinedMapping(2).mapping(3, 8), ApartMapping(2).mapping(3, 8)
    assert not torch.allclose(joined(z, one), joined(z, 2 * one))
    assert torch.allclose(apart(z, one), apart(z, 2 * one), atol=1e-5)
    torch.testing.assert_close(normalised(numbers(3, 7)).square().mean(1), torch.ones(3, dtype=torch.float64))


def test_label_select_scores_what_is_given() -> None:
    head = LabelSelect(4, 3)
    x = torch.randn(4, 4)
    every = head.out(x)
    told = torch.tensor([[0, 1, 0], [1, 0, 1], [0, 0, 0], [0, 0.5, 0.5]])
    wanted = torch.stack([every[0, 1], every[1, [0, 2]].mean(), every[2].mean(), every[3, 1:].mean()])
    torch.testing.assert_close(head(x, told), wanted)
    assert LabelSelect(4, 0)(x, torch.zeros(4, 0)).shape == (4,)


@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize("head", [LabelSelectHead(), ProjectionHead(2)], ids=["select", "projection"])
def test_one_logit_a_picture(labels: int, head: LabelSelectHead | ProjectionHead) -> None:
    discriminator = Discriminator(channels(64, 8, 16), head.head(8, labels))
    picture, label = torch.randn(4, 3, 16, 16), torch.ones(4, labels)
    logits = discriminator(picture, label)
    assert logits.shape == (4,)
    channels_last = discriminator.to(memory_format=torch.channels_last)
    torch.testing.assert_close(channels_last(picture, label), logits, rtol=1e-4, atol=1e-4)
    if labels:
        assert not torch.allclose(discriminator(picture, torch.eye(3)[[0, 1, 2, 0]]), logits)


def test_path_lengths_are_those_of_a_known_map() -> None:
    """For pictures A w the length is |A^T y|, y of variance 1 / (H W): on average that of A's columns."""
    matrix = numbers(3 * 16, 5)

    def synthesis(w_BLW: Tensor) -> Tensor:
        return (w_BLW[:, 0] @ matrix.T).view(-1, 3, 4, 4)

    torch.manual_seed(0)
    w = numbers(4096, 1, 5, seed=3).requires_grad_()
    mean = path_lengths(synthesis, w).square().mean()
    assert mean.item() == pytest.approx((matrix.square().sum() / 16).item(), rel=0.05)


def test_lazy_adam() -> None:
    lr, betas = lazily(0.0025, (0.0, 0.99), 16)
    assert lr == pytest.approx(0.0025 * 16 / 17)
    assert betas == (0.0, pytest.approx(0.99 ** (16 / 17)))
    assert lazily(0.0025, (0.0, 0.99), 0) == (0.0025, (0.0, 0.99))
