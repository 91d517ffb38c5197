"""Where the ADA paper's public PyTorch code keeps each tensor, so that its checkpoints can be read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from anime_gen.contract import UserError

# Theirs, and ours for it; blocks are counted below. Their filters are constants of ours.
_CONVOLUTIONS = {"conv0": "first", "conv1": "second", "torgb": "to_rgb", "skip": "skip"}
_PARTS = {"affine.weight": "style.weight", "affine.bias": "style.bias", "noise_const": "noise_HW"}


def _tail(name: str) -> str:
    for theirs, ours in _CONVOLUTIONS.items():
        name = name.replace(f"{theirs}.", f"{ours}.")
    return next((name.removesuffix(theirs) + ours for theirs, ours in _PARTS.items() if name.endswith(theirs)), name)


def generator_name(theirs: str) -> str:
    """What a tensor of their generator is called in `generator.Generator`.

    Raises:
        UserError: there is no such tensor.
    """
    if theirs == "mapping.w_avg":
        return "w_average"
    if match := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", theirs):
        return f"mapping.layers.{match[1]}.{match[2]}"
    if match := re.fullmatch(r"mapping\.embed\.(weight|bias)", theirs):
        return theirs
    if match := re.fullmatch(r"synthesis\.b(\d+)\.(.+)", theirs):
        level = int(match[1]).bit_length() - 3
        return f"synthesis.blocks.{level}." + ("constant" if match[2] == "const" else _tail(match[2]))
    raise _unknown(theirs)


def discriminator_name(theirs: str, image_size: int) -> str:
    """What a tensor of their discriminator is called in `discriminator.Discriminator`.

    Raises:
        UserError: there is no such tensor.
    """
    if match := re.fullmatch(r"b4\.(conv|fc|out)\.(weight|bias)", theirs):
        return {"conv": "convolution", "fc": "dense", "out": "head.out"}[match[1]] + "." + match[2]
    if match := re.fullmatch(r"b\d+\.fromrgb\.(weight|bias)", theirs):
        return f"from_rgb.{match[1]}"
    if match := re.fullmatch(r"b(\d+)\.(.+)", theirs):
        return f"blocks.{image_size.bit_length() - int(match[1]).bit_length()}.{_tail(match[2])}"
    if match := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", theirs):
        return f"head.mapping.layers.{match[1]}.{match[2]}"
    if theirs.startswith("mapping.embed."):
        return f"head.{theirs}"
    raise _unknown(theirs)


def _unknown(name: str) -> UserError:
    return UserError(
        f"import: the tensor {name} belongs to no network of stylegan2-ada-pytorch's layout (skip generator, residual "
        "discriminator); give a checkpoint of that code"
    )


def generator_state(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their generator's state dict as ours."""
    return {generator_name(name): value for name, value in theirs.items() if not name.endswith("resample_filter")}


def discriminator_state(theirs: Mapping[str, Tensor], image_size: int) -> dict[str, Tensor]:
    """Their discriminator's state dict as ours."""
    kept = {name: value for name, value in theirs.items() if not name.endswith("resample_filter")}
    return {discriminator_name(name, image_size): value for name, value in kept.items()}
