"""What labels and latents are played for, as functions of what a discriminator says. All give float32 scalars.

A label that is not given has no loss and no gradient. A confidence in [0, 1] multiplies the loss of its label; the mean
is still over the given ones, so that doubtful labels pull less.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.contract import at_least_float32


def class_loss(logits_BC: Tensor, class_B: Tensor, confidence_B: Tensor | None = None) -> Tensor:
    """Cross entropy of one exclusive group, mean over the pictures whose class is given (-1: not given).

    The L_C of Odena et al. 2017, equation 3, for one picture set.
    """
    each_B = F.cross_entropy(logits_BC, class_B.clamp(min=0), reduction="none")
    return mean_of_given(each_B, class_B >= 0, confidence_B)


def tag_loss(logits_BT: Tensor, tags_BT: Tensor, confidence_BT: Tensor | None = None) -> Tensor:
    """Binary cross entropy, mean over all tags that are given (NaN: not given), whichever picture's they are."""
    each_BT = F.binary_cross_entropy_with_logits(logits_BT, tags_BT.nan_to_num(0.0), reduction="none")
    return mean_of_given(each_BT, ~tags_BT.isnan(), confidence_BT)


def mean_of_given(each: Tensor, given: Tensor, confidence: Tensor | None) -> Tensor:
    """Sum of losses times confidences over the number of given labels; zero where none is."""
    weight = given.float() if confidence is None else given * confidence
    return (each * weight).sum() / given.sum().clamp(min=1)


def data_to_data_loss(
    embedding_BD: Tensor,
    proxies_CD: Tensor,
    class_B: Tensor,
    confidence_B: Tensor | None = None,
    *,
    positive_margin: float,
    negative_margin: float,
    temperature: float,
) -> Tensor:
    """The data-to-data cross entropy of ReACGAN (Kang et al. 2021, equation 6), mean over pictures with a given class.

    -log(e^(min(f_i.w - m_p, 0) / t) / (e^(min(f_i.w - m_p, 0) / t) + sum_j e^(max(f_i.f_j - m_n, 0) / t))): a picture
    is pulled to the proxy w of its class and pushed from the batch's pictures of other classes, by unit vectors f. Easy
    positives (closer than m_p) and easy negatives (further than m_n) push no more.

    Args:
        embedding_BD: of the pictures; any length.
        proxies_CD: one for each class; any length.
        class_B: -1 not given: neither a positive nor anybody's negative.
        confidence_B: how sure each class is.
        positive_margin: m_p, a cosine.
        negative_margin: m_n, a cosine.
        temperature: t.
    """
    # Not a matrix product, which autocast would round.
    proxy_BD = proxies_CD[class_B.clamp(min=0)]
    pull_B = (F.cosine_similarity(embedding_BD, proxy_BD) - positive_margin).clamp(max=0) / temperature
    cosine_BB = F.cosine_similarity(embedding_BD[:, None], embedding_BD[None], dim=2)
    push_BB = (cosine_BB - negative_margin).clamp(min=0) / temperature
    negative_BB = (class_B[:, None] != class_B) & (class_B >= 0)
    push_BB = push_BB.masked_fill(~negative_BB, -torch.inf)
    each_B = torch.cat([pull_B[:, None], push_BB], dim=1).logsumexp(1) - pull_B
    return mean_of_given(each_B, class_B >= 0, confidence_B)


def mode_seeking_loss(image_BCHW: Tensor, other_BCHW: Tensor, z_BZ: Tensor, other_BZ: Tensor) -> Tensor:
    """How little a picture changes with its latent: the inverse of d(I1, I2) / d(z1, z2), d the mean absolute distance.

    Mao et al. 2019 ("Mode Seeking GANs"), equation 4, maximise the ratio; this is its inverse, as in the authors'
    program, which a generator minimises beside its other losses.

    Args:
        image_BCHW: pictures of z_BZ.
        other_BCHW: pictures of other_BZ under the same conditions, row by row.
    """
    pictures = (at_least_float32(image_BCHW) - at_least_float32(other_BCHW)).abs().mean()
    latents = (at_least_float32(z_BZ) - at_least_float32(other_BZ)).abs().mean()
    return latents / (pictures + 1e-5)
