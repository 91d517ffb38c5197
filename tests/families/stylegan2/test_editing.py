"""Mixing, lines, a tag's direction, and the way back from a picture to its style."""

from __future__ import annotations

import pytest
import torch

from anime_gen.contract import Condition
from anime_gen.families.stylegan2 import ProjectionHead, StyleGAN2
from anime_gen.families.stylegan2.editing import between, direction, distance, mixed, project
from anime_gen.families.stylegan2.generator import Generator, Synthesis, channels
from anime_gen.families.stylegan2.mapping import JoinedMapping


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(JoinedMapping(2).mapping(3, 8), Synthesis(16, 8, channels(128, 8, 16)), 8).requires_grad_(False)


def test_mixing_takes_layers_of_the_other() -> None:
    first, other = torch.zeros(2, 6, 4), torch.ones(2, 6, 4)
    assert mixed(first, other, range(2, 4))[0, :, 0].tolist() == [0, 0, 1, 1, 0, 0]


def test_a_line_has_both_ends() -> None:
    line = between(torch.zeros(6, 4), torch.full((6, 4), 3.0), 4)
    assert line[:, 0, 0].tolist() == pytest.approx([0, 1, 2, 3])


def test_a_tags_direction_is_where_its_labels_lead(generator: Generator) -> None:
    without, told = torch.zeros(3), torch.tensor([0.0, 1, 0])
    way = direction(generator.mapping, without, told, 8)
    assert way.shape == (8,)
    torch.testing.assert_close(direction(generator.mapping, told, without, 8), -way)
    assert not direction(generator.mapping, told, told, 8).any()
    # Going there brings a style nearer to those of faces with the tag.
    z = torch.randn(512, 8)
    start, goal = (generator.mapping(z, label.expand(512, -1)) for label in (without, told))
    assert (start + way - goal).norm(dim=1).mean() < (start - goal).norm(dim=1).mean()


def test_distance_is_zero_for_the_same_and_grows_with_a_shift() -> None:
    picture = torch.rand(1, 3, 16, 16)
    assert distance(picture, picture) == 0
    assert distance(picture.roll(1, 3), picture) > 0


@pytest.mark.parametrize("plus", [False, True])
def test_a_made_picture_is_found_again(plus: bool) -> None:
    torch.manual_seed(0)
    small = {"num_tags": 3, "width": 8, "channel_base": 128, "channel_max": 8}
    space = StyleGAN2(16, JoinedMapping(2), ProjectionHead(2), **small).requires_grad_(False)
    condition = Condition(tags_BT=torch.tensor([[0.0, 1, 0]]))
    wanted = space.synthesise(space.map(torch.randn(1, 8, generator=torch.Generator().manual_seed(4)), condition))
    before = {name: part.clone() for name, part in space.state_dict().items()}
    found = list(project(space, wanted, condition, plus, steps=120))
    losses = [one.loss for one in found]
    assert losses == sorted(losses, reverse=True), "the nearest so far"
    assert losses[-1] < 0.25 * losses[0]
    assert (found[-1].w_1LD.diff(dim=1) == 0).all() == (not plus), "in W all layers have the same"
    assert all(torch.equal(before[name], part) for name, part in space.state_dict().items())
