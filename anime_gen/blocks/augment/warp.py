"""Pictures moved: exactly, pixel by pixel, or along any (3, 3) matrix with next to no aliasing.

Karras et al. 2020, appendix B. Beyond its border a picture goes on mirrored, without end; the outermost pixels are the
mirrors' axes. The paper pads instead, by what the batch's wildest draw needs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from anime_gen.blocks.augment.wavelets import MIDDLE, downsampling, mirrored, upsampling

BILINEAR, REFLECTION = 0, 2  # as ATen numbers them


def blit(image_BCNN: Tensor, mirror_B: Tensor, turns_B: Tensor, shift_B2: Tensor) -> Tensor:
    """Pixel blitting: mirrors, then turns, then shifts, without touching a value.

    Args:
        image_BCNN: square pictures.
        mirror_B: bool, left and right change places.
        turns_B: int64, quarter-turns counter-clockwise as the picture is seen (those of `torch.rot90`).
        shift_B2: int64, pixels to the right and downwards.
    """
    side = image_BCNN.shape[-1]
    # Twice the distance to the middle, so that it is whole for an even side, too.
    centred = 2 * torch.arange(side, device=image_BCNN.device) - (side - 1)
    x_B1N = centred[None, None, :] - 2 * shift_B2[:, 0, None, None]
    y_BN1 = centred[None, :, None] - 2 * shift_B2[:, 1, None, None]
    cosine_B11 = ((turns_B == 0).long() - (turns_B == 2).long())[:, None, None]
    sine_B11 = ((turns_B == 1).long() - (turns_B == 3).long())[:, None, None]
    from_x_BNN = cosine_B11 * x_B1N - sine_B11 * y_BN1
    from_y_BNN = sine_B11 * x_B1N + cosine_B11 * y_BN1
    from_x_BNN = torch.where(mirror_B[:, None, None], -from_x_BNN, from_x_BNN)
    column_BNN, row_BNN = (mirrored((place + side - 1) // 2, side) for place in (from_x_BNN, from_y_BNN))
    from_B1P = (row_BNN * side + column_BNN).flatten(1)[:, None]
    return image_BCNN.flatten(2).gather(2, from_B1P.expand(-1, image_BCNN.shape[1], -1)).view_as(image_BCNN)


def warp(image_BCNN: Tensor, inverse_B33: Tensor) -> Tensor:
    """Y(x_o) = X(G^-1 x_o): upsampled twofold by SYM6, looked up bilinearly, downsampled by SYM6.

    Exact where the matrix moves by whole pixels and nothing is mirrored; there the filters undo each other. What is
    mirrored is the upsampled picture, which costs no more however far the matrix reaches; the filter is not quite
    symmetric, so there the result differs a little from that of mirrored pixels.

    Args:
        image_BCNN: square pictures.
        inverse_B33: G^-1, in pixels, about the picture's middle: from where a place takes its colour.
    """
    side = image_BCNN.shape[-1]
    half = (side - 1) / 2
    kind = (side, image_BCNN.dtype, image_BCNN.device)
    up, down = upsampling(*kind), downsampling(*kind)
    fine_BCMM = up @ image_BCNN @ up.T
    to_P = (torch.arange(down.shape[1], dtype=image_BCNN.dtype, device=image_BCNN.device) - MIDDLE) / 2 - half
    # In the units of `grid_sampler_2d`: -1 and 1 are the outermost pixels. Sums rather than a matrix product, which
    # some accelerators round to ten bits.
    entry_B3311 = (inverse_B33.to(image_BCNN.dtype) / half)[..., None, None]
    from_BPP = [
        (entry_B3311[:, axis, 0] * to_P + entry_B3311[:, axis, 2]) + entry_B3311[:, axis, 1] * to_P[:, None]
        for axis in (0, 1)
    ]
    moved_BCPP = look_up(fine_BCMM, torch.stack(from_BPP, dim=-1))
    return down @ moved_BCPP @ down.T


def look_up(image_BCHW: Tensor, place_BPQ2: Tensor) -> Tensor:
    """Bilinear look-up with mirrors at the border, differentiable as often as you like with respect to the picture.

    torch's `grid_sample` has no second derivative. It is linear in the picture, so its derivative is its transpose,
    and that one's derivative is the look-up again.

    Args:
        image_BCHW: pictures.
        place_BPQ2: (x, y), -1 and 1 are the outermost pixels' centres; a constant.

    Returns:
        (B, C, P, Q).
    """
    return _LookUp.apply(image_BCHW, place_BPQ2)


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image_BCHW: Tensor, place_BPQ2: Tensor) -> Tensor:
        ctx.save_for_backward(place_BPQ2)
        ctx.shape = image_BCHW.shape
        return torch.ops.aten.grid_sampler_2d(image_BCHW, place_BPQ2, BILINEAR, REFLECTION, True)

    @staticmethod
    def backward(ctx: Any, gradient_BCPQ: Tensor) -> tuple[Tensor, None]:
        (place_BPQ2,) = ctx.saved_tensors
        return _Scatter.apply(gradient_BCPQ, place_BPQ2, ctx.shape), None


class _Scatter(torch.autograd.Function):
    """The transpose: adds what each place is given to the four pixels around it."""

    @staticmethod
    def forward(ctx: Any, gradient_BCPQ: Tensor, place_BPQ2: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(place_BPQ2)
        # The kernel asks for the picture, whose values only the derivative to the places would need.
        image_BCHW = gradient_BCPQ.new_zeros(()).expand(shape)
        return torch.ops.aten.grid_sampler_2d_backward(
            gradient_BCPQ, image_BCHW, place_BPQ2, BILINEAR, REFLECTION, True, [True, False]
        )[0]

    @staticmethod
    def backward(ctx: Any, gradient_BCHW: Tensor) -> tuple[Tensor, None, None]:
        (place_BPQ2,) = ctx.saved_tensors
        return _LookUp.apply(gradient_BCHW, place_BPQ2), None, None
