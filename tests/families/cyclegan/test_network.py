"""Shapes, what a patch sees, and what must not depend on what."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from anime_gen.blocks.layers import Norm, mixes_batch
from anime_gen.contract import UserError
from anime_gen.families.cyclegan.module import passes
from anime_gen.families.cyclegan.network import (
    Activation,
    Doubling,
    EncoderDecoder,
    Generators,
    Patch,
    ResNet,
    Scalar,
    UNet,
    part_judge,
    seen_by_patch,
)

GENERATORS: list[Generators] = [
    ResNet(4, 1),
    ResNet(4, 2, Doubling.resize, Activation.leaky, Norm.batch),
    EncoderDecoder(4),
    UNet(4),
]


@pytest.mark.parametrize("generators", GENERATORS, ids=["resnet", "resized", "baseline", "unet"])
@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("inputs", [3, 8])
def test_a_picture_in_a_picture_out(generators: Generators, size: int, inputs: int) -> None:
    pictures = generators.generator(size, inputs)(torch.randn(2, inputs, size, size))
    assert pictures.shape == (2, 3, size, size)
    assert pictures.abs().max() <= 1


@pytest.mark.parametrize(("size", "halvings"), [(16, 2), (32, 3), (96, 4), (128, 5)])
def test_a_unet_sees_far_from_its_corner(size: int, halvings: int) -> None:
    """It goes down to 4 or 6 pixels, so what a pixel becomes depends on what is far away."""
    network = UNet(8, 16, Norm.none).generator(size, 3).double()
    nn.init.normal_(network.get_parameter("end.weight"))
    assert len(list(network.get_submodule("down").children())) == halvings
    picture = torch.rand(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(network(picture)[0, :, 0, 0].sum(), picture)
    assert slope[0, :, size // 3 :, size // 3 :].any()
    with pytest.raises(UserError, match=f"image_size is {size + 4}; .* multiples of 8"):
        UNet().generator(size + 4, 3)


@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70)])
def test_a_patch_sees_as_many_pixels_as_it_says(layers: int, side: int) -> None:
    """The gradient of one logit is non-zero in a square of exactly that side (Isola et al.'s 70 for three layers)."""
    assert seen_by_patch(layers) == side
    size = 2 * side
    size += -size % 8
    discriminators = Patch(2, share=(side + 0.5) / size, norm=Norm.none)
    assert discriminators.layers(size) == layers
    image = torch.rand(1, 3, size, size, requires_grad=True)
    logits = discriminators.discriminator(size, 3).double()(image.double())
    middle = logits.shape[-1] // 2
    (slope,) = torch.autograd.grad(logits[0, 0, middle, middle], image)
    seen = torch.nonzero(slope.abs().amax((0, 1)))
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [side, side]


def test_patches_are_sized_to_the_picture() -> None:
    assert [Patch().layers(size) for size in (32, 64, 128, 256)] == [1, 2, 3, 3]
    with pytest.raises(UserError, match=r"smallest patch sees 16 pixels.*--model\.discriminators\.share=0\.71"):
        Patch().layers(24)


def test_one_logit_a_picture_or_one_a_patch() -> None:
    pictures = torch.randn(5, 3, 32, 32)
    assert Scalar(4).discriminator(32, 3)(pictures).shape == (5,)
    patches = Patch(4).discriminator(32, 3)(pictures)
    assert patches.shape[:2] == (5, 1)
    assert patches.shape[2] > 4
    assert part_judge()(torch.randn(5, 3, 8, 8)).shape == (5, 1, 4, 4)


def test_passes_are_joined_only_where_pictures_do_not_mix() -> None:
    """The same numbers in one pass as in two; with BatchNorm in two passes, each with its own statistics."""
    torch.manual_seed(0)
    first, second = torch.randn(2, 3, 16, 16), torch.randn(3, 3, 16, 16) + 1
    apart = ResNet(4, 1).generator(16, 3)
    assert not mixes_batch(apart)
    calls: list[int] = []
    apart.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    for together, alone in zip(passes(apart, [first, second]), (apart(first), apart(second)), strict=True):
        torch.testing.assert_close(together, alone)
    assert calls == [5, 2, 3]
    mixing = EncoderDecoder(4).generator(16, 3)
    assert mixes_batch(mixing)
    for together, alone in zip(passes(mixing, [first, second]), (mixing(first), mixing(second)), strict=True):
        assert torch.equal(together, alone)


def test_activation_is_the_one_that_is_named() -> None:
    kinds = {type(layer) for layer in ResNet(4, 1, activation=Activation.leaky).generator(16, 3).modules()}
    assert nn.LeakyReLU in kinds
    assert nn.ReLU not in kinds


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ResNet(0), "width is 0"),
        (lambda: ResNet(4, 0), "blocks 0"),
        (lambda: ResNet(4).generator(30, 3), "image_size is 30"),
        (lambda: EncoderDecoder(4).generator(48, 3), "image_size is 48"),
        (lambda: Patch(0), "width is 0"),
        (lambda: Patch(share=0), "share 0"),
        (lambda: Scalar(4).discriminator(48, 3), "image_size is 48"),
    ],
)
def test_what_cannot_be_is_refused(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]
