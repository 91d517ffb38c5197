"""Targets and weightings."""

import math

import pytest
import torch

from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.diffusion import (
    EDM,
    Cosine,
    Diffusion,
    Dropping,
    Epsilon,
    Flow,
    FlowVelocity,
    Linear,
    MinSNR,
    Picture,
    Plain,
    Preconditioned,
    UNet,
    Velocity,
    ZeroTerminalSNR,
)
from anime_gen.families.diffusion.loss import PUPILS, Emphasis, weighted_squared_error
from anime_gen.vocabulary import LANDMARKS

PAIRS = [(Epsilon(), Linear()), (Picture(), ZeroTerminalSNR()), (Velocity(), Cosine()), (FlowVelocity(), Flow()),
         (Preconditioned(), EDM())]  # fmt: skip
IDS = [type(target).__name__ for target, _ in PAIRS]


def noisy(schedule, count=4):
    generator = torch.Generator().manual_seed(0)
    x_0, eps = torch.randn(2, count, 3, 4, 4, dtype=torch.float64, generator=generator)
    t = torch.tensor([0.01, 0.3, 0.6, 0.95][:count], dtype=torch.float64)
    a, s = (scale[:, None, None, None] for scale in schedule.scales(t))
    return x_0, eps, a, s


@pytest.mark.parametrize(("target", "schedule"), PAIRS, ids=IDS)
def test_targets_invert(target, schedule):
    x_0, eps, a, s = noisy(schedule)
    torch.testing.assert_close(target.x_0(target.of(x_0, eps, a, s), a * x_0 + s * eps, a, s), x_0)


@pytest.mark.parametrize(("target", "schedule"), PAIRS, ids=IDS)
def test_gain_is_the_ratio_of_the_errors(target, schedule):
    x_0, eps, a, s = noisy(schedule)
    x_t = a * x_0 + s * eps
    right = target.of(x_0, eps, a, s)
    off = 0.1 * torch.randn_like(right)
    error_of_picture = (target.x_0(right + off, x_t, a, s) - x_0).square().mean(dim=(1, 2, 3), keepdim=True)
    ratio = off.square().mean(dim=(1, 2, 3), keepdim=True) / error_of_picture
    torch.testing.assert_close(ratio, target.gain(a, s).expand_as(ratio))


def test_preconditioning_has_unit_variance_at_every_level():
    """Karras et al. 2022, appendix B.6: for data of that deviation, input and target of F have variance 1."""
    generator = torch.Generator().manual_seed(0)
    target = Preconditioned(0.5)
    for sigma in (0.002, 0.1, 0.5, 3.0, 80.0):
        x_0 = 0.5 * torch.randn(200_000, dtype=torch.float64, generator=generator)
        eps = torch.randn(200_000, dtype=torch.float64, generator=generator)
        a, s = torch.ones(1), torch.tensor([sigma], dtype=torch.float64)
        assert float(target.input(x_0 + sigma * eps, a, s).std()) == pytest.approx(1, abs=0.01)
        assert float(target.of(x_0, eps, a, s).std()) == pytest.approx(1, abs=0.01)


def test_min_snr_weighs_the_picture_the_same_for_every_target():
    """min(SNR, 5) on the error of x_0 (Hang et al. 2023): min(SNR, 5) / SNR on eps, min(SNR, 5) / (SNR + 1) on v."""
    a, s = (scale[:, None, None, None] for scale in Cosine().scales(torch.tensor([0.05, 0.5, 0.9])))
    snr = (a / s).square()
    torch.testing.assert_close(MinSNR()(Picture(), a, s), snr.clamp(max=5))
    torch.testing.assert_close(MinSNR()(Epsilon(), a, s), snr.clamp(max=5) / snr)
    torch.testing.assert_close(MinSNR()(Velocity(), a, s), snr.clamp(max=5) / (snr + 1))
    torch.testing.assert_close(Plain()(Velocity(), a, s), torch.ones_like(a))


def test_the_weight_multiplies_each_picture():
    prediction, target = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    weight = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    assert float(weighted_squared_error(prediction, target, weight)) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("schedule", "target"),
    [(ZeroTerminalSNR(), Epsilon()), (Flow(), Epsilon()), (Flow(), Velocity()), (EDM(), Velocity()),
     (Cosine(), Preconditioned()), (Linear(), FlowVelocity())],
)  # fmt: skip
def test_what_does_not_fit_is_refused(schedule, target):
    with pytest.raises(UserError, match=r"does not go with.*; \w+ goes with"):
        Diffusion(16, schedule=schedule, target=target)


def test_emphasis_is_at_told_pupils_and_nowhere_else():
    points = torch.full((4, len(LANDMARKS), 2), 0.9)
    points[:, PUPILS] = torch.tensor([[0.25 + 1 / 64, 0.5 + 1 / 64], [0.75 + 1 / 64, 0.5 + 1 / 64]])
    points[1, PUPILS[0]] = torch.nan  # one eye is hidden
    points[3] = torch.nan  # nobody knows
    factor = Emphasis(pupils=8, spread=1.5)(points, torch.tensor([True, True, False, True]), 32)
    assert factor.shape == (4, 1, 32, 32)
    # By hand: a Gaussian of 1.5 pixels, 1 + 8 at the pupil itself, two pixels away 1 + 8 exp(-(2 / 1.5)^2 / 2).
    assert float(factor[0, 0, 16, 8]) == pytest.approx(9)
    assert float(factor[0, 0, 16, 26]) == pytest.approx(1 + 8 * math.exp(-((2 / 1.5) ** 2) / 2))
    assert float(factor[0, 0, 28, 28]) == pytest.approx(1), "other landmarks have none"
    assert float(factor[1, 0, 16, 8]) == pytest.approx(1)
    assert float(factor[1, 0, 16, 24]) == pytest.approx(9)
    assert (factor[2:] == 1).all()
    # The same share of a larger picture.
    assert float(Emphasis(pupils=8)(points, torch.ones(4), 64)[0, 0, 32:34, 16:18].mean()) == pytest.approx(9, rel=0.1)


def test_emphasis_changes_what_counts_and_not_what_is_best():
    torch.manual_seed(0)
    target, factor = torch.randn(3, 3, 8, 8), 1 + torch.rand(3, 1, 8, 8)
    found = weighted_squared_error(target + 0.5, target, factor)
    assert float(found) == pytest.approx(0.25 * float(factor.mean()), rel=1e-5)
    assert weighted_squared_error(target, target, factor) == 0


@pytest.mark.parametrize("wrong", [{"pupils": -1.0}, {"spread": 0.0}])
def test_an_emphasis_that_cannot_be_is_refused(wrong):
    with pytest.raises(UserError, match=r"model\.emphasis"):
        Emphasis(**wrong).check()


@pytest.mark.parametrize(("nothing", "counts"), [(0.0, True), (1.0, False)])
def test_a_family_in_training_looks_at_pupils_that_it_is_told(nothing, counts):
    points = torch.rand(6, len(LANDMARKS), 2, generator=torch.Generator().manual_seed(0))
    seen = Condition(landmarks_BK2=points, visible_BK=torch.ones(6, len(LANDMARKS), dtype=torch.bool))
    image = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    losses = []
    for pupils in (0.0, 8.0):
        torch.manual_seed(0)
        module = Diffusion(
            16,
            num_landmarks=len(LANDMARKS),
            network=UNet([16], patch=2, attention=False),
            emphasis=Emphasis(pupils),
            dropping=Dropping(nothing=nothing, subset=0.0),
        )
        torch.manual_seed(1)
        losses.append(module.training_step(Batch(image, seen, torch.arange(6)), 0)["loss"].item())
    assert (losses[1] > 1.1 * losses[0]) is counts
    assert (losses[1] == losses[0]) is not counts
