"""What a translation is played for beside looking real. All are scalars, means over pictures and numbers, float32."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.contract import at_least_float32


def cycle_loss(image_BCHW: Tensor, back_BCHW: Tensor) -> Tensor:
    """|F(G(x)) - x|: mean absolute difference. Zhu et al. 2017, equation 2, for one direction."""
    return F.l1_loss(at_least_float32(back_BCHW), at_least_float32(image_BCHW))


def identity_loss(image_BCHW: Tensor, same_BCHW: Tensor) -> Tensor:
    """|G(y) - y| of a picture that is already of the target domain. Zhu et al. 2017, section 5.2."""
    return F.l1_loss(at_least_float32(same_BCHW), at_least_float32(image_BCHW))


def landmark_loss(seen_BK2: Tensor, wanted_BK2: Tensor) -> Tensor:
    """Mean distance between landmarks, in picture sides.

    Wu et al. 2019's L_c compares heat maps by an L2 norm; the distance of the maps' centres has a slope where two
    Gaussians of a few pixels do not overlap any more.
    """
    distance_BK: Tensor = torch.linalg.vector_norm(at_least_float32(seen_BK2) - at_least_float32(wanted_BK2), dim=-1)
    return distance_BK.mean()


def linear_decay(done: float, constant: float) -> float:
    """Factor of the learning rate: 1 for the share `constant` of a run, then down a line to 0 at its end.

    Zhu et al. 2017, section 4: 100 epochs and 100 epochs. A function of the share of images that are done, so that a
    resumed run goes on where it was.
    """
    return 1.0 if done <= constant else max(0.0, (1 - done) / (1 - constant))
