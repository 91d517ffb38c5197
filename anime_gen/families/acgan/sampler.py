"""What a user leaves open, drawn as it occurs together with what was asked.

A generator has seen few faces of which next to nothing is told: after 76,800 pictures at 32 px, "blue hair, smile" and
nothing else of 65 labels gave blue hair over smeared faces. So an open label is taken from a face of the training data.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anime_gen.blocks.labels import Words
from anime_gen.noise import Noise


def completed(code_BL: Tensor, remembered_NL: Tensor, words: Words, noise: Noise) -> Tensor:
    """Fills what is not given with the labels of one of those remembered faces that agree with most of what is.

    Which of them, each picture's own stream says. What the chosen face's labels leave open stays open.

    Args:
        code_BL: labels asked for, as `labels.code` writes them.
        remembered_NL: labels of training faces.
        words: of the data.
        noise: a stream for each row.
    """
    agreeing_BN = code_BL @ remembered_NL.T  # a whole number where labels are
    chosen_B = (agreeing_BN + noise.normal(len(remembered_NL)).sigmoid()).argmax(1)
    return torch.where(given(code_BL, words), code_BL, remembered_NL[chosen_B])


def given(code_BL: Tensor, words: Words) -> Tensor:
    """Which places of a code belong to a label that is given: (B, words.codes) bool."""
    *groups, present_BT, absent_BT = torch.split(
        code_BL, [*words.attribute_sizes, words.num_tags, words.num_tags], dim=1
    )
    parts = [(one_hot_BC > 0).any(1, keepdim=True).expand_as(one_hot_BC) for one_hot_BC in groups]
    told_BT = present_BT + absent_BT > 0
    return torch.cat([*parts, told_BT, told_BT], dim=1)
