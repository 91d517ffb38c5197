"""What the tagger learns from: labels that are rare, partly not given, and not all equally sure."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.contract import Condition
from anime_gen.tagging.network import Seen

# A picture has some sixteen times as much to say by its tags as by one of its classes.
TAG_WEIGHT = 16.0


def asymmetric(
    logits: Tensor, present: Tensor, gamma_present: float = 0.0, gamma_absent: float = 0.0, margin: float = 0.0
) -> Tensor:
    """The asymmetric loss (Ben-Baruch et al. 2021, equations 5 to 7), of each entry.

    The many absent tags that are easily seen to be absent count for little, and nothing below the margin.

    Args:
        logits, present: of one shape; 1 present, 0 absent.
        gamma_present, gamma_absent: focusing; 0 with margin 0 is plain binary cross entropy. That is the default: in
            the few minutes that a tagger has on one core, none of the focused ones tried had a better mean average
            precision, nor a better one of rare tags by more than chance.
        margin: taken off an absent tag's probability.
    """
    p = logits.sigmoid()
    shifted = (p - margin).clamp(min=0)
    for_present = (1 - p) ** gamma_present * F.logsigmoid(logits)
    # Without a margin, logsigmoid is the exact form of log(1 - p).
    log_absent = F.logsigmoid(-logits) if margin == 0 else torch.log1p(-shifted.clamp(max=1 - 1e-6))
    for_absent = shifted**gamma_absent * log_absent
    return -torch.where(present > 0.5, for_present, for_absent)


def weighted_mean(each: Tensor, given: Tensor, confidence: Tensor) -> Tensor:
    """Mean over the given labels, each weighing as much as it is sure. Scalar; 0 where none is given.

    An AC-GAN divides by how many are given instead, so that doubtful labels pull less against its game. Here nothing
    stands beside the labels: what counts is their weight among each other, and a batch of doubtful ones is no shorter a
    step.
    """
    weight = confidence.where(given, 0.0)
    return (each * weight).sum() / weight.sum().clamp(min=1e-6)


def weighted_tag_loss(logits_BT: Tensor, tags_BT: Tensor, confidence_BT: Tensor, **focus: float) -> Tensor:
    """The asymmetric loss, `weighted_mean` over tags and pictures.

    Args:
        tags_BT: 1, 0, NaN not given.
        confidence_BT: in [0, 1].
        focus: of `asymmetric`.
    """
    loss_BT = asymmetric(logits_BT, tags_BT.nan_to_num(0.0), **focus)
    return weighted_mean(loss_BT, ~tags_BT.isnan(), confidence_BT)


def weighted_class_loss(logits_BC: Tensor, class_B: Tensor, confidence_B: Tensor) -> Tensor:
    """Cross entropy with smoothed labels, `weighted_mean` over pictures; a class below 0 is not given."""
    loss_B = F.cross_entropy(logits_BC, class_B.clamp(min=0), reduction="none", label_smoothing=0.05)
    return weighted_mean(loss_B, class_B >= 0, confidence_B)


def training_loss(seen: Seen, condition: Condition, **focus: float) -> Tensor:
    """Tags and groups together; labels without a confidence are sure. Scalar.

    Args:
        focus: of `asymmetric`.
    """
    total = seen.features_BD.sum() * 0.0
    if condition.tags_BT is not None:
        sure = condition.tag_confidence_BT
        sure_BT = torch.ones_like(condition.tags_BT) if sure is None else sure
        total = total + TAG_WEIGHT * weighted_tag_loss(seen.tag_logits_BT, condition.tags_BT, sure_BT, **focus)
    if condition.attributes_BA is not None:
        sure = condition.attribute_confidence_BA
        sure_BA = torch.ones_like(condition.attributes_BA, dtype=torch.float32) if sure is None else sure
        for group, logits_BC in enumerate(seen.class_logits):
            total = total + weighted_class_loss(logits_BC, condition.attributes_BA[:, group], sure_BA[:, group])
    return total
