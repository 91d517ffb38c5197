"""Samplers against Gaussian data, where the exact denoiser is known."""

import itertools
import math

import pytest
import torch

from anime_gen.contract import Noise, UserError
from anime_gen.families.diffusion import DDIM, DDPM, Cosine, DiffusionSettings, DPMSolverPP, Linear, Sampler, Schedule

MEAN, DEVIATION = 0.3, 0.25


def exact_denoiser(schedule):
    """E[x_0 | x_t] for x_0 ~ N(MEAN, DEVIATION^2): the regression of x_0 on x_t."""

    def denoise(x, t):
        bar = float(schedule.alpha_bar[t])
        gain = math.sqrt(bar) * DEVIATION**2 / (bar * DEVIATION**2 + 1 - bar)
        return MEAN + gain * (x - math.sqrt(bar) * MEAN)

    return denoise


def moments(sampler: Sampler, schedule: Schedule, steps: int, count: int = 64) -> tuple[float, float]:
    x = sampler(exact_denoiser(schedule), schedule, Noise(range(count)), (3, 16, 16), steps)
    return float(x.mean()), float(x.std())


@pytest.mark.parametrize("schedule", [Linear(), Cosine()], ids=["linear", "cosine"])
@pytest.mark.parametrize(
    ("sampler", "steps"), [(DDPM(), 1000), (DDIM(), 500), (DPMSolverPP(), 200)], ids=["ddpm", "ddim", "dpm++"]
)
def test_reaches_the_data_distribution(sampler, schedule, steps):
    mean, deviation = moments(sampler, schedule, steps)
    # 49,152 numbers: standard errors of 0.0011 and 0.0008. The last step gives the mean of what the cleanest level
    # leaves open, so the deviation is a little low.
    assert mean == pytest.approx(MEAN, abs=0.005)
    assert deviation == pytest.approx(DEVIATION, abs=0.007)


def exact_flow(schedule: Schedule, x: torch.Tensor, t: int) -> torch.Tensor:
    """Where the probability-flow ODE takes x_t at t = 0: Gaussians map linearly."""
    bar = float(schedule.alpha_bar[t])
    return MEAN + DEVIATION * (x - math.sqrt(bar) * MEAN) / math.sqrt(bar * DEVIATION**2 + 1 - bar)


@pytest.mark.parametrize(("sampler", "order"), [(DDIM(), 1), (DPMSolverPP(), 2)], ids=["ddim", "dpm++"])
def test_converges_at_its_order(sampler, order):
    """A quarter of the step's length divides the error of the ODE's solution by 4^order.

    The steps lie evenly in half the log-SNR, the variable in which both solvers' orders are stated.
    """

    class Even(Schedule):
        def _alpha_bar(self):
            half_log_snr = torch.linspace(3.0, -3.0, self.timesteps, dtype=torch.float64)
            return torch.sigmoid(2 * half_log_snr)

    def error(steps: int) -> float:
        schedule = Even(960)
        seen = []
        denoise = exact_denoiser(schedule)

        def record(x, t):
            seen.append((x, t))
            return denoise(x, t)

        sampler(record, schedule, Noise(range(4)), (3, 8, 8), steps)
        start, last = seen[0], seen[-1]
        exact = exact_flow(schedule, start[0], start[1])
        # The last step jumps to a noiseless picture, outside the grid: compare before it, mapped on exactly.
        return float((exact_flow(schedule, last[0], last[1]) - exact).abs().max())

    coarse, fine = error(60), error(240)
    assert math.log(coarse / fine, 4) == pytest.approx(order, abs=0.1)


def test_trailing_spacing_starts_at_the_noisiest_step():
    schedule = Cosine()
    for steps in (1, 7, 20, 50, 999, 1000):
        times = schedule.trailing(steps)
        assert times[0] == 999
        assert len(times) == steps
        assert all(later < earlier for earlier, later in itertools.pairwise(times))
        assert times[-1] >= 0
    with pytest.raises(UserError, match=r"steps=1001.*at most as many"):
        schedule.trailing(1001)


def test_settings_tell_samplers_apart():
    said = {repr(DiffusionSettings(sampler=sampler)) for sampler in (DDIM(), DDIM(0.9), DDPM(), DPMSolverPP())}
    assert len(said) == 4


def test_alpha_bar_is_the_product_of_alphas():
    beta = [1e-4 + (0.02 - 1e-4) * t / 999 for t in range(1000)]
    product = 1.0
    for value in beta:
        product *= 1 - value
    assert float(Linear().alpha_bar[-1]) == pytest.approx(product, rel=1e-9)
    assert float(Linear().alpha_bar[0]) == pytest.approx(1 - 1e-4)
    cosine = Cosine().alpha_bar
    assert bool((cosine[1:] < cosine[:-1]).all())
    assert 0 < float(cosine[-1]) < 1e-6


def test_ddpm_noise_enters_with_the_standard_deviation():
    """With x_0 known exactly, one step of DDPM has the posterior's mean and deviation (Ho et al., eq. 7)."""
    schedule = Linear()
    state = {}

    def denoise(x, t):
        state.setdefault("x", []).append(x)
        return torch.full_like(x, MEAN)

    DDPM()(denoise, schedule, Noise(range(64)), (3, 16, 16), 1000)
    t = 500
    before, after = state["x"][999 - t], state["x"][1000 - t]
    bar, bar_next = float(schedule.alpha_bar[t]), float(schedule.alpha_bar[t - 1])
    beta = 1 - bar / bar_next
    mean = math.sqrt(bar_next) * beta / (1 - bar) * MEAN + math.sqrt(1 - beta) * (1 - bar_next) / (1 - bar) * before
    assert float((after - mean).std()) == pytest.approx(math.sqrt((1 - bar_next) / (1 - bar) * beta), rel=0.02)


@pytest.mark.parametrize("sampler", [DDPM(), DDIM(), DDIM(eta=0.5), DPMSolverPP()])
def test_each_picture_has_its_own_noise(sampler):
    schedule = Cosine()
    together = sampler(exact_denoiser(schedule), schedule, Noise([5, 6, 7]), (3, 4, 4), 10)
    alone = sampler(exact_denoiser(schedule), schedule, Noise([6]), (3, 4, 4), 10)
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=0)
