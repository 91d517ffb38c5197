"""Do samples show what their caption says? Read by CLIP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.protocol import SIDES, Role, Score


class ClipScore(Score):
    """100 max(cos, 0) between a picture's and its caption's embedding, mean over pairs (Hessel et al. 2021, eq. 1).

    `<tower>_score` (`clip_score`) is that of samples, `<tower>_score_real` that of real pictures and their captions:
    what a family could reach. The paper's factor of 2.5 is left out, as in torchmetrics. Captions come as `text_BD`,
    which a text tower has read once for the whole data set; where it is None or NaN, nothing was asked.

    Args:
        tower: the image tower of the same model and weights as the text tower.
    """

    def __init__(self, tower: Extractor) -> None:
        super().__init__()
        self.tower = tower
        for side in SIDES:
            self.add_state(f"{side.value}_sum", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
            self.add_state(f"{side.value}_num", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"{self.tower.name}_score": True, f"{self.tower.name}_score_real": None}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        text_BD = condition.text_BD
        if text_BD is None or role not in SIDES:
            return
        if text_BD.shape != (len(images), self.tower.num_features):
            raise UserError(
                f"CLIP score: captions' features are {tuple(text_BD.shape)}, pictures' ({len(images)}, "
                f"{self.tower.num_features}): name the same CLIP model for both as data.text.model"
            )
        asked_B = ~text_BD.isnan().any(1)
        if not asked_B.any():
            return
        pictures_BD = self.tower(images[asked_B.to(images.device)]).double()
        text_BD = text_BD[asked_B].to(pictures_BD)
        values = 100 * cosine_similarity(pictures_BD, text_BD).clamp(min=0)
        # Not in place: the state may have been made in inference mode, the update may come outside of it.
        for name, value in (("sum", values.sum()), ("num", torch.tensor(len(values)))):
            state = f"{role.value}_{name}"
            setattr(self, state, getattr(self, state) + value.to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Both means, of what had a caption."""
        counts = [int(getattr(self, f"{side.value}_num")) for side in SIDES]
        self._sizes = {"num_real": counts[0], "num_fake": counts[1]}
        result = {}
        for name, role in zip(self.names, (Role.SAMPLE, Role.HELD_OUT), strict=True):
            if num := getattr(self, f"{role.value}_num"):
                result[name] = getattr(self, f"{role.value}_sum") / num
        return result

    def protocol(self) -> dict[str, Any]:
        return {**self.tower.protocol(), **super().protocol(), "estimator": "mean of 100 max(cos, 0)"}
