"""Samplers behind one signature: (denoise, levels, noise, shape, callback) -> pictures.

`denoise(x_t, level)` returns the network's x_0 for noisy pictures x_t (B, C, H, W) at one noise level. A sampler gets
its `levels` from a schedule, the picture last, and works for every schedule: most formulas are written for
variance-preserving diffusion in the papers, here for any x_t = a x_0 + s eps. Coefficients are float64, pictures
float32. A sampler may need more evaluations than levels: `levels_for` says how many levels a number of evaluations
pays for, so that all samplers are compared at equal cost.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor

from anime_gen.contract import UserError
from anime_gen.families.diffusion.schedule import Level
from anime_gen.noise import Noise

Denoiser = Callable[[Tensor, Level], Tensor]
Callback = Callable[[Level, Tensor], None]  # at a noise level, the x_0 that the network makes of it


class Sampler(ABC):
    """One way from noise to pictures. All its options are attributes: they are recorded beside every score."""

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({options})"

    def levels_for(self, evaluations: int) -> int:
        """How many noise levels that many evaluations of the network pay for."""
        return evaluations

    def __call__(
        self,
        denoise: Denoiser,
        levels: Sequence[Level],
        noise: Noise,
        shape: tuple[int, ...],
        callback: Callback | None = None,
    ) -> Tensor:
        """Pictures (B, *shape), B the number of streams in `noise`; `callback` sees every x_0 on the way."""
        return self.solve(denoise if callback is None else watched(denoise, callback), levels, noise, shape)

    @abstractmethod
    def solve(self, denoise: Denoiser, levels: Sequence[Level], noise: Noise, shape: tuple[int, ...]) -> Tensor:
        """As a call, but for the callback."""


def watched(denoise: Denoiser, callback: Callback) -> Denoiser:
    """The same, and `callback` is shown what comes of it."""

    def look(x: Tensor, level: Level) -> Tensor:
        x_0 = denoise(x, level)
        callback(level, x_0)
        return x_0

    return look


def start(levels: Sequence[Level], noise: Noise, shape: tuple[int, ...]) -> Tensor:
    """Noise of the first level's size: what is left of the picture there is nothing, or too little to matter."""
    return levels[0].sigma * noise.normal(*shape)


def half_log_snr(level: Level) -> float:
    """lambda = ln(a / s) (Lu et al. 2022): -inf for pure noise, inf for the picture."""
    if level.sigma == 0:
        return math.inf
    return math.log(level.alpha / level.sigma) if level.alpha > 0 else -math.inf


class DDIM(Sampler):
    """Song et al. 2021, eq. 12 and 16. `eta` 0 is deterministic, 1 has the variance of DDPM's posterior."""

    def __init__(self, eta: float = 0.0) -> None:
        if eta < 0:
            raise UserError(f"sampler.eta={eta}: give 0 (no fresh noise) or more; 1 is DDPM")
        self.eta = eta

    def solve(self, denoise: Denoiser, levels: Sequence[Level], noise: Noise, shape: tuple[int, ...]) -> Tensor:
        x = start(levels, noise, shape)
        for here, there in pairwise(levels):
            x_0 = denoise(x, here)
            eps = (x - here.alpha * x_0) / here.sigma
            # What of the noise here came in after the next, cleaner level (eq. 16 in terms of a and s).
            came_in = here.sigma**2 - (here.alpha / there.alpha * there.sigma) ** 2
            deviation = min(self.eta * there.sigma / here.sigma * math.sqrt(max(came_in, 0.0)), there.sigma)
            x = there.alpha * x_0 + math.sqrt(there.sigma**2 - deviation**2) * eps
            if deviation > 0:
                x = x + deviation * noise.normal(*shape)
        return x


class DDPM(DDIM):
    """Ancestral sampling (Ho et al. 2020, algorithm 2, with the posterior variance of eq. 7): DDIM with eta = 1.

    The noise enters with the standard DEVIATION (one thesis prints beta_t z, the variance).
    """

    def __init__(self) -> None:
        super().__init__(eta=1.0)


class Euler(DDIM):
    """Euler's method: for a flow x + (t' - t) u, for EDM x + (sigma' - sigma) dx/dsigma (Karras et al. 2022, eq. 3).

    Deterministic DDIM is this same step wherever a or s is a straight line of the other (Karras et al. 2022, C.4).
    """

    def __init__(self) -> None:
        super().__init__(eta=0.0)


class Heun(Sampler):
    """Heun's second-order method on x / a against sigma / a (Karras et al. 2022, algorithm 1 without churn).

    Two evaluations a step, one in the last, whose end has no slope to measure.
    """

    def levels_for(self, evaluations: int) -> int:
        return (evaluations + 1) // 2

    def solve(self, denoise: Denoiser, levels: Sequence[Level], noise: Noise, shape: tuple[int, ...]) -> Tensor:
        x = start(levels, noise, shape)
        for here, there in pairwise(levels):
            x_0 = denoise(x, here)
            x_euler = there.alpha * x_0 + there.sigma / here.sigma * (x - here.alpha * x_0)
            if there.sigma == 0:
                return x_euler
            if here.alpha == 0:  # sigma / a is infinite: no second slope can mend a step from there
                x = x_euler
                continue
            # The slope of x / a against s / a is (x / a - x_0) / (s / a): the noise, by the names of DDIM.
            slope_here = (x - here.alpha * x_0) / here.sigma
            slope_there = (x_euler - there.alpha * denoise(x_euler, there)) / there.sigma
            slope = 0.5 * (slope_here + slope_there)
            x = there.alpha / here.alpha * (x - here.sigma * slope) + there.sigma * slope
        return x


class DPMSolverPP(Sampler):
    """DPM-Solver++(2M), deterministic, second order (Lu et al. 2022, algorithm 2).

    The first and the last step are of first order: no earlier prediction, and an infinite step in lambda.
    """

    def solve(self, denoise: Denoiser, levels: Sequence[Level], noise: Noise, shape: tuple[int, ...]) -> Tensor:
        x = start(levels, noise, shape)
        x_0_before: Tensor | None = None
        h_before = math.inf
        for here, there in pairwise(levels):
            x_0 = denoise(x, here)
            h = half_log_snr(there) - half_log_snr(here)
            d = x_0
            if x_0_before is not None and math.isfinite(h) and math.isfinite(h_before):
                r = h_before / h
                d = (1 + 0.5 / r) * x_0 - (0.5 / r) * x_0_before
            x = self._step(x, d, here, there, noise)
            x_0_before, h_before = x_0, h
        return x

    def _step(self, x: Tensor, d: Tensor, here: Level, there: Level, noise: Noise) -> Tensor:
        # a' (1 - exp(-h)) = a' - a s' / s, finite at both ends.
        return there.sigma / here.sigma * x + (there.alpha - here.alpha * there.sigma / here.sigma) * d


class SDEDPMSolverPP(DPMSolverPP):
    """SDE-DPM-Solver++(2M) (Lu et al. 2022): fresh noise at every step mends the network's errors."""

    def _step(self, x: Tensor, d: Tensor, here: Level, there: Level, noise: Noise) -> Tensor:
        shrunk = here.alpha * there.sigma / (there.alpha * here.sigma)  # exp(-h)
        x = there.sigma / here.sigma * shrunk * x + there.alpha * (1 - shrunk**2) * d
        if there.sigma == 0:
            return x
        return x + there.sigma * math.sqrt(1 - shrunk**2) * noise.normal(*x.shape[1:])


class UniPC(Sampler):
    """UniPC-2, B(h) = exp(h) - 1, on x_0 (Zhao et al. 2023, algorithms 5 and 6): a corrector follows each predictor.

    The corrector takes the evaluation that the next step needs anyway, so a level costs one evaluation.
    """

    def solve(self, denoise: Denoiser, levels: Sequence[Level], noise: Noise, shape: tuple[int, ...]) -> Tensor:
        x = start(levels, noise, shape)
        x_0 = denoise(x, levels[0])
        x_0_before: Tensor | None = None
        h_before = math.inf
        for here, there in pairwise(levels):
            h = half_log_snr(there) - half_log_snr(here)
            first_order = there.sigma / here.sigma * x + (there.alpha - here.alpha * there.sigma / here.sigma) * x_0
            if there.sigma == 0:
                return first_order
            if not math.isfinite(h):
                x, x_0_before = first_order, None
                x_0, h_before = denoise(x, there), h
                continue
            # x_0 along the step as x_0 + c_1 u + c_2 u^2, u from 0 to 1 in lambda, has the weights
            # integral_0^h exp(tau - h) (tau / h)^k dtau; with one difference only, the paper takes B(h) / 2 for c_1.
            weight_0 = -math.expm1(-h)
            weight_1 = 1 - weight_0 / h
            weight_2 = 1 - 2 * weight_1 / h
            r = -h_before / h
            backward = None if x_0_before is None else (x_0_before - x_0) / r  # c_1 + c_2 r
            predicted = first_order if backward is None else first_order + there.alpha * 0.5 * weight_0 * backward
            x_0_there = denoise(predicted, there)
            forward = x_0_there - x_0  # c_1 + c_2
            if backward is None:
                x = first_order + there.alpha * 0.5 * weight_0 * forward
            else:
                c_2 = (forward - backward) / (1 - r)
                x = first_order + there.alpha * (weight_1 * (forward - c_2) + weight_2 * c_2)
            x_0_before, x_0, h_before = x_0, x_0_there, h
        return x
