"""Losses against numbers worked out by hand and known optima; penalties against plain loops in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from anime_gen.blocks.adversarial import (
    DRAGAN,
    R1,
    AdversarialLoss,
    Hinge,
    LeastSquares,
    NonSaturating,
    WassersteinGP,
    dragan_penalty,
    gradient_penalty,
    r1_penalty,
)

GAMES = [NonSaturating(), Hinge(), LeastSquares(), WassersteinGP()]


def softplus(x: float) -> float:
    return math.log(1 + math.exp(x))


@pytest.mark.parametrize(
    ("game", "generator", "discriminator"),
    [
        # Real logits 2 and -1, fake logits 0.5 and -3.
        (
            NonSaturating(),
            (softplus(-0.5) + softplus(3)) / 2,
            (softplus(-2) + softplus(1)) / 2 + (softplus(0.5) + softplus(-3)) / 2,
        ),
        (Hinge(), 1.25, (0 + 2) / 2 + (1.5 + 0) / 2),
        (LeastSquares(), (0.25 + 16) / 4, (1 + 4) / 4 + (0.25 + 9) / 4),
        (WassersteinGP(), 1.25, -1.25 - 0.5),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, AdversarialLoss) else "",
)
def test_losses_by_hand(game: AdversarialLoss, generator: float, discriminator: float) -> None:
    real, fake = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    assert game.generator(fake).item() == pytest.approx(generator)
    assert game.discriminator(real, fake).item() == pytest.approx(discriminator)


@pytest.mark.parametrize("game", GAMES, ids=lambda game: type(game).__name__)
def test_logits_may_have_any_shape(game: AdversarialLoss) -> None:
    """A PatchGAN's map of logits weighs as much as the same numbers in a row."""
    real, fake = torch.randn(2, 3, 1, 4, 4)
    assert game.generator(fake) == pytest.approx(game.generator(fake.flatten()))
    assert game.discriminator(real, fake) == pytest.approx(game.discriminator(real.flatten(), fake.flatten()))


@given(real_share=st.floats(0.05, 0.95))
def test_the_best_discriminator_is_the_papers(real_share: float) -> None:
    """Where a picture is real with probability p, the loss is stationary at the optimal logit of each paper.

    Goodfellow et al. 2014, proposition 1: D = p, so the logit is log(p / (1 - p)). Mao et al. 2017, equation 5 with
    a = 0, b = 1: D = p. Hinge: the loss is linear between -1 and 1, with slope 1 - 2p.
    """

    def slope(game: AdversarialLoss, at: float) -> float:
        logit = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        real, fake = (
            game.discriminator(logit, torch.zeros_like(logit)),
            game.discriminator(torch.zeros_like(logit), logit),
        )
        (gradient,) = torch.autograd.grad(real_share * real + (1 - real_share) * fake, logit)
        return gradient.item()

    assert slope(NonSaturating(), math.log(real_share / (1 - real_share))) == pytest.approx(0, abs=1e-9)
    assert slope(LeastSquares(), real_share) == pytest.approx(0, abs=1e-9)
    assert slope(Hinge(), 0.3) == pytest.approx(1 - 2 * real_share)


def test_at_indifference_the_first_gan_costs_log_four() -> None:
    zero = torch.zeros(3)
    assert NonSaturating().discriminator(zero, zero).item() == pytest.approx(math.log(4))


@pytest.mark.parametrize("game", GAMES, ids=lambda game: type(game).__name__)
def test_both_sides_pull_in_opposite_directions(game: AdversarialLoss) -> None:
    """The generator wants its logits up, the discriminator down; and the generator still does where it is losing."""
    fake = torch.tensor([0.25, 0.5], requires_grad=True)
    (of_generator,) = torch.autograd.grad(game.generator(fake), fake)
    (of_discriminator,) = torch.autograd.grad(game.discriminator(torch.zeros(2), fake), fake)
    assert (of_generator < 0).all()
    assert (of_discriminator > 0).all()
    (sure,) = torch.autograd.grad(game.generator(fake - 20), fake)
    assert (sure.abs() > 0.4).all()


class Small(nn.Module):
    """Smooth, and with a different slope at every picture."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Linear(4 * 3 * 2, 1)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        hidden_BN: Tensor = self.first(image_BCHW).tanh().flatten(1)
        logits_B1: Tensor = self.second(hidden_BN)
        return logits_B1


def squared_norm_by_differences(network: nn.Module, image_CHW: Tensor) -> float:
    """Of the gradient of D at one picture, by central differences over every number of it."""
    total, step = 0.0, 1e-5
    for i in range(image_CHW.numel()):
        bump = torch.zeros_like(image_CHW).flatten()
        bump[i] = step
        bump = bump.view_as(image_CHW)
        with torch.no_grad():
            up, down = network(image_CHW[None] + bump), network(image_CHW[None] - bump)
        total += ((up - down).item() / (2 * step)) ** 2
    return total


def gradient_of(network: nn.Module, value: Callable[[], float]) -> list[float]:
    """d value / d parameter by central differences, for every parameter's first number."""
    slopes, step = [], 1e-4
    for parameter in network.parameters():
        number = parameter.data.view(-1)
        was = number[0].item()
        number[0] = was + step
        up = value()
        number[0] = was - step
        down = value()
        number[0] = was
        slopes.append((up - down) / (2 * step))
    return slopes


@pytest.fixture
def small() -> tuple[Small, Tensor, Tensor]:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 2, 3, 5, 4, dtype=torch.float64)
    return Small().double(), real, fake


def test_gradient_penalty_is_a_loops(small: tuple[Small, Tensor, Tensor]) -> None:
    """Value and gradient. The norm is of the flattened picture: over the channels alone it would be another number."""
    network, real, fake = small

    def by_loop() -> float:
        torch.manual_seed(3)
        share = torch.rand(2, 1, 1, 1, dtype=torch.float64)
        total = 0.0
        for i in range(2):
            between = share[i] * real[i] + (1 - share[i]) * fake[i]
            total += (math.sqrt(squared_norm_by_differences(network, between)) - 1) ** 2
        return total / 2

    torch.manual_seed(3)
    penalty = gradient_penalty(network, real, fake)
    assert penalty.item() == pytest.approx(by_loop(), rel=1e-7)
    gradients = torch.autograd.grad(penalty, list(network.parameters()), allow_unused=True, materialize_grads=True)
    expected = gradient_of(network, by_loop)
    assert [g.flatten()[0].item() for g in gradients] == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_r1_is_a_loops(small: tuple[Small, Tensor, Tensor]) -> None:
    network, real, _ = small

    def by_loop() -> float:
        return sum(squared_norm_by_differences(network, picture) for picture in real) / 2

    penalty = r1_penalty(network, real)
    assert penalty.item() == pytest.approx(by_loop(), rel=1e-7)
    gradients = torch.autograd.grad(penalty, list(network.parameters()), allow_unused=True, materialize_grads=True)
    assert [g.flatten()[0].item() for g in gradients] == pytest.approx(
        gradient_of(network, by_loop), rel=1e-4, abs=1e-7
    )


def test_dragan_is_a_loops(small: tuple[Small, Tensor, Tensor]) -> None:
    """Value and gradient: between nothing and half a deviation away, on one side, one u for each picture."""
    network, real, _ = small
    deviation = float((real - real.mean()).square().sum() / (real.numel() - 1)) ** 0.5

    def by_loop() -> float:
        torch.manual_seed(3)
        share, noise = torch.rand(2, 1, 1, 1, dtype=torch.float64), torch.rand(2, 3, 5, 4, dtype=torch.float64)
        total = 0.0
        for i in range(2):
            near = real[i] + share[i, 0, 0, 0] * 0.5 * deviation * noise[i]
            total += (math.sqrt(squared_norm_by_differences(network, near)) - 1) ** 2
        return total / 2

    torch.manual_seed(3)
    penalty = dragan_penalty(network, real)
    assert penalty.item() == pytest.approx(by_loop(), rel=1e-7)
    gradients = torch.autograd.grad(penalty, list(network.parameters()), allow_unused=True, materialize_grads=True)
    expected = gradient_of(network, by_loop)
    assert [g.flatten()[0].item() for g in gradients] == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_dragan_of_a_linear_critic() -> None:
    """The norm is of the whole flattened picture: of 12 numbers of 0.5 it is sqrt(3); over channels, half of that."""
    weight = torch.full((3, 2, 2), 0.5)
    penalty = dragan_penalty(lambda x: (x * weight).sum((1, 2, 3)), torch.randn(5, 3, 2, 2))
    assert penalty.item() == pytest.approx((math.sqrt(3) - 1) ** 2, rel=1e-5)


def test_gradient_penalty_of_a_linear_critic() -> None:
    """D(x) = w.x has the slope w everywhere, so the penalty is (||w|| - 1)^2: 12 numbers of 0.5 have norm sqrt(3)."""
    weight = torch.full((3, 2, 2), 0.5)
    real, fake = torch.randn(2, 5, 3, 2, 2)
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), real, fake)
    assert penalty.item() == pytest.approx((math.sqrt(3) - 1) ** 2, rel=1e-5)


def test_a_flat_critic_has_a_finite_gradient() -> None:
    """The norm has no derivative at zero: a dead discriminator must not turn into NaN."""
    weight = torch.zeros(3, 2, 2, requires_grad=True)
    real, fake = torch.randn(2, 5, 3, 2, 2)
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), real, fake)
    penalty.backward()
    assert penalty.item() == 1
    assert weight.grad is not None
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize("penalise", [lambda d, x: gradient_penalty(d, x, -x), r1_penalty, dragan_penalty])
def test_penalties_stay_in_float32_under_autocast(penalise: Callable[[nn.Module, Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    network, real = Small(), torch.randn(4, 3, 5, 4)
    torch.manual_seed(1)
    plain = penalise(network, real)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = penalise(network, real.bfloat16().float())
        assert network(real).dtype == torch.bfloat16
    assert mixed.dtype == torch.float32
    torch.manual_seed(1)
    assert mixed == penalise(network, real.bfloat16())  # what autocast hands over is widened, not used as it is
    assert mixed.item() == pytest.approx(plain.item(), rel=0.02)


def test_penalty_is_weighted_or_zero() -> None:
    torch.manual_seed(0)
    network, (real, fake) = Small(), torch.randn(2, 4, 3, 5, 4)
    for game in GAMES[:3]:
        assert game.penalty(network, real, fake).item() == 0
    torch.manual_seed(1)
    heavy = WassersteinGP(weight=7).penalty(network, real, fake)
    torch.manual_seed(1)
    assert heavy.item() == pytest.approx(7 * gradient_penalty(network, real, fake).item())
    torch.manual_seed(1)
    heavy = DRAGAN(weight=7).penalty(network, real, fake)
    torch.manual_seed(1)
    assert heavy.item() == pytest.approx(7 * dragan_penalty(network, real).item())
    assert R1(gamma=6).penalty(network, real, fake).item() == pytest.approx(3 * r1_penalty(network, real).item())


def test_penalties_come_with_the_first_gans_loss() -> None:
    real, fake = torch.randn(2, 5)
    for game in (DRAGAN(), R1()):
        assert game.per_picture
        assert game.generator(fake) == NonSaturating().generator(fake)
        assert game.discriminator(real, fake) == NonSaturating().discriminator(real, fake)


def test_penalties_leave_the_pictures_alone() -> None:
    network, (real, fake) = Small(), torch.randn(2, 4, 3, 5, 4)
    r1_penalty(network, real)
    dragan_penalty(network, real)
    gradient_penalty(network, real, fake)
    assert not real.requires_grad
    assert not fake.requires_grad
