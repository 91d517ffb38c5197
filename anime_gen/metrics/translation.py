"""What goes wrong in translations: nothing comes back, light or hues turn over, holes. (One face: diversity.py.)

Inputs that S3's authors and users of CycleGAN complain of, as numbers. Pictures are uint8 (B, 3, H, W).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anime_gen.contract import Condition
from anime_gen.metrics.lab import srgb_to_lab
from anime_gen.metrics.paired import Paired
from anime_gen.metrics.protocol import SIDES, Role, Score


class Named(Score):
    """Another score under `<name>_<ending>`: the same measure of other pictures must not have the same name.

    Args:
        score: what is measured.
        ending: what it is measured of.
    """

    def __init__(self, score: Score, ending: str) -> None:
        super().__init__()
        self.score = score
        self.ending = ending

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"{name}_{self.ending}": way for name, way in self.score.better.items()}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        self.score.update(images, role, condition, truth)

    def compute(self) -> dict[str, Tensor]:
        """As the score that is named."""
        values: dict[str, Tensor] = self.score.compute()
        return {f"{name}_{self.ending}": value for name, value in values.items()}

    def protocol_of(self, name: str) -> dict[str, Any]:
        return self.score.protocol_of(name.removesuffix(f"_{self.ending}"))

    def reset(self) -> None:
        super().reset()
        self.score.reset()

    def reset_all(self) -> None:
        super().reset_all()
        self.score.reset_all()


class CycleError(Paired):
    """`cycle_error`: mean absolute difference between a picture and what comes back of it, in levels of 0 to 255."""

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"cycle_error": False}

    def pairs(self, images: Tensor, truth: Tensor) -> Tensor:
        return (images.double() - truth.double()).abs().flatten(1).mean(1)


def correlates_below_0(images: Tensor, truth: Tensor, channels: slice) -> Tensor:
    """Of which pictures some channels of L*a*b* vary against the truth's, over pixels: (B,) 0 or 1, float64.

    Where one of the two does not vary at all, they do not.
    """
    made_BN, true_BN = (
        (part - part.mean((2, 3), keepdim=True)).flatten(1)
        for part in (srgb_to_lab(pictures)[:, channels] for pictures in (images, truth))
    )
    return ((made_BN * true_BN).sum(1) < 0).double()


class Inverted(Paired):
    """`inverted`: share of translations that are dark where the photo is light: their L* correlates below 0."""

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"inverted": False}

    def pairs(self, images: Tensor, truth: Tensor) -> Tensor:
        return correlates_below_0(images, truth, slice(0, 1))

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "estimator": "correlation of L* over pixels, share below 0"}


class Recoloured(Paired):
    """`recoloured`: share of translations that are green where the photo is red, or blue where it is yellow.

    Their a* and b* together correlate below 0 with its: two hues have changed places, which a distance between domains
    does not see and a way back undoes.
    """

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"recoloured": False}

    def pairs(self, images: Tensor, truth: Tensor) -> Tensor:
        return correlates_below_0(images, truth, slice(1, 3))

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "estimator": "correlation of (a*, b*) over pixels, share below 0"}


class Holes(Score):
    """`holes`: share of pixels that are black or white to within 4 of 255 levels; `holes_real`: of real pictures."""

    held_out: Tensor
    sample: Tensor

    def __init__(self) -> None:
        super().__init__()
        for side in SIDES:
            # Pixels that are, and all pixels.
            self.add_state(side.value, torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"holes": False, "holes_real": None}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role in SIDES:
            burnt = (images.amax(1) < 4) | (images.amin(1) > 251)
            seen: Tensor = getattr(self, role.value)
            # Not in place: the state may have been made in inference mode, the update may come outside of it.
            setattr(self, role.value, seen + seen.new_tensor([float(burnt.sum()), burnt.numel()]))

    def compute(self) -> dict[str, Tensor]:
        """Both shares; one without pictures is left out."""
        shares: dict[str, Tensor] = {"holes": self.sample, "holes_real": self.held_out}
        return {name: part[0] / part[1] for name, part in shares.items() if part[1]}
