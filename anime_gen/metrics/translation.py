"""What goes wrong in translations: nothing comes back, lightness turns over, holes, and one face for everybody.

Inputs that S3's authors and users of CycleGAN complain of, as numbers. Pictures are uint8 (B, 3, H, W).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.diversity import nearest_other, thinned
from anime_gen.metrics.features import Extractor
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


class Inverted(Paired):
    """`inverted`: share of translations that are dark where the photo is light: their L* correlates below 0 with its.

    Where one of the two has no contrast at all, nothing is inverted.
    """

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"inverted": False}

    def pairs(self, images: Tensor, truth: Tensor) -> Tensor:
        lights = (srgb_to_lab(pictures)[:, 0].flatten(1) for pictures in (images, truth))
        made_BN, photo_BN = (light - light.mean(1, keepdim=True) for light in lights)
        return ((made_BN * photo_BN).sum(1) < 0).double()

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "estimator": "correlation of L* over pixels, share below 0"}


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


class NearDuplicates(Score):
    """`near_duplicates_<extractor>`: share of samples that have another sample nearer than real pictures have.

    Nearer than 99 % of the real pictures have another real one: of real pictures it is 0.01. S3's authors counted such
    outputs by eye (40 % of unseen photos). Both sides are thinned to the same number, since of more pictures the
    nearest is nearer.
    """

    def __init__(self, extractor: Extractor, at_most: int = 4096) -> None:
        super().__init__()
        self.extractor = extractor
        self.at_most = at_most
        for side in SIDES:
            self.add_state(side.value, [], dist_reduce_fx="cat")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"near_duplicates_{self.extractor.name}": False}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role in SIDES:
            getattr(self, role.value).append(self.extractor(images).flatten())

    def compute(self) -> dict[str, Tensor]:
        """The share. Raises: UserError: fewer than two pictures on a side."""
        real_ND, made_ND = (self._rows(side.value, self.extractor.num_features) for side in SIDES)
        count = min(len(real_ND), len(made_ND), self.at_most)
        if count < 2:
            raise UserError(f"near duplicates are seen among at least 2 pictures, got {count}: score more pictures")
        self._sizes = {"num_real": len(real_ND), "num_fake": len(made_ND)}
        usual = nearest_other(thinned(real_ND, count)).quantile(0.01)
        return {self.names[0]: (nearest_other(thinned(made_ND, count)) < usual).double().mean()}

    def protocol(self) -> dict[str, Any]:
        estimator = "euclidean, nearest other sample below the 1st percentile of real pictures'"
        return {**self.extractor.protocol(), **super().protocol(), "at_most": self.at_most, "estimator": estimator}
