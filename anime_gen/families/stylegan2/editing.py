"""Walks in the space of styles: mixing, between two faces, along a tag, and back from a picture to its style.

Styles are (B, L, W): one w for each of L layers, the coarse ones first. With the same w for all layers they lie in W,
otherwise in W+ (Abdal et al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.contract import Condition, StyleSpace
from anime_gen.noise import normal

type Mapping = Callable[[Tensor, Tensor], Tensor]


def mixed(coarse_BLW: Tensor, fine_BLW: Tensor, layers: Iterable[int]) -> Tensor:
    """The first styles, but for these layers, which are the others' (Karras et al. 2019, section 3.1)."""
    chosen_L = torch.zeros(coarse_BLW.shape[1], dtype=torch.bool, device=coarse_BLW.device)
    chosen_L[list(layers)] = True
    return torch.where(chosen_L[:, None], fine_BLW, coarse_BLW)


def between(first_LW: Tensor, last_LW: Tensor, count: int) -> Tensor:
    """`count` styles on the line from one to the other, both included: (count, L, W)."""
    share_N11 = torch.linspace(0, 1, count, device=first_LW.device)[:, None, None]
    return first_LW.lerp(last_LW, share_N11)


def direction(mapping: Mapping, without_L: Tensor, with_L: Tensor, width: int, latents: int = 1024) -> Tensor:
    """Where w goes when labels change, (W,): the mean of mapping(z, with) - mapping(z, without) over the same latents.

    A conditional mapping network knows its tags' directions; nothing has to be searched or classified.

    Args:
        mapping: (z_BZ, label_BL) -> w_BW.
        without_L: labels before.
        with_L: labels after.
        width: of z.
        latents: z that are averaged over, always the same ones.
    """
    z_NZ = normal(latents, width, generator=torch.Generator().manual_seed(0)).to(without_L.device)
    there, here = (mapping(z_NZ, label_L.expand(latents, -1)).mean(0) for label_L in (with_L, without_L))
    return there - here


class Projected(NamedTuple):
    """A picture's style, what it makes, and how far that is from the picture."""

    w_1LD: Tensor
    image_1CHW: Tensor
    loss: float


def distance(made_BCHW: Tensor, wanted_BCHW: Tensor) -> Tensor:
    """Mean absolute difference over the picture and its halves down to 4 pixels, a scalar.

    Stands in for the paper's perceptual distance, whose weights have to be fetched. The small ones lead the way, where
    a face that is off by some pixels still overlaps itself.
    """
    total = F.l1_loss(made_BCHW, wanted_BCHW)
    levels = 1
    while made_BCHW.shape[-1] > 4:
        made_BCHW, wanted_BCHW = F.avg_pool2d(made_BCHW, 2), F.avg_pool2d(wanted_BCHW, 2)
        total = total + F.l1_loss(made_BCHW, wanted_BCHW)
        levels += 1
    return total / levels


def project(
    space: StyleSpace,
    image_1CHW: Tensor,
    condition: Condition,
    plus: bool = False,
    steps: int = 500,
    lr: float = 0.1,
) -> Iterator[Projected]:
    """Searches the style whose picture is nearest to a given one (Karras et al. 2020b, section 5 and appendix D).

    Begins at the mean style of what is told; early steps look around with noise as large as a twentieth of the styles'
    deviation, which is gone after three quarters. Noise maps stay silent, so that there is none to regularise: they
    would paint the picture themselves.

    Args:
        space: not changed.
        image_1CHW: what is looked for, in [-1, 1].
        condition: what is told of it, one row.
        plus: look in W+, where every layer has a style of its own: nearer, and less of a face.
        steps: of Adam.
        lr: its rate at its height; it rises over the first twentieth and falls over the last quarter.

    Yields:
        After every step the nearest so far.
    """
    stream = torch.Generator().manual_seed(0)
    mean_LD, deviation_LD = space.moments(condition, 1)
    deviation = deviation_LD[0].square().sum().sqrt()
    w_1KD = mean_LD[None, : None if plus else 1].clone().requires_grad_()
    adam = torch.optim.Adam([w_1KD], lr)
    best: Projected | None = None
    for step in range(steps):
        done = step / steps
        adam.param_groups[0]["lr"] = lr * min(1.0, done / 0.05 + 1 / steps, (1 - done) / 0.25)
        noise_1KD = normal(*w_1KD.shape, generator=stream).to(w_1KD.device)
        away = 0.05 * deviation * max(0.0, 1 - done / 0.75) ** 2
        w_1LD = (w_1KD + away * noise_1KD).expand(-1, space.num_layers, -1)
        made_1CHW = space.synthesise(w_1LD)
        loss = distance(made_1CHW, image_1CHW)
        if best is None or loss.item() < best.loss:
            best = Projected(w_1LD.detach().clone(), made_1CHW.detach().clamp(-1, 1), loss.item())
        (w_1KD.grad,) = torch.autograd.grad(loss, w_1KD)
        adam.step()
        yield best
