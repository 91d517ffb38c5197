"""Samplers against Gaussian data, where the exact denoiser and the exact way of the ODE are known.

On Gaussian data every sampler is an affine map of the noise that it draws. The tests read that map off with unit
vectors instead of noise: mean and covariance of its pictures follow without a statistical error.
"""

import itertools
import math

import pytest
import torch

from anime_gen.contract import UserError
from anime_gen.families.diffusion import (
    DDIM,
    DDPM,
    EDM,
    Cosine,
    DiffusionSettings,
    DPMSolverPP,
    Euler,
    Flow,
    Heun,
    Linear,
    SDEDPMSolverPP,
    UniPC,
    ZeroTerminalSNR,
)
from anime_gen.families.diffusion.schedule import Level
from anime_gen.noise import Noise

# Pictures of three numbers, 3 x 1 x 1.
MEAN = torch.tensor([0.3, -0.5, 0.1], dtype=torch.float64)
COVARIANCE = torch.tensor([[0.10, 0.04, 0.00], [0.04, 0.20, -0.05], [0.00, -0.05, 0.06]], dtype=torch.float64)
SCHEDULES = [Linear(), Cosine(), ZeroTerminalSNR(), EDM(), Flow()]
SAMPLERS = [DDPM(), DDIM(), DDIM(0.5), Euler(), Heun(), DPMSolverPP(), SDEDPMSolverPP(), UniPC()]
names = lambda things: [str(type(thing).__name__) for thing in things]  # noqa: E731


def marginal(level: Level) -> torch.Tensor:
    """Covariance of x_t."""
    return level.alpha**2 * COVARIANCE + level.sigma**2 * torch.eye(3, dtype=torch.float64)


def denoise(x, level):
    """E[x_0 | x_t]: the regression of x_0 on x_t."""
    gain = level.alpha * COVARIANCE @ torch.linalg.inv(marginal(level))
    return (MEAN + (x[..., 0, 0] - level.alpha * MEAN) @ gain.T)[..., None, None]


class Units(Noise):
    """Instead of noise: nothing in picture 0, and in each draw a unit vector in three of the others."""

    def __init__(self, draws: int) -> None:
        super().__init__(range(3 * draws + 1))
        self.drawn = 0

    def normal(self, *shape):
        x = torch.zeros(len(self), 3, dtype=torch.float64)
        x[1 + 3 * self.drawn : 4 + 3 * self.drawn] = torch.eye(3, dtype=torch.float64)
        self.drawn += 1
        return x[..., None, None]


def affine(sampler, levels):
    """(mean (3,), maps (draws, 3, 3)) of what a sampler makes: x = mean + sum of map_i^T z_i."""
    units = Units(len(levels))
    x = sampler(denoise, levels, units, (3, 1, 1))[..., 0, 0]
    return x[0], (x[1:] - x[0]).reshape(-1, 3, 3)


def moments(sampler, levels):
    mean, maps = affine(sampler, levels)
    return mean, (maps.transpose(1, 2) @ maps).sum(0)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=names(SCHEDULES))
@pytest.mark.parametrize("sampler", SAMPLERS, ids=[repr(sampler) for sampler in SAMPLERS])
def test_reaches_the_data_distribution(sampler, schedule):
    errors = []
    for evaluations in (50, 200, 1000):
        mean, covariance = moments(sampler, schedule.levels(sampler.levels_for(evaluations)))
        errors.append(
            float(torch.cat([(mean - MEAN).abs().flatten(), (covariance - COVARIANCE).abs().flatten()]).max())
        )
    # What stays is the schedule's: before the first level, Linear and EDM have a little of the picture left.
    assert errors[2] < 0.004
    assert errors[2] <= errors[0]


def process(kind: str, lam: float) -> Level:
    """The level with ln(alpha / sigma) = lam of three kinds of processes."""
    ratio = math.exp(-lam)  # sigma / alpha
    alpha = {"variance preserving": 1 / math.hypot(1, ratio), "exploding": 1.0, "straight": 1 / (1 + ratio)}[kind]
    return Level(0.0, alpha, ratio * alpha)


def even(kind: str, steps: int) -> list[Level]:
    """Levels even in lambda, the variable in which the solvers' orders are stated, with no jump to the picture."""
    return [process(kind, -3 + 6 * i / steps) for i in range(steps + 1)]


@pytest.mark.parametrize("kind", ["variance preserving", "exploding", "straight"])
@pytest.mark.parametrize(
    ("sampler", "order"),
    [(DDIM(), 1), (Euler(), 1), (Heun(), 2), (DPMSolverPP(), 2), (UniPC(), 3)],
    ids=["ddim", "euler", "heun", "dpm++", "unipc"],
)
def test_solves_the_ode_at_its_order(sampler, order, kind):
    """Half the step divides the error of mean and covariance by 2^order (UniPC-2 with its corrector: 3)."""

    def root(matrix):
        values, vectors = torch.linalg.eigh(matrix)
        return vectors @ values.sqrt().diag() @ vectors.T

    def error(steps):
        levels = even(kind, steps)
        first, last = levels[0], levels[-1]
        mean, maps = affine(sampler, levels)
        # Along the ODE (x - a mean) / sqrt(covariance of x_t) stays what it is.
        way = root(marginal(last)) @ torch.linalg.inv(root(marginal(first)))
        exact_mean = last.alpha * MEAN - way @ (first.alpha * MEAN)
        exact_covariance = first.sigma**2 * way @ way.T
        off = [(mean - exact_mean).abs().max(), (maps[0].T @ maps[0] - exact_covariance).abs().max()]
        return [float(one) for one in off]

    for coarse, fine in zip(error(80), error(160), strict=True):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.25)


@pytest.mark.parametrize(("sampler", "order"), [(DDPM(), 1), (SDEDPMSolverPP(), 2)], ids=["ddpm", "sde-dpm++"])
def test_the_variance_of_fresh_noise_converges(sampler, order):
    def error(steps):
        levels = [process("variance preserving", -8 + 11 * i / steps) for i in range(steps + 1)]
        _, covariance = moments(sampler, levels)
        return float((covariance - marginal(levels[-1])).abs().max())

    assert math.log2(error(200) / error(400)) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=names(SCHEDULES))
@pytest.mark.parametrize("sampler", SAMPLERS, ids=[repr(sampler) for sampler in SAMPLERS])
def test_steps_count_evaluations(sampler, schedule):
    calls = []

    def count(x, level):
        calls.append(level)
        return denoise(x, level)

    for evaluations in (1, 2, 9, 20):
        calls.clear()
        levels = schedule.levels(sampler.levels_for(evaluations))
        x = sampler(count, levels, Units(len(levels)), (3, 1, 1))
        assert bool(x.isfinite().all())
        # Heun has no second evaluation in its last step, nor in a first one from pure noise.
        assert evaluations - 2 <= len(calls) <= evaluations
        assert all(level.sigma > 0 for level in calls), "the picture itself is never denoised"


@pytest.mark.parametrize("schedule", SCHEDULES[:3], ids=names(SCHEDULES[:3]))
def test_trailing_spacing_starts_at_the_noisiest_level(schedule):
    """Lin et al. 2024: "leading" spacing never starts at T, and with zero terminal SNR that shows."""
    for steps in (1, 7, 20, 50, 999, 1000):
        levels = schedule.levels(steps)
        assert levels[0].noise_label == 999
        assert levels[0].sigma == pytest.approx(float((1 - schedule.alpha_bar[-1]).sqrt()))
        assert len(levels) == steps + 1
        told = [level.noise_label for level in levels[:-1]]
        assert all(later < earlier for earlier, later in itertools.pairwise(told))
        assert levels[-1][1:] == (1.0, 0.0)
    with pytest.raises(UserError, match=r"steps=1001.*at most as many"):
        schedule.levels(1001)


def test_every_level_can_be_asked_for():
    """t = i / T is level i, for every i: no rounding skips one."""
    for timesteps in (1000, 999, 250, 7):
        schedule = Cosine(timesteps)
        t = torch.arange(timesteps, dtype=torch.float64) / timesteps
        assert schedule.noise_label(t).tolist() == pytest.approx([i * 1000 / timesteps for i in range(timesteps)])
        torch.testing.assert_close(schedule.scales(t)[0].square(), schedule.alpha_bar)


def test_alpha_bar_is_the_product_of_alphas():
    product = 1.0
    for i in range(1000):
        product *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999)
    assert float(Linear().alpha_bar[-1]) == pytest.approx(product, rel=1e-9)
    assert float(Linear().alpha_bar[0]) == pytest.approx(1 - 1e-4)
    cosine = Cosine().alpha_bar
    assert bool((cosine[1:] < cosine[:-1]).all())
    assert 0 < float(cosine[-1]) < 1e-6


def test_zero_terminal_snr_keeps_the_first_level_and_ends_in_noise():
    rescaled = ZeroTerminalSNR().alpha_bar
    assert float(rescaled[-1]) == 0
    assert float(rescaled[0]) == pytest.approx(float(Linear().alpha_bar[0]))
    assert bool((rescaled[1:] < rescaled[:-1]).all())


def test_training_times_have_their_distribution():
    u = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    logs = EDM().scales(EDM().training_times(u))[1].log()
    assert float(logs.mean()) == pytest.approx(-1.2, abs=1e-3)
    assert float(logs.std()) == pytest.approx(1.2, abs=1e-3)
    t = Flow().training_times(u)
    assert float(t.logit().std()) == pytest.approx(1.0, abs=1e-3)
    torch.testing.assert_close(Flow(deviation=0).training_times(u), u)
    sigmas = [level.sigma for level in EDM().levels(10)[:-1]]
    assert sigmas[0] == pytest.approx(80.0)
    assert sigmas[-1] == pytest.approx(0.002)
    roots = [sigma ** (1 / 7) for sigma in sigmas]
    assert roots[0] - roots[1] == pytest.approx(roots[-2] - roots[-1])


def test_ddpm_noise_enters_with_the_standard_deviation():
    """One step has the posterior's mean and deviation (Ho et al., eq. 7; one thesis prints the variance)."""
    alpha_bar = Linear().alpha_bar
    bar, bar_next = float(alpha_bar[500]), float(alpha_bar[499])
    levels = [Level(0, math.sqrt(bar), math.sqrt(1 - bar)), Level(0, math.sqrt(bar_next), math.sqrt(1 - bar_next))]
    x_0 = 0.3
    x = DDPM()(lambda x, level: torch.full_like(x, x_0), levels, Units(2), (3, 1, 1))[..., 0, 0]
    beta = 1 - bar / bar_next
    assert float(x[0, 0]) == pytest.approx(math.sqrt(bar_next) * beta / (1 - bar) * x_0)
    gain = math.sqrt(1 - beta) * (1 - bar_next) / (1 - bar)
    assert float(x[1, 0] - x[0, 0]) == pytest.approx(gain * math.sqrt(1 - bar))
    assert float(x[4, 0] - x[0, 0]) == pytest.approx(math.sqrt((1 - bar_next) / (1 - bar) * beta))


def test_settings_tell_samplers_apart():
    said = {repr(DiffusionSettings(sampler=sampler)) for sampler in SAMPLERS}
    assert len(said) == len(SAMPLERS)


@pytest.mark.parametrize("sampler", SAMPLERS, ids=[repr(sampler) for sampler in SAMPLERS])
def test_each_picture_has_its_own_noise(sampler):
    levels = Cosine().levels(sampler.levels_for(10))
    blur = lambda x, level: 0.5 * x.clamp(-1, 1)  # noqa: E731
    together = sampler(blur, levels, Noise([5, 6, 7]), (3, 4, 4))
    alone = sampler(blur, levels, Noise([6]), (3, 4, 4))
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=0)
