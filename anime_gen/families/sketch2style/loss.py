"""How far styles and pictures are from those that are looked for: float32 scalars."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def negative_log_likelihood(white_BKD: Tensor, mean_BKD: Tensor, log_deviation_BD: Tensor) -> Tensor:
    """-log N(style; mean, deviation^2) for each number of a style, without the constant: 0.5 where nothing is known.

    What a sketch leaves open may be anything at the price of a large deviation; a plain squared error would give the
    same mean, and not say how sure that is.
    """
    away_BKD = (white_BKD - mean_BKD) * (-log_deviation_BD[:, None]).exp()
    return (0.5 * away_BKD.square() + log_deviation_BD[:, None]).mean()


def pyramid_error(made_BCHW: Tensor, image_BCHW: Tensor) -> Tensor:
    """Mean absolute difference over the picture and its halves down to 4 pixels.

    The judge that scores has no part in it. In the small ones a line that is off by a pixel still meets itself.
    """
    errors = [F.l1_loss(made_BCHW, image_BCHW)]
    while made_BCHW.shape[-1] > 4:
        made_BCHW, image_BCHW = F.avg_pool2d(made_BCHW, 2), F.avg_pool2d(image_BCHW, 2)
        errors.append(F.l1_loss(made_BCHW, image_BCHW))
    return sum(errors, start=made_BCHW.new_zeros(())) / len(errors)
