"""StyleGAN2 as a space of styles that other families look for styles in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anime_gen.contract import Condition, StyleSpace, UserError
from anime_gen.families.stylegan2 import JoinedMapping, ProjectionHead, StyleGAN2
from anime_gen.noise import Noise, normal
from anime_gen.run.trained import load_latent_space, load_style_space

SMALL = (
    "--data.source=anime_gen.data.PaintedFaces",
    "--data.source.faces=80",
    "--data.image_size=16",
)


@pytest.fixture(scope="module")
def space() -> StyleGAN2:
    torch.manual_seed(0)
    module = StyleGAN2(16, JoinedMapping(2), ProjectionHead(2), num_tags=3, width=8, channel_base=64, channel_max=8)
    for name, part in module.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.ones_(part)
    return module


def told(rows: int) -> Condition:
    return Condition(tags_BT=torch.eye(3)[torch.arange(rows) % 3])


def test_styles_and_noise_make_what_is_sampled(space: StyleGAN2) -> None:
    seeds, condition = [3, 4], told(2)
    noise = Noise(seeds)
    w_BLD = space.map(noise.normal(space.style_width), condition)
    assert w_BLD.shape == (2, space.num_layers, space.style_width) == (2, 6, 8)
    space.chunk = 2
    assert torch.equal(space.synthesise(w_BLD, noise).clamp(-1, 1), space.sample(condition, seeds))
    silent = space.synthesise(w_BLD)
    assert torch.equal(silent, space.synthesise(w_BLD))
    assert not torch.allclose(silent.clamp(-1, 1), space.sample(condition, seeds))


def test_moments_are_those_of_styles_of_these_labels(space: StyleGAN2) -> None:
    z_ND = normal(30_000, 8, generator=torch.Generator().manual_seed(1))
    w_ND = space.map(z_ND, told(30_000))[:, 0].detach()
    mean_LD, deviation_LD = space.moments(told(3), 3, 30_000)
    torch.testing.assert_close(mean_LD, w_ND.mean(0).expand(6, -1), rtol=0, atol=0.02)
    torch.testing.assert_close(deviation_LD, w_ND.std(0).expand(6, -1), rtol=0.02, atol=0)
    assert torch.equal(space.moments(told(1), 1)[0], space.moments(told(1), 1)[0]), "always the same latents"
    assert not torch.allclose(space.moments(told(1), 1)[0], mean_LD)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_is_opened_frozen_and_is_carried_without_what_it_began_with(
    style: Callable[..., Path], tmp_path: Path
) -> None:
    first = style(*SMALL)
    begun = style(*SMALL, f"--model.start_from={first}")
    first.unlink()
    space, carried = load_style_space(begun)
    assert isinstance(space, StyleSpace)
    assert not space.training
    assert not any(parameter.requires_grad for parameter in space.parameters())
    # As it lies in the checkpoint of a family that looks for its styles.
    holder = {"family": "anime_gen.families.stylegan2.StyleGAN2", "state_dict": {}, "carried": {"style": carried}}
    torch.save(holder, tmp_path / "holder.ckpt")
    again, _ = load_style_space(tmp_path / "holder.ckpt")
    assert same(dict(again.state_dict()), dict(space.state_dict()))


def test_another_kind_of_run_is_refused_in_one_line(style: Callable[..., Path]) -> None:
    checkpoint = style(*SMALL)
    with pytest.raises(UserError, match="a run of StyleGAN2, which has no latent space; give the run of an autoenc"):
        load_latent_space(checkpoint)
