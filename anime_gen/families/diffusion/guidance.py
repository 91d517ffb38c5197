"""Which conditions the network is told: explicit joint dropping in training, one scale for each in sampling."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from anime_gen.blocks.labels import partly_hidden
from anime_gen.conditions import KINDS, Condition
from anime_gen.contract import UserError

# Kind to whether the network is told it of each picture, (B,) bool; where it is not, a learned null stands in.
type Active = Mapping[str, Tensor]


class Dropping(NamedTuple):
    """How often the network is told less than everything, as explicit states.

    Dropping each condition on its own would make the state that guidance subtracts, nothing told, rare: 1 % at 10 %
    for each of two, next to nothing for five. The rest of the probability tells everything.

    Args:
        nothing: probability that nothing is told.
        subset: that each kind is told or not by the toss of a coin.
        words: share of the pictures of which a random part of the tags and classes is hidden, so that a few words can
            be asked for without saying all the others.
    """

    nothing: float = 0.1
    subset: float = 0.25
    words: float = 0.5

    def check(self) -> None:
        """Raises UserError unless the states are probabilities that sum to at most 1."""
        if min(self) < 0 or self.nothing + self.subset > 1 or self.words > 1:
            raise UserError(f"model.dropping: probabilities must be >= 0 and sum to at most 1, not {self}")

    def draw(self, kinds: Sequence[str], batch: int, device: torch.device) -> Active:
        """One state for each picture."""
        u_B1 = torch.rand(batch, 1, device=device)
        coins_BK = torch.rand(batch, len(kinds), device=device) < 0.5
        everything_B1 = u_B1 >= self.nothing + self.subset
        active_BK = (u_B1 >= self.nothing) & (coins_BK | everything_B1)
        return dict(zip(kinds, active_BK.unbind(1), strict=True))

    def hide_words(self, condition: Condition) -> Condition:
        """Hides a random part of the tags and classes of a share of the pictures."""
        has_words = condition.tags_BT is not None or condition.attributes_BA is not None
        return partly_hidden(condition, self.words) if has_words else condition


type Scales = float | Mapping[str, float]


def scales(guidance: Scales) -> dict[str, float]:
    """The scale of each kind, from one number for all or a mapping of kind to number (1 where unnamed).

    Raises:
        UserError: a kind is unknown.
    """
    if not isinstance(guidance, Mapping):
        return dict.fromkeys(KINDS, float(guidance))
    unknown = set(guidance) - set(KINDS)
    if unknown:
        raise UserError(f"guidance: {sorted(unknown)} unknown; give one number, or some of {', '.join(KINDS)}")
    return {kind: float(guidance.get(kind, 1.0)) for kind in KINDS}


def branches(kinds: frozenset[str], guidance: Scales) -> list[tuple[frozenset[str], float]]:
    """What to tell the network, and the weight of each answer: the weights sum to 1.

    Nested as in Brooks et al. 2023 (InstructPix2Pix), eq. 3, the tightest kind first:
    p() + s_1 (p(1) - p()) + s_2 (p(1, 2) - p(1)) + ... Scale 1 is the plain conditional prediction, 0 the unconditional
    one. Branches whose weight is 0 are left out: one scale for all kinds costs two evaluations, and 1 costs one.

    Args:
        kinds: those that somebody asked for.
        guidance: see `scales`.
    """
    of = scales(guidance)
    active: frozenset[str] = frozenset()
    nested = [(active, 1.0)]
    for kind in reversed(list(KINDS)):
        if kind in kinds:
            active = active | {kind}
            outer, weight = nested[-1]
            nested[-1] = (outer, weight - of[kind])
            nested.append((active, of[kind]))
    return [(active, weight) for active, weight in nested if weight != 0]


def guided(
    predict: Callable[[Active, int], Tensor],
    kinds: Iterable[str],
    batch: int,
    guided_by: list[tuple[frozenset[str], float]],
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Classifier-free guidance (Ho & Salimans 2022) in one batched pass over all branches.

    Args:
        predict: (what is active in copies * B rows, copies) -> predictions (copies * B, C, H, W) of the B pictures
            repeated `copies` times.
        kinds: all that the network may be told.
        batch: B.
        guided_by: see `branches`.

    Returns:
        The guided prediction, and that of the branch that is told most.
    """
    active = {
        kind: torch.tensor([kind in state for state, _ in guided_by], device=device).repeat_interleave(batch)
        for kind in kinds
    }
    predictions = predict(active, len(guided_by)).float().chunk(len(guided_by))
    weighted = [weight * part for (_, weight), part in zip(guided_by, predictions, strict=True)]
    return torch.stack(weighted).sum(0), predictions[-1]


def rescaled(x_0: Tensor, plain: Tensor, share: float) -> Tensor:
    """Guidance raises the contrast; this takes a share of that back (Lin et al. 2024, eq. 15 and 16, on x_0).

    Args:
        x_0: the guided prediction (B, C, H, W).
        plain: the conditional one.
        share: their phi; 0 leaves `x_0`, 1 gives it the standard deviation of `plain`, for each picture.
    """
    deviation, wanted = (picture.std(dim=(1, 2, 3), keepdim=True) for picture in (x_0, plain))
    return x_0 * (share * wanted / deviation.clamp(min=1e-6) + 1 - share)
