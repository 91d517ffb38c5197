"""Features that nothing was trained for: whitened patches of the pictures themselves (Coates, Lee & Ng 2011).

A classifier on these errs in other ways than the tagger does, which is what agreement between them is worth.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Pixels a side of a picture and of a patch, and of the grid over which answers are averaged.
SIZE, PATCH, GRID = 32, 6, 3


class Patches:
    """Patches drawn from some pictures, and the features that they make of any.

    Args:
        image_NCHW: uint8 pictures to draw from.
        count: how many patches.
        seed: of the draw.
    """

    def __init__(self, image_NCHW: Tensor, count: int = 128, seed: int = 0) -> None:
        stream = torch.Generator().manual_seed(seed)
        some = image_NCHW[torch.randint(len(image_NCHW), (200,), generator=stream)]
        columns_NDP = F.unfold(_small(some), PATCH)
        drawn_PD = columns_NDP.transpose(1, 2).reshape(-1, columns_NDP.shape[1])
        drawn_PD = _contrast(drawn_PD[torch.randint(len(drawn_PD), (20_000,), generator=stream)])
        self.mean_D = drawn_PD.mean(0)
        values, vectors = torch.linalg.eigh((drawn_PD - self.mean_D).T.cov())
        # Their section 3.1.2, ZCA whitening.
        self.whiten_DD = vectors @ torch.diag((values.clamp(min=0) + 0.1).rsqrt()) @ vectors.T
        chosen = (drawn_PD[:count] - self.mean_D) @ self.whiten_DD
        self.patches_KD = chosen / chosen.norm(dim=1, keepdim=True)

    def features(self, image_NCHW: Tensor) -> Tensor:
        """(N, 2 * count * GRID^2) of uint8 pictures: how strongly each patch, and its negative, is there, and where."""
        return torch.cat([self._of(batch) for batch in torch.split(image_NCHW, 64)])

    def _of(self, image_BCHW: Tensor) -> Tensor:
        columns_BPD = _contrast(F.unfold(_small(image_BCHW), PATCH).transpose(1, 2))
        answer_BPK = (columns_BPD - self.mean_D) @ (self.whiten_DD @ self.patches_KD.T)
        side = SIZE - PATCH + 1
        answer_BKHW = answer_BPK.transpose(1, 2).unflatten(2, (side, side))
        # Soft threshold of both signs (Coates & Ng 2011).
        both = torch.cat([(answer_BKHW - 0.25).clamp(min=0), (-answer_BKHW - 0.25).clamp(min=0)], 1)
        return F.adaptive_avg_pool2d(both, GRID).flatten(1)


def _small(image_BCHW: Tensor) -> Tensor:
    return F.interpolate(image_BCHW.float() / 255, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)


def _contrast(patches: Tensor) -> Tensor:
    """Each patch with mean colour kept small and deviation near 1: brightness says little, its pattern much.

    The mean stays in by half: hair and eyes are told by their colour.
    """
    mean = patches.mean(-1, keepdim=True)
    return (patches - 0.5 * mean) / (patches.var(-1, keepdim=True) + 0.01).sqrt()
