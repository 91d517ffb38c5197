"""Every normal number of the suite is drawn here, so that a seed means the same numbers on every processor.

torch's own do not: the same generator gives other float32 normals with AVX2 than without it (38 % of them, by up to
1e-6), and `uniform_(a, b)` other ones in its last bit, because multiply-and-add is rounded once on some processors and
twice on others. A GAN's game amplifies that to another run. What agrees everywhere is torch's integers, `rand`,
`randperm` and `bernoulli`, and NumPy's normals: its ziggurat (Marsaglia and Tsang 2000) is one multiplication of a
random integer by a number from a table, whatever the processor. They are drawn in float64 and rounded.

Imports nothing else of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


def normal(*shape: int, device: torch.device | str | None = None, generator: torch.Generator | None = None) -> Tensor:
    """Standard normal numbers, (*shape), in torch's default float type, with the values of float32.

    They are a function of the state of torch's generator, which moves on by one integer. On an accelerator they are
    that accelerator's own, for copying them there would cost more than drawing: use `Noise` for what must be the same
    everywhere.

    Args:
        shape: of what is drawn.
        device: where it is wanted; None: torch's default device.
        generator: a stream on the CPU; None: torch's global one, or the accelerator's.
    """
    where = torch.get_default_device() if device is None else torch.device(device)
    if where.type != "cpu" and generator is None:
        return torch.randn(shape, device=where)
    seed = torch.randint(2**63 - 1, (), generator=generator, device="cpu")
    return _standard_normal(np.random.default_rng(int(seed)), shape).to(where, torch.get_default_dtype())


def normal_like(x: Tensor) -> Tensor:
    """Standard normal numbers of the shape, type and device of `x`; the values do not depend on its memory format."""
    return normal(*x.shape, device=x.device).to(x.dtype)


@torch.no_grad()
def normal_(x: Tensor, mean: float = 0.0, std: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Fills `x` with N(mean, std^2), in place, and returns it."""
    # Two operations: as one, processors round them differently.
    return x.copy_(normal(*x.shape, device=x.device, generator=generator)).mul_(std).add_(mean)


@torch.no_grad()
def uniform_(x: Tensor, low: float = 0.0, high: float = 1.0, generator: torch.Generator | None = None) -> Tensor:
    """Fills `x` with numbers from [low, high), in place, and returns it."""
    return x.copy_(torch.rand(x.shape, device=x.device, generator=generator)).mul_(high - low).add_(low)


def _standard_normal(stream: np.random.Generator, shape: Sequence[int]) -> Tensor:
    return torch.from_numpy(np.asarray(stream.standard_normal(shape))).float()


# How far a picture near another one leads away from it: the share of the variance that is its own.
APART = 0.25


class Near(NamedTuple):
    """A seed whose numbers are like another's, standard normal still: its picture is a variation of the other's."""

    origin: int
    seed: int  # which way


type Seed = int | Near


class Stream:
    """The normal numbers of one seed."""

    def __init__(self, seed: Seed) -> None:
        origin, *ways = seed if isinstance(seed, Near) else (seed,)
        self._origin = np.random.default_rng(int(origin))
        self._ways = [np.random.default_rng(int(way)) for way in ways]

    def normal(self, shape: Sequence[int]) -> Tensor:
        """The next ones, (*shape), float32."""
        numbers = _standard_normal(self._origin, shape)
        for way in self._ways:
            numbers = numbers * (1 - APART) ** 0.5 + _standard_normal(way, shape) * APART**0.5
        return numbers


class Noise:
    """One random stream per picture, so that picture i depends on seed i and on nothing beside it.

    The streams live on the CPU: the same seed draws the same numbers on every device (the idea of EDM's stacked
    generators) and every processor. A sampler may draw as often as it likes; each draw goes on in every stream.
    """

    def __init__(self, seeds: Sequence[Seed], device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self._streams = [Stream(seed) for seed in seeds]

    def __len__(self) -> int:
        return len(self._streams)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, (B, *shape), float32."""
        return torch.stack([stream.normal(shape) for stream in self._streams]).to(self.device)


class SameFirstWeights(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within, networks are given the same first weights on every processor.

    Layers, torch's and others', fill their weights with `uniform_`, `normal_`, `randn` and what is made of those; here
    these are ours. Weights are made on the CPU.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in RANDN:
            generator = kwargs.pop("generator", None)
            x = torch.empty(args[0], **kwargs)
            return normal_(x, generator=generator) if x.device.type == "cpu" else x.normal_(generator=generator)
        if func in IN_PLACE and args[0].device.type == "cpu":
            return IN_PLACE[func](*args, **kwargs)
        return func(*args, **kwargs)


IN_PLACE: dict[Any, Callable[..., Tensor]] = {
    torch.ops.aten.normal_.default: normal_,
    torch.ops.aten.uniform_.default: uniform_,
}
RANDN = {torch.ops.aten.randn.default, torch.ops.aten.randn.generator}
