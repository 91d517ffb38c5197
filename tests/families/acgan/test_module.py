"""The training step, who is told and judged by what, and the promise of `sample`."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anime_gen.blocks.adversarial import DRAGAN, R1, Hinge, NonSaturating
from anime_gen.blocks.labels import code
from anime_gen.blocks.layers import Norm
from anime_gen.conditions import joined
from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.acgan.game import AuxiliaryClassifier, Concatenation, DataToData, Game, Projection
from anime_gen.families.acgan.module import ACGAN
from anime_gen.families.acgan.network import Networks, Residual, Strided

GAMES: list[Game] = [AuxiliaryClassifier(), DataToData(width=8), Projection(), Concatenation(8, 16)]


def unattached(
    game: Game | None = None, networks: Networks | None = None, image_size: int = 16, **settings: Any
) -> ACGAN:
    """A module whose `training_step` works without a trainer."""
    torch.manual_seed(0)
    settings = {"loss": NonSaturating(), "num_tags": 3, "attribute_sizes": [4, 2], "label_width": 6} | settings
    module = ACGAN(image_size, networks or Strided(4), game or AuxiliaryClassifier(), z_dim=8, **settings)
    optimizers = module.configure_optimizers()
    module.optimizers = lambda: optimizers  # type: ignore[method-assign, assignment, return-value]
    module.manual_backward = lambda loss: loss.backward()  # type: ignore[method-assign]
    module.all_gather = lambda data: data  # type: ignore[method-assign, assignment]
    return module


def labels_of(rows: int) -> Condition:
    stream = torch.Generator().manual_seed(6)
    return Condition(
        tags_BT=torch.randint(0, 2, (rows, 3), generator=stream).float(),
        attributes_BA=torch.stack([torch.arange(rows) % 4, torch.arange(rows) // 2 % 2], 1),
    )


def batch_of(rows: int = 6, size: int = 16, labels: Condition | None = None) -> Batch:
    stream = torch.Generator().manual_seed(5)
    pictures = torch.rand(rows, 3, size, size, generator=stream) * 2 - 1
    return Batch(pictures, labels or labels_of(rows), torch.arange(rows))


@pytest.mark.parametrize("game", GAMES, ids=lambda game: type(game).__name__)
@pytest.mark.parametrize(
    "settings",
    [
        {"networks": Strided(4, norm=Norm.batch)},
        {"networks": Strided(4), "loss": Hinge(), "spectral_norm": True},
        {"networks": Residual(4, 2, 4), "loss": DRAGAN()},
        {"networks": Strided(4, norm=Norm.layer), "loss": R1()},
    ],
    ids=["batchnorm", "spectral", "residual", "r1"],
)
def test_every_game_trains_both_networks(game: Game, settings: dict[str, Any]) -> None:
    module = unattached(game, **settings)
    before = copy.deepcopy(module.state_dict())
    with torch.autocast("cpu", torch.bfloat16):
        scalars = module.training_step(batch_of(), 0)
    assert all(torch.isfinite(value) and not value.requires_grad for value in scalars.values())
    assert {value.dtype for value in scalars.values()} == {torch.float32}
    assert (scalars["penalty"] > 0) == settings.get("loss", NonSaturating()).per_picture
    still = [name for name, value in module.named_parameters() if torch.equal(before[name], value)]
    # A block that begins as x has no gradient behind its last layer yet.
    still = [name for name in still if ".first." not in name]
    # A bias in front of a norm over the plane moves nothing but by rounding.
    assert all("bias" in name for name in still), still


def test_the_losses_are_those_of_the_pictures_they_name() -> None:
    """A discriminator that reads one pixel: what it says of real pictures has nothing of made ones, and vice versa."""
    scalars = []
    for real, fake in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)):
        module = unattached(label_dropout=0.0)
        module.discriminator.features = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 128))
        module.generator.trunk = Constant(fake)
        torch.manual_seed(1)
        batch = batch_of()._replace(image_BCHW=torch.full((6, 3, 16, 16), real))
        torch.nn.init.normal_(module.discriminator.features[1].weight, generator=torch.Generator().manual_seed(0))
        scalars.append(module.training_step(batch, 0))
    plain, other_real, other_fake = scalars
    assert plain["labels_real"] == other_fake["labels_real"] != other_real["labels_real"]
    assert plain["labels_fake"] == other_real["labels_fake"] != other_fake["labels_fake"]


class Constant(nn.Module):
    """A generator's trunk that draws one grey, whatever it is told."""

    def __init__(self, grey: float) -> None:
        super().__init__()
        self.grey = nn.Parameter(torch.tensor(grey))

    def forward(self, latent_BN: Tensor) -> Tensor:
        return self.grey.expand(len(latent_BN), 3, 16, 16)


class Spy(nn.Module):
    """A head of the auxiliary classifier that keeps the labels it is asked about."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head
        self.asked: dict[str, Condition] = {}
        self.seen: list[Condition] = []

    def forward(self, features_BF: Tensor, told: Condition) -> Tensor:
        self.seen.append(told)
        logits_B: Tensor = self.head(features_BF, told)
        return logits_B

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("of_"):
            return super().__getattr__(name)

        def loss(features_BF: Tensor, labels: Condition) -> Tensor:
            self.asked[name] = labels
            value: Tensor = getattr(self.head, name)(features_BF, labels)
            return value

        return loss


def test_real_pictures_are_judged_by_their_labels_and_made_ones_by_what_was_asked() -> None:
    module = unattached(label_dropout=0.0)
    told: list[Tensor] = []
    module.generator.register_forward_pre_hook(lambda _, inputs: told.append(inputs[1]))
    spy = Spy(module.discriminator.head)
    module.discriminator.head = spy  # type: ignore[assignment]
    batch = batch_of(16)
    module.training_step(batch, 0)
    (asked,) = told
    assert spy.asked["of_real"] is batch.condition
    assert torch.equal(code(spy.asked["of_fake"], module.words), asked)
    assert torch.equal(code(spy.asked["of_generator"], module.words), asked)
    real = code(batch.condition, module.words)
    assert not torch.equal(asked, real)
    assert sorted(asked.tolist()) == sorted(real.tolist()), "rows of the data, in another order"
    for condition, expected in zip(spy.seen, (real, asked, asked), strict=True):
        assert torch.equal(code(condition, module.words), expected)


def test_some_labels_are_hidden_from_both_sides_but_no_loss_of_real_ones() -> None:
    module = unattached(label_dropout=1.0)
    spy = Spy(module.discriminator.head)
    module.discriminator.head = spy  # type: ignore[assignment]
    batch = batch_of(64)
    module.training_step(batch, 0)
    of_real, of_fake, _ = (code(condition, module.words).sum(1) for condition in spy.seen)
    assert 0.3 < of_real.mean() / 5 < 0.7
    assert 0.3 < of_fake.mean() / 5 < 0.7
    assert spy.asked["of_real"] is batch.condition
    assert spy.asked["of_fake"] is spy.seen[1], "nobody is blamed for what was not asked"


@pytest.mark.parametrize("game", GAMES, ids=lambda game: type(game).__name__)
def test_unknown_labels_are_no_hindrance(game: Game) -> None:
    none = Condition(tags_BT=torch.full((6, 3), torch.nan), attributes_BA=torch.full((6, 2), -1))
    scalars = unattached(game).training_step(batch_of(labels=none), 0)
    assert all(torch.isfinite(value) for value in scalars.values())
    assert scalars["labels_real"] == scalars["labels_fake"] == scalars["labels_generator"] == 0


def test_confidences_weigh_real_labels_only() -> None:
    plain, weighed = unattached(label_dropout=0.0), unattached(label_dropout=0.0, weigh_labels=True)
    assert plain.needs == {"tags_BT", "attributes_BA"}
    assert weighed.needs == plain.needs | {"tag_confidence_BT", "attribute_confidence_BA"}
    sure = {"tag_confidence_BT": torch.full((6, 3), 0.25), "attribute_confidence_BA": torch.full((6, 2), 0.25)}
    torch.manual_seed(1)
    before = plain.training_step(batch_of(), 0)
    torch.manual_seed(1)
    after = weighed.training_step(batch_of(labels=labels_of(6).replace(**sure)), 0)
    assert after["labels_real"].item() == pytest.approx(before["labels_real"].item() / 4)
    assert after["labels_fake"] == before["labels_fake"]
    only_tags = unattached(weigh_labels=True, attribute_sizes=None)
    assert only_tags.needs == {"tags_BT", "tag_confidence_BT"}


def test_the_generators_step_works_out_no_gradient_for_the_discriminator() -> None:
    module = unattached()
    after_its_step: list[Tensor] = []
    _, of_discriminator = module.optimizers()  # type: ignore[misc]
    of_discriminator.register_step_post_hook(
        lambda *_: after_its_step.extend(p.grad.clone() for p in module.discriminator.parameters())
    )
    module.training_step(batch_of(), 0)
    for gradient, parameter in zip(after_its_step, module.discriminator.parameters(), strict=True):
        assert parameter.grad is not None
        assert torch.equal(gradient, parameter.grad)
        assert parameter.requires_grad


@pytest.mark.parametrize("networks", [Strided(4), Residual(4, 1, 2)], ids=["strided", "residual"])
@pytest.mark.parametrize("size", [16, 32])
def test_a_picture_depends_on_its_condition_and_seed_alone(networks: Networks, size: int) -> None:
    module = unattached(networks=networks, image_size=size)
    module.chunk = 4
    condition, seeds = labels_of(5), [3, 1, 4, 15, 9]
    together = module.sample(condition, seeds)
    assert together.shape == (5, 3, size, size)
    two = module.sample(condition.rows(torch.tensor([4, 1])), [9, 1])
    torch.testing.assert_close(two, together[[4, 1]], rtol=0, atol=1e-5)  # products of matrices round by row
    assert not torch.allclose(module.sample(condition, [seed + 50 for seed in seeds]), together)
    assert condition.tags_BT is not None
    other = condition.replace(tags_BT=1 - condition.tags_BT)
    mixed = joined([other.rows(slice(2)), condition.rows(slice(2, None))])
    changed = (module.sample(mixed, seeds) != together).flatten(1).any(1)
    assert changed.tolist() == [True, True, False, False, False]


def test_mode_seeking_pulls_the_generator_alone() -> None:
    """One step with and without: the discriminator's weights agree, the generator's do not."""
    with_it, without = unattached(mode_seeking=1.0), unattached()
    without.load_state_dict(with_it.state_dict())
    for module in (with_it, without):
        torch.manual_seed(1)
        scalars = module.training_step(batch_of(), 0)
        assert ("alike_generator" in scalars) == bool(module.mode_seeking)
    same = [torch.equal(a, b) for a, b in zip(with_it.parameters(), without.parameters(), strict=True)]
    names = [name for name, _ in with_it.named_parameters()]
    changed = {name.split(".")[0] for name, equal in zip(names, same, strict=True) if not equal}
    assert changed == {"generator"}


def test_a_picture_does_not_depend_on_leftover_statistics() -> None:
    module = unattached()
    module.training_step(batch_of(), 0)
    clean = module.sample(labels_of(2), [1, 2])
    for layer in module.generator.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            layer.running_mean.fill_(3)
    assert torch.equal(module.sample(labels_of(2), [1, 2]), clean)


def test_statistics_are_those_of_the_labels_it_was_trained_on() -> None:
    module, batch = unattached(label_dropout=0.0), batch_of()
    assert not module.generator.remembered_NL.any()
    module.training_step(batch, 0)
    remembered = module.generator.remembered_NL
    assert sorted(remembered[:6].tolist()) == sorted(code(batch.condition, module.words).tolist())
    assert not remembered[6:].any()
    module.training_step(batch_of(300), 0)
    assert remembered.shape == (256, module.words.codes)
    assert (remembered.sum(1) == 5).all(), "the oldest went"
    before = module.sample(labels_of(2), [1, 2])
    remembered[:, :4] = torch.eye(4)[0]  # everybody's hair was of the first colour
    assert not torch.equal(module.sample(labels_of(2), [1, 2]), before)
    assert "generator.remembered_NL" in module.state_dict()


def test_sampling_leaves_the_global_stream() -> None:
    module = unattached()
    before = torch.get_rng_state()
    module.sample(labels_of(1), [1])
    assert torch.equal(torch.get_rng_state(), before)
    assert module.generator.training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": DRAGAN(), "networks": Strided(4, norm=Norm.batch)}, "penalty cannot go with BatchNorm .*norm=none"),
        ({"loss": R1(), "networks": Strided(4, norm=Norm.batch)}, "penalty cannot go with BatchNorm"),
        ({"num_tags": 0, "attribute_sizes": []}, "no tags and no classes"),
        ({"label_dropout": 1.5}, "model.label_dropout=1.5: give a share"),
        ({"mode_seeking": -1.0}, "model.mode_seeking=-1.0: give a weight"),
        ({"label_width": 0}, "model.label_width=0"),
        ({"image_size": 48}, "image_size is 48"),
        ({"image_size": 48, "networks": Residual()}, "image_size is 48"),
    ],
)
def test_refusals_are_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        unattached(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "networks", [Strided(4), Strided(4, pool=True), Residual(4, 1, 2)], ids=["strided", "pooled", "residual"]
)
@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
def test_every_size(networks: Networks, size: int) -> None:
    pictures = networks.generator(10, size)(torch.randn(2, 10))
    assert pictures.shape == (2, 3, size, size)
    assert pictures.abs().max() <= 1
    looks = networks.features(size)
    assert looks.network(pictures).shape == (2, looks.width)


def test_pooled_features_do_not_say_where() -> None:
    """The sum over the places of what the same network would keep apart."""
    torch.manual_seed(0)
    apart, pooled = Strided(4).features(32), Strided(4, pool=True).features(32)
    pooled.network.load_state_dict(apart.network.state_dict())
    picture = torch.randn(2, 3, 32, 32)
    expected = apart.network(picture).view(2, pooled.width, 16).sum(2)
    torch.testing.assert_close(pooled.network(picture), expected)


def test_residual_features_are_as_loud_as_the_picture() -> None:
    """However deep: nothing but the first weights sees to it, where there is no BatchNorm."""
    torch.manual_seed(0)
    for size in (32, 128):
        loud = Residual(discriminator_width=8).features(size).network(torch.randn(8, 3, size, size)).std()
        assert 0.3 < loud < 3


def test_impossible_networks_are_refused() -> None:
    with pytest.raises(UserError, match="blocks 0"):
        Residual(blocks=0)
    with pytest.raises(UserError, match="width is 64 and max_width 32"):
        unattached(networks=Strided(64, 32))


def test_jins_sizes() -> None:
    """At 128 px: 16 x 16 x 64, 16 blocks, three pixel shuffles, 9 x 9; then 32 ... 1024 channels and 10 blocks."""
    networks = Residual()
    generator = networks.generator(162, 128)
    dense = [layer for layer in generator.modules() if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in dense] == [(162, 64 * 16 * 16)]
    convolutions = [layer for layer in generator.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 2 * 16 + 3 + 1
    assert convolutions[-1].kernel_size == (9, 9)
    looks = networks.features(128)
    convolutions = [layer for layer in looks.network.modules() if isinstance(layer, nn.Conv2d)]
    assert [c.out_channels for c in convolutions if c.stride == (2, 2)] == [32, 64, 128, 256, 512, 1024]
    assert len([c for c in convolutions if c.stride == (1, 1)]) == 2 * 10
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in looks.network.modules())
    assert looks.network(torch.randn(1, 3, 128, 128)).shape == (1, looks.width) == (1, 4096)
