"""DCGAN's training step against one written out, and the promise of `sample`."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.blocks.adversarial import Hinge, LeastSquares, NonSaturating, WassersteinGP
from anime_gen.blocks.augment.diffaugment import DiffAugment
from anime_gen.blocks.layers import Norm
from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.dcgan.module import DCGAN
from anime_gen.families.dcgan.network import Convolutional, FullyConnected, Networks
from anime_gen.noise import normal


def unattached(image_size: int = 16, networks: Networks | None = None, **settings: Any) -> DCGAN:
    """A module whose `training_step` works without a trainer."""
    torch.manual_seed(0)
    settings.setdefault("loss", NonSaturating())
    module = DCGAN(image_size, networks or Convolutional(4), z_dim=8, **settings)
    optimizers = module.configure_optimizers()
    module.optimizers = lambda: optimizers  # type: ignore[method-assign, assignment, return-value]
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    return module


def batch_of(rows: int = 6, size: int = 16) -> Batch:
    stream = torch.Generator().manual_seed(5)
    return Batch(torch.rand(rows, 3, size, size, generator=stream) * 2 - 1, Condition(), torch.arange(rows))


def norm_of(network: nn.Module) -> float:
    """Every gradient in one vector: `clip_grad_norm_` returns the norm it would clip, and clips nothing here."""
    return nn.utils.clip_grad_norm_(network.parameters(), float("inf")).item()


def test_one_step_is_the_written_out_one() -> None:
    """Binary cross-entropy with targets 1 and 0, D's step first, G's against the new D, with Radford's Adam."""
    module, batch = unattached(), batch_of()
    generator, discriminator = copy.deepcopy(module.generator), copy.deepcopy(module.discriminator)
    adam_g = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    adam_d = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    one, zero = torch.ones(6), torch.zeros(6)

    for _ in range(2):
        torch.manual_seed(9)
        scalars = module.training_step(batch, 0)

        torch.manual_seed(9)
        fake = generator(normal(6, 8))
        adam_d.zero_grad()
        real_logits, fake_logits = discriminator(batch.image_BCHW), discriminator(fake.detach())
        loss_d = F.binary_cross_entropy_with_logits(real_logits, one)
        loss_d = loss_d + F.binary_cross_entropy_with_logits(fake_logits, zero)
        loss_d.backward()
        norm_d = norm_of(discriminator)
        adam_d.step()
        adam_g.zero_grad()
        loss_g = F.binary_cross_entropy_with_logits(discriminator(fake), one)
        loss_g.backward()
        norm_g = norm_of(generator)
        adam_g.step()

        assert scalars["loss_discriminator"].item() == pytest.approx(loss_d.item())
        assert scalars["loss_generator"].item() == pytest.approx(loss_g.item())
        assert scalars["real_logits_mean"].item() == pytest.approx(real_logits.mean().item(), abs=1e-6)
        assert scalars["fake_logits_mean"].item() == pytest.approx(fake_logits.mean().item(), abs=1e-6)
        assert scalars["gradient_norm_discriminator"].item() == pytest.approx(norm_d)
        assert scalars["gradient_norm_generator"].item() == pytest.approx(norm_g)
        assert scalars["penalty"] == 0
        assert not any(value.requires_grad for value in scalars.values())

    for ours, theirs in ((module.generator, generator), (module.discriminator, discriminator)):
        for (name, value), expected in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
            assert torch.allclose(value, expected, atol=1e-6), name


def test_the_generators_step_works_out_no_gradient_for_the_discriminator() -> None:
    module, batch = unattached(), batch_of()
    after_its_step: list[Tensor] = []
    _, of_discriminator = module.optimizers()  # type: ignore[misc]
    of_discriminator.register_step_post_hook(
        lambda *_: after_its_step.extend(p.grad.clone() for p in module.discriminator.parameters())
    )
    module.training_step(batch, 0)
    for gradient, parameter in zip(after_its_step, module.discriminator.parameters(), strict=True):
        assert parameter.grad is not None
        assert torch.equal(gradient, parameter.grad)
        assert parameter.requires_grad
    assert all(parameter.grad is not None for parameter in module.generator.parameters())


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": Hinge(), "spectral_norm": True, "networks": Convolutional(4, norm=Norm.none)},
        {"loss": LeastSquares(), "augment": DiffAugment()},
        {"loss": WassersteinGP(), "networks": Convolutional(4, norm=Norm.layer), "augment": DiffAugment()},
        {"loss": WassersteinGP(), "networks": Convolutional(4, norm=Norm.instance), "spectral_norm": True},
        {"loss": WassersteinGP(), "networks": FullyConnected(16, 2, batch_norm=False)},
    ],
)
def test_every_option_trains_both_networks(settings: dict[str, Any]) -> None:
    module = unattached(**settings)
    before = copy.deepcopy(module.state_dict())
    scalars = module.training_step(batch_of(), 0)
    assert all(torch.isfinite(value) for value in scalars.values())
    assert scalars["gradient_norm_generator"] > 0
    assert (scalars["penalty"] > 0) == isinstance(settings["loss"], WassersteinGP)
    unchanged = [name for name, _ in module.named_parameters() if torch.equal(before[name], module.state_dict()[name])]
    # A bias in front of a norm over the plane moves nothing but by rounding; the last bias of a critic cancels.
    assert all("bias" in name for name in unchanged), unchanged


def test_learning_rates_are_each_ones_own() -> None:
    module = unattached(lr_generator=0.0, lr_discriminator=1e-3, betas=(0.0, 0.9))
    before = copy.deepcopy(module.state_dict())
    module.training_step(batch_of(), 0)
    moved = {name.split(".")[0] for name, p in module.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"discriminator"}
    for optimizer in module.configure_optimizers():
        assert optimizer.param_groups[0]["betas"] == (0.0, 0.9)


def test_the_generator_has_every_third_batch() -> None:
    module, batch = unattached(discriminator_steps=3), batch_of()
    turns = []
    for step in range(7):
        before = module.generator.layers[0].weight.clone()  # type: ignore[union-attr, index, operator]
        scalars = module.training_step(batch, step)
        turns.append(not torch.equal(before, module.generator.layers[0].weight))  # type: ignore[union-attr, index, arg-type]
        assert ("loss_generator" in scalars) == ("gradient_norm_generator" in scalars) == turns[-1]
    assert turns == [False, False, True, False, False, True, False]
    saved: dict[str, Any] = {"state_dict": {}}  # Lightning fills it
    module.on_save_checkpoint(saved)
    resumed = unattached(discriminator_steps=3)
    resumed.on_load_checkpoint(saved)
    assert resumed.batches_seen == 7


def test_a_nan_is_shown() -> None:
    module, batch = unattached(), batch_of()
    batch.image_BCHW[0] = torch.nan
    assert module.training_step(batch, 0)["loss_discriminator"].isnan()


@pytest.mark.parametrize("size", [16, 32, 64, 128])
@pytest.mark.parametrize("networks", [Convolutional(4, 16), FullyConnected(16, 2)], ids=["conv", "dense"])
def test_a_picture_depends_on_its_seed_alone(networks: Networks, size: int) -> None:
    module = unattached(size, networks)
    module.chunk = 8
    seeds = [3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 97]
    together = module.sample(Condition(), seeds)
    assert together.shape == (11, 3, size, size)
    # On some processors products of matrices round a row by its place.
    rounded = {"rtol": 0, "atol": 1e-5}
    apart = torch.cat([module.sample(Condition(), seeds[4:6]), module.sample(Condition(), seeds[6:])])
    torch.testing.assert_close(together[4:], apart, **rounded)
    torch.testing.assert_close(together.flip(0), module.sample(Condition(), seeds[::-1]), **rounded)
    assert len(torch.unique(together.flatten(1), dim=0)) == 11


def test_a_picture_does_not_depend_on_leftover_statistics() -> None:
    """Another rank's or the trained copy's running statistics must not show in a picture of the same weights."""
    module = unattached()
    with torch.no_grad():
        for parameter in module.generator.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    clean = module.sample(Condition(), [1, 2])
    for layer in module.generator.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            layer.running_mean.fill_(3)
    assert torch.equal(module.sample(Condition(), [1, 2]), clean)
    assert all(layer.momentum == 0.1 for layer in module.generator.modules() if isinstance(layer, nn.BatchNorm2d))


def test_sampling_statistics_are_those_of_many_latents() -> None:
    """Every BatchNorm's output over fresh pictures is near mean 0 and variance 1 (times its scale)."""
    module = unattached(networks=Convolutional(16))
    module.sample(Condition(), [0])
    norms = [layer for layer in module.generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    outputs: list[Tensor] = []
    handles = [norm.register_forward_hook(lambda _, __, out: outputs.append(out.clone())) for norm in norms]
    module.generator.eval()(torch.randn(512, 8))
    for handle in handles:
        handle.remove()
    for norm, out in zip(norms, outputs, strict=True):
        assert (out.mean(dim=(0, 2, 3)) / norm.weight).abs().max() < 0.3
        assert (out.std(dim=(0, 2, 3)) / norm.weight - 1).abs().max() < 0.2


@pytest.mark.parametrize("training", [True, False])
def test_sampling_leaves_the_mode_and_the_global_stream(training: bool) -> None:
    module = unattached().train(training)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    with torch.inference_mode():
        module.sample(Condition(), [1])
    assert module.generator.training is training
    assert torch.equal(torch.get_rng_state(), before)
    module.train().training_step(batch_of(), 0)  # statistics written in inference mode do not hinder training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": WassersteinGP()}, "a gradient penalty cannot go with BatchNorm .*norm=layer"),
        ({"loss": WassersteinGP(), "networks": FullyConnected(8)}, "cannot go with BatchNorm .*batch_norm=false"),
        ({"discriminator_steps": 0}, "discriminator_steps is 0; give 1 or more"),
        ({"image_size": 48}, "image_size is 48"),
    ],
)
def test_refusals_are_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        unattached(**settings)
    assert "\n" not in str(caught.value)


def test_averaged_is_no_second_name() -> None:
    """A module under two names doubles its keys."""
    module = unattached()
    assert module.averaged is module.generator
    assert {name.split(".")[0] for name in module.state_dict()} == {"generator", "discriminator"}
    assert module.needs == frozenset()


def test_mixed_precision_trains() -> None:
    module = unattached(networks=Convolutional(4, norm=Norm.layer), loss=WassersteinGP())
    with torch.autocast("cpu", torch.bfloat16):
        scalars = module.training_step(batch_of(), 0)
    assert all(torch.isfinite(value) for value in scalars.values())
    assert {value.dtype for value in scalars.values()} == {torch.float32}
