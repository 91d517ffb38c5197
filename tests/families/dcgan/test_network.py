"""Shapes, initial weights and normalisers of DCGAN's networks."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from anime_gen.blocks.layers import Norm, mixes_batch, normalise_spectrally
from anime_gen.contract import UserError
from anime_gen.families.dcgan.network import Convolutional, FullyConnected, Networks


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("networks", [Convolutional(4, 8), FullyConnected(8, 2)], ids=["conv", "dense"])
def test_every_size(networks: Networks, size: int) -> None:
    generator, discriminator = networks.generator(10, size), networks.discriminator(size)
    pictures = generator(torch.randn(3, 10))
    assert pictures.shape == (3, 3, size, size)
    assert pictures.abs().max() <= 1
    assert discriminator(pictures).shape == (3,)


def test_radfords_sizes() -> None:
    """Figure 1 of the paper: 1024 x 4 x 4, 512 x 8 x 8, 256 x 16 x 16, 128 x 32 x 32, and all kernels 4 x 4 here."""
    generator = Convolutional(128, 1024).generator(100, 64)
    deconvolutions = [layer for layer in generator.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [layer.in_channels for layer in deconvolutions] == [100, 1024, 512, 256, 128]
    assert deconvolutions[-1].out_channels == 3
    discriminator = Convolutional(128, 1024).discriminator(64)
    convolutions = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [128, 256, 512, 1024, 1]
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in generator.modules()) == 4
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in discriminator.modules()) == 3
    assert all(layer.kernel_size == (4, 4) for layer in convolutions + deconvolutions)


def test_both_pairs_have_batchnorm_in_the_same_places() -> None:
    """All hidden layers of the generator, all but the first of the discriminator: only the connections differ."""
    for conv, dense in zip(_norms(Convolutional(4)), _norms(FullyConnected(8, 3)), strict=True):
        assert conv == dense


def _norms(networks: Networks) -> list[list[bool]]:
    """For generator and discriminator at 32 px: does a norm follow each weighted layer?"""
    found = []
    for network in (networks.generator(4, 32), networks.discriminator(32)):
        kinds = [layer for layer in network.modules() if not list(layer.children())]
        weighted = [i for i, layer in enumerate(kinds) if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
        found.append([isinstance([*kinds[i:], None][1], nn.BatchNorm1d | nn.BatchNorm2d) for i in weighted])
    return found


@pytest.mark.parametrize("norm", list(Norm))
def test_initial_weights(norm: Norm) -> None:
    """Trap 20: N(0, 0.02) for convolutions, N(1, 0.02) for norms, zero biases."""
    torch.manual_seed(0)
    networks = Convolutional(32, 256, norm)
    for network in (networks.generator(100, 64), networks.discriminator(64)):
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                tolerance = 4 * 0.02 / layer.weight.numel() ** 0.5
                assert abs(layer.weight.mean()) < tolerance
                assert layer.weight.std().item() == pytest.approx(0.02, abs=tolerance)
            elif isinstance(layer, nn.BatchNorm2d | nn.GroupNorm):
                tolerance = 4 * 0.02 / layer.weight.numel() ** 0.5
                assert layer.weight.mean().item() == pytest.approx(1, abs=tolerance)
                assert layer.weight.std().item() == pytest.approx(0.02, abs=tolerance)
            elif isinstance(layer, nn.Linear):
                raise AssertionError("no such layer in a convolutional pair")
            else:
                continue
            assert layer.bias is None or not layer.bias.any()


@pytest.mark.parametrize(
    ("networks", "mixes"),
    [
        *((Convolutional(4, norm=norm), norm is Norm.batch) for norm in Norm),
        (FullyConnected(8, 2), True),
        (FullyConnected(8, 1), False),
        (FullyConnected(8, 2, batch_norm=False), False),
    ],
)
def test_only_batchnorm_mixes_the_batch(networks: Networks, mixes: bool) -> None:
    discriminator = networks.discriminator(16)
    pictures = torch.randn(4, 3, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(pictures)[0], pictures)
    assert gradient[0].any()
    assert bool(gradient[1:].any()) == mixes_batch(discriminator) == mixes


def test_layer_norm_is_over_the_whole_picture() -> None:
    made = Norm.layer.module(6)(torch.randn(2, 6, 3, 3) * 5 + 2)
    assert torch.allclose(made.mean(dim=(1, 2, 3)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(made.var(dim=(1, 2, 3), correction=0), torch.ones(2), atol=1e-4)


def test_norms_survive_a_copy_and_a_pickle() -> None:
    """Spawned processes get their model through pickle."""
    for norm in Norm:
        assert pickle.loads(pickle.dumps(norm)) is norm
        assert copy.deepcopy(norm) is norm


@pytest.mark.parametrize(
    "networks", [Convolutional(8, norm=Norm.none), FullyConnected(32, 2, batch_norm=False)], ids=["conv", "dense"]
)
def test_spectral_norm_bounds_every_layer(networks: Networks) -> None:
    """The largest singular value of each flattened weight is 1, even after a weight has grown a hundredfold."""
    torch.manual_seed(0)
    discriminator = networks.discriminator(16)
    normalise_spectrally(discriminator)
    for parameter in discriminator.parameters():
        parameter.data *= 100
    pictures = torch.randn(8, 3, 16, 16)
    for _ in range(200):  # power iterations; near singular values part slowly
        discriminator(pictures[:2])
    discriminator.eval()
    layers = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) == 3
    for layer in layers:
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=2e-3)
    if isinstance(networks, FullyConnected):  # LeakyReLU is 1-Lipschitz, so the whole network is
        others = pictures + 0.1 * torch.randn_like(pictures)
        distance = (pictures - others).flatten(1).norm(dim=1)
        assert ((discriminator(pictures) - discriminator(others)).abs() <= 1.01 * distance).all()


@pytest.mark.parametrize("size", [8, 48, 512])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(UserError, match=rf"^image_size is {size}; .*16, 32, 64, 128 or 256[^\n]*$"):
        Convolutional().generator(100, size)


def test_impossible_networks_are_refused() -> None:
    with pytest.raises(UserError, match="width is 64 and max_width 32"):
        Convolutional(64, 32)
    with pytest.raises(UserError, match="hidden is 0"):
        FullyConnected(0)
