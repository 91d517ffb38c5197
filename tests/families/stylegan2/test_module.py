"""The training step written out, when regularisers have their turn, and what truncation pulls to."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.blocks.augment.ada import ADA
from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.stylegan2.discriminator import Heads, LabelSelectHead, ProjectionHead
from anime_gen.families.stylegan2.mapping import ApartMapping, JoinedMapping, Mappings
from anime_gen.families.stylegan2.module import Labels, StyleGAN2, StyleGAN2Settings
from anime_gen.families.stylegan2.regularisation import Regularisers
from anime_gen.noise import normal, normal_like

SIZE = 16


def unattached(mapping: Mappings | None = None, head: Heads | None = None, **settings: Any) -> StyleGAN2:
    """A module whose `training_step` works without a trainer."""
    torch.manual_seed(0)
    taken = {name: settings.pop(name) for name in Regularisers._fields if name in settings}
    small = {"num_tags": 3, "width": 8, "channel_base": 64, "channel_max": 8, "regularisers": Regularisers(**taken)}
    small |= settings
    module = StyleGAN2(SIZE, mapping or JoinedMapping(2), head or LabelSelectHead(), **small)
    optimizers = module.configure_optimizers()
    module.optimizers = lambda: optimizers  # type: ignore[method-assign, assignment, return-value]
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    return module


def batch_of(rows: int = 4) -> Batch:
    stream = torch.Generator().manual_seed(5)
    tags = torch.randint(0, 2, (rows, 3), generator=stream).float()
    picture = torch.rand(rows, 3, SIZE, SIZE, generator=stream) * 2 - 1
    return Batch(picture, Condition(tags_BT=tags), torch.arange(rows))


def test_one_step_is_the_written_out_one() -> None:
    """Generator, path lengths, discriminator and R1, each a step of Adam with lazy rates."""
    module, batch = unattached(mixing=0.0), batch_of()
    generator, discriminator = copy.deepcopy(module.generator), copy.deepcopy(module.discriminator)
    torch.manual_seed(3)
    scalars = module.training_step(batch, 0)
    torch.manual_seed(3)
    adam_g = torch.optim.Adam(generator.parameters(), 0.0025 * 4 / 5, (0.0, 0.99 ** (4 / 5)))
    adam_d = torch.optim.Adam(discriminator.parameters(), 0.0025 * 16 / 17, (0.0, 0.99 ** (16 / 17)))
    tags, real = batch.condition.tags_BT, batch.image_BCHW
    assert tags is not None

    def made(label: Tensor) -> Tensor:
        w = generator.broadcast(generator.mapping(normal(len(label), 8), label))
        return synthesised(w)

    def synthesised(w: Tensor) -> Tensor:
        picture: Tensor = generator.synthesis(w, [normal(len(w), 1, n, n) for n in generator.synthesis.sides()])
        return picture

    label = tags[torch.randperm(4)]
    F.softplus(-discriminator(made(label), label)).mean().backward()
    adam_g.step()

    adam_g.zero_grad()
    label = tags[torch.randperm(4)][:2]
    w = generator.broadcast(generator.mapping(normal(2, 8), label))
    picture = synthesised(w)
    (slope,) = torch.autograd.grad((picture * normal_like(picture) / SIZE).sum(), w, create_graph=True)
    length = slope.square().sum(2).mean(1).sqrt()
    mean = 0.01 * length.detach().mean()
    (4 * 2 * (length - mean).square().mean()).backward()
    adam_g.step()
    assert scalars["path_length"].item() == pytest.approx(length.mean().item(), rel=1e-4)

    adam_d.zero_grad()
    label = tags[torch.randperm(4)]
    with torch.no_grad():
        fake = made(label)
    game = F.softplus(discriminator(fake, label)).mean() + F.softplus(-discriminator(real, tags)).mean()
    game.backward()
    adam_d.step()
    assert scalars["loss_discriminator"].item() == pytest.approx(game.item(), rel=1e-4)

    adam_d.zero_grad()
    leaf = real.clone().requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(leaf, tags).sum(), leaf, create_graph=True)
    (16 * 1.0 / 2 * slope.square().sum((1, 2, 3)).mean()).backward()
    adam_d.step()
    for ours, theirs in ((module.generator, generator), (module.discriminator, discriminator)):
        for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=2e-5, msg=name)


def test_regularisers_have_their_turn() -> None:
    module = unattached(r1_every=4, path_every=2)
    turns = [module.training_step(batch_of(), step) for step in range(6)]
    assert ["r1" in scalars for scalars in turns] == [True, False, False, False, True, False]
    assert ["path_length" in scalars for scalars in turns] == [True, False, True, False, True, False]
    checkpoint: dict[str, Any] = {"state_dict": {}}  # Lightning fills it
    module.on_save_checkpoint(checkpoint)
    resumed = unattached(r1_every=4, path_every=2)
    resumed.on_load_checkpoint(checkpoint)
    assert "path_length" in resumed.training_step(batch_of(), 0)
    assert "r1" not in resumed.training_step(batch_of(), 0)
    still = unattached(r1_every=0, path_every=0).training_step(batch_of(), 0)
    assert not {"r1", "path_length"} & set(still)


def test_what_evaluation_and_resuming_need_is_in_the_checkpoint() -> None:
    module = unattached()
    module.training_step(batch_of(), 0)
    kept = module.state_dict()
    assert kept["path_mean"] > 0
    assert kept["generator.w_average"].any()


def test_styles_are_mixed_behind_a_layer() -> None:
    module = unattached(mixing=1.0)
    w = module._styles(torch.zeros(64, 3))
    changes = (w[:, 1:] != w[:, :-1]).any(2).sum(1)
    assert changes.tolist() == [1] * 64, "one change of w in each picture"
    assert (module._styles(torch.zeros(0, 3))).shape == (0, module.generator.synthesis.num_ws, 8)
    assert not (unattached(mixing=0.0)._styles(torch.zeros(8, 3)).diff(dim=1)).any()


def test_truncation_pulls_to_the_average_of_the_same_labels() -> None:
    module = unattached(mixing=0.0)
    for _ in range(3):
        module.training_step(batch_of(), 0)
    tags = torch.eye(3)[:2]
    condition = Condition(tags_BT=tags)
    module.settings = StyleGAN2Settings(truncation=0.0)
    centre = module.centre(tags, conditional=True)
    assert not torch.allclose(centre[0], centre[1])
    for part in module.generator.modules():
        if hasattr(part, "noise_strength"):
            torch.nn.init.zeros_(part.noise_strength)
    alone = module.sample(condition, [1, 2])
    assert torch.allclose(alone, module.sample(condition, [3, 4])), "at 0 the seed says nothing"
    assert not torch.allclose(alone[0], alone[1])
    module.settings = StyleGAN2Settings(truncation=0.0, conditional=False)
    everyone = module.sample(condition, [1, 2])
    assert torch.allclose(everyone[0], everyone[1], atol=1e-6)
    module.settings = StyleGAN2Settings(truncation=1.0)
    plain = module.sample(condition, [1, 2])
    assert not torch.allclose(plain, module.sample(condition, [3, 4]))


@pytest.mark.parametrize(
    ("told", "needs", "labels"),
    [
        (Labels.everything, {"tags_BT", "attributes_BA"}, 5),
        (Labels.tags, {"tags_BT"}, 3),
        (Labels.classes, {"attributes_BA"}, 2),
        (Labels.nothing, set(), 0),
    ],
)
def test_what_is_told(told: Labels, needs: set[str], labels: int) -> None:
    module = unattached(labels=told, attribute_sizes=[2], label_dropout=0.5)
    assert module.needs == needs
    assert module.words.logits == labels
    batch = batch_of()
    batch = batch._replace(condition=batch.condition.replace(attributes_BA=torch.tensor([[0], [1], [-1], [1]])))
    module.training_step(batch, 0)
    assert module.sample(batch.condition, [0, 1, 2, 3]).shape == (4, 3, SIZE, SIZE)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("head", [LabelSelectHead(), ProjectionHead(2)], ids=["select", "projection"])
def test_every_step_and_sample_runs_in_either_precision(head: Heads, precision: torch.dtype) -> None:
    """What must not be rounded is not: styles, path lengths and logits are float32 under bfloat16, too."""
    module = unattached(ApartMapping(2), head, path_every=1, r1_every=1, augment=ADA(p=0.5))
    before = copy.deepcopy(module.state_dict())
    with torch.autocast("cpu", precision, enabled=precision is torch.bfloat16):
        scalars = module.training_step(batch_of(), 0)
        assert {"r1", "path_length", "ada_p"} <= set(scalars)
        assert all(value.isfinite() and value.dtype == torch.float32 for value in scalars.values())
        for settings in (StyleGAN2Settings(0.5), StyleGAN2Settings(0.5, conditional=False)):
            module.settings = settings
            assert module.sample(batch_of().condition, [0, 1, 2, 3]).shape == (4, 3, SIZE, SIZE)
        assert module.discriminator(batch_of().image_BCHW, torch.zeros(4, 3)).dtype == torch.float32
    moved = {name for name, part in module.state_dict().items() if not torch.equal(part, before[name])}
    assert {name for name, _ in module.named_parameters()} - moved <= {"generator.mapping.embed.bias"}, "all learn"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channel_base": 8}, "channel_base 8"),
        ({"label_dropout": 2.0}, "model.label_dropout=2.0"),
        ({"mixing": -1.0}, "model.regularisers.mixing=-1.0"),
        ({"mixing": 1.5}, "model.regularisers.mixing=1.5"),
        ({"r1_every": -1}, "model.regularisers.r1_every=-1"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        unattached(**settings)
    with pytest.raises(UserError, match=r"no labels that --model\.labels=classes could tell"):
        unattached(labels=Labels.classes)
    with pytest.raises(UserError, match="image_size is 24"):
        StyleGAN2(24, JoinedMapping(), LabelSelectHead())
