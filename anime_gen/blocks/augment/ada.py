"""Adaptive discriminator augmentation (Karras et al. 2020): how often pictures are changed follows the overfitting.

Equations and figures are those of Training Generative Adversarial Networks with Limited Data, sections 2 and 3 and
appendix B; written from the paper.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from anime_gen.blocks.augment import draws
from anime_gen.blocks.augment.affine import is_identity
from anime_gen.blocks.augment.warp import blit, warp
from anime_gen.blocks.augment.wavelets import bands
from anime_gen.contract import UserError
from anime_gen.noise import normal_like

# Batches between two adjustments of p (section 3).
EVERY = 4


class ADA(nn.Module):
    """Changes real and made pictures alike before the discriminator; each change, for each picture, with probability p.

    The groups, in the order in which they are applied; the defaults are the paper's policy `bgc`, and `colour: false`
    makes it `bg`. A full hue rotation shows a discriminator that is told tags blue hair that is called red.

    A mirror image is a picture of the same tags, for none of the painted faces' has a side. Nothing here swaps sided
    tags (`left_hand`) or moves landmarks and sketches: for a discriminator that is told the former, `blit: false`; for
    one that is told the latter, `geometry: false` as well.

    Args:
        blit: mirror images, quarter-turns, shifts by whole pixels.
        geometry: scaling, rotation, stretching, shifts by fractions of pixels; resampled with next to no aliasing.
        colour: brightness, contrast, luma flip, hue rotation, saturation.
        filter: four frequency bands, amplified or damped.
        noise: additive Gaussian noise.
        cutout: a square of half the side is blanked to 0, mid-grey.
        p: the probability to start from.
        adapt: p follows the overfitting; otherwise it stays.
        target: of r_t = E[sign(D)] on real pictures, towards which p is steered.
        speed: training pictures in which p can rise from 0 to 1.

    Attributes:
        p: a scalar; it moves in place, so log a clone.
        seen: [sum of the signs, real pictures, batches] since the last adjustment, over all ranks.

    Raises:
        UserError: no group is on, p is no probability, the target is no mean of signs, or the speed is not positive.
    """

    p: Tensor
    seen: Tensor

    def __init__(
        self,
        blit: bool = True,
        geometry: bool = True,
        colour: bool = True,
        filter: bool = False,
        noise: bool = False,
        cutout: bool = False,
        p: float = 0.0,
        adapt: bool = True,
        target: float = 0.6,
        speed: int = 500_000,
    ) -> None:
        super().__init__()
        if not any((blit, geometry, colour, filter, noise, cutout)):
            raise UserError("augment: every group of ADA is off; turn one on, or set augment to null")
        if not 0 <= p <= 1:
            raise UserError(f"augment: p is {p}, but it is a probability: give 0 to 1")
        if not -1 < target < 1:
            raise UserError(f"augment: target is {target}, but it is a mean of signs: give -1 to 1")
        if speed < 1:
            raise UserError(f"augment: speed is {speed}; give the pictures in which p can rise from 0 to 1")
        self.blit = blit
        self.geometry = geometry
        self.colour = colour
        self.filter = filter
        self.noise = noise
        self.cutout = cutout
        self.adapt = adapt
        self.target = target
        self.speed = speed
        self.register_buffer("p", torch.tensor(float(p)))
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, image_BCNN: Tensor) -> Tensor:
        """Pictures of the same shape and type, each changed by its own draw; those without any are the same bits.

        Args:
            image_BCNN: square pictures of three channels, mid-grey at 0. The result may leave [-1, 1], as in the paper.
        """
        # A picture has eight bits, bfloat16's mantissa as well: rounding at each step would show.
        with torch.autocast(image_BCNN.device.type, enabled=False):
            changed_BCNN = image_BCNN.to(torch.promote_types(image_BCNN.dtype, torch.float32))
            if self.blit or self.geometry:
                changed_BCNN = self._move(changed_BCNN)
            if self.colour:
                matrix_B44 = draws.colours(self.p, len(image_BCNN))
                changed_BCNN = change(changed_BCNN, ~is_identity(matrix_B44), recolour, matrix_B44)
            if self.filter:
                gain_B4 = draws.band_gains(self.p, len(image_BCNN))
                changed_BCNN = change(changed_BCNN, (gain_B4 != 1).any(dim=1), amplify, gain_B4)
            if self.noise:
                deviation_B = draws.noise_deviations(self.p, len(image_BCNN))
                normal_BCNN = normal_like(changed_BCNN)
                changed_BCNN = change(changed_BCNN, deviation_B > 0, add_noise, normal_BCNN, deviation_B)
            if self.cutout:
                chosen_B, middle_B2 = draws.holes(self.p, len(image_BCNN))
                changed_BCNN = change(changed_BCNN, chosen_B, cut_out, middle_B2)
            return changed_BCNN.to(image_BCNN.dtype)

    def _move(self, image_BCNN: Tensor) -> Tensor:
        """All of the geometry, as one matrix and one resampling.

        Mirror images and quarter-turns come first in the product, so they may be done first, without the filters (which
        are not symmetric and would blur them). So are shifts, where they are alone; in the product they let the
        resampling see what they would push over the border.
        """
        count, side = len(image_BCNN), image_BCNN.shape[-1]
        shift_B2 = torch.zeros(count, 2, dtype=torch.int64, device=self.p.device)
        inverse_B33 = torch.eye(3, device=self.p.device).repeat(count, 1, 1)
        if self.geometry:
            inverse_B33 = draws.inverse_geometry(self.p, count, side)
        warped_B = ~is_identity(inverse_B33)
        if self.blit:
            mirror_B, turns_B = draws.x_flips(self.p, count), draws.quarter_turns(self.p, count)
            shift_B2 = draws.whole_shifts(self.p, count, side)
            alone_B2 = torch.where(warped_B[:, None], 0, shift_B2)
            blitted_B = mirror_B | (turns_B != 0) | (alone_B2 != 0).any(dim=1)
            image_BCNN = change(image_BCNN, blitted_B, blit, mirror_B, turns_B, alone_B2)
        if self.geometry:
            inverse_B33[:, :2, 2] -= shift_B2
            image_BCNN = change(image_BCNN, warped_B, warp, inverse_B33)
        return image_BCNN

    @torch.no_grad()
    def observe(self, real_logits: Tensor) -> None:
        """Takes note of D's outputs on a batch of augmented real pictures; after every fourth batch p moves.

        Equation 1: r_t = E[sign(D_train)]. p rises by (pictures since the last time) / speed where r_t is above the
        target and falls by as much where it is below, whatever the batch size and the number of ranks. It stays in
        [0, 1]: the authors' code lets it pass 1, where its last share changes nothing but how long it takes to return.

        Every rank must call it, once a batch; nothing waits for the device.

        Args:
            real_logits: of any shape, this rank's; above 0 means real.
        """
        if not self.adapt:
            return
        of_batch = torch.stack([real_logits.float().sign().sum(), self.p.new_full((), real_logits.numel())])
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(of_batch)
        self.seen[:2] += of_batch
        self.seen[2] += 1
        signs, pictures, batches = self.seen.unbind()
        step = torch.sign(signs / pictures - self.target) * pictures / self.speed
        due = batches >= EVERY
        self.p.copy_(torch.where(due, (self.p + step).clamp(0, 1), self.p))
        self.seen.mul_(~due)


def change(image_BCNN: Tensor, chosen_B: Tensor, how: Callable[..., Tensor], *parameters: Tensor) -> Tensor:
    """`how(image, *parameters)` of the chosen pictures; the others come through as they are, bit for bit.

    On the CPU the work is that of the chosen ones. An accelerator changes all and throws some away: asking it how many
    there are would mean waiting for it.
    """
    if image_BCNN.device.type != "cpu":
        return torch.where(chosen_B[:, None, None, None], how(image_BCNN, *parameters), image_BCNN)
    rows = chosen_B.nonzero()[:, 0]
    if len(rows) == 0:
        return image_BCNN
    changed_BCNN = how(image_BCNN[rows], *(parameter[rows] for parameter in parameters))
    return image_BCNN.index_copy(0, rows, changed_BCNN)


def recolour(image_BCNN: Tensor, matrix_B44: Tensor) -> Tensor:
    """[r', g', b', 1] = C [r, g, b, 1] for each pixel."""
    matrix_B44 = matrix_B44.to(image_BCNN.dtype)
    colour_BCP = matrix_B44[:, :3, :3] @ image_BCNN.flatten(2) + matrix_B44[:, :3, 3:]
    return colour_BCP.view_as(image_BCNN)


def amplify(image_BCNN: Tensor, gain_B4: Tensor) -> Tensor:
    """SEPARABLECONV2D with H' = sum_i g_i BANDPASS(H, b_i): the same filter along both sides, mirrored borders."""
    band_4NN = bands(image_BCNN.shape[-1], image_BCNN.dtype, image_BCNN.device)
    filter_B1NN = (gain_B4.to(image_BCNN.dtype) @ band_4NN.flatten(1)).view(-1, 1, *band_4NN.shape[1:])
    return filter_B1NN @ image_BCNN @ filter_B1NN.mT


def add_noise(image_BCNN: Tensor, normal_BCNN: Tensor, deviation_B: Tensor) -> Tensor:
    """Y + N(0, sigma^2), one sigma a picture."""
    return image_BCNN + deviation_B.to(image_BCNN.dtype)[:, None, None, None] * normal_BCNN


def cut_out(image_BCNN: Tensor, middle_B2: Tensor) -> Tensor:
    """Blanks [round((c - 1/4) w), round((c + 1/4) w)) on both axes to 0."""
    side = image_BCNN.shape[-1]
    pixel = torch.arange(side, device=image_BCNN.device)
    low_B21, high_B21 = (((middle_B2 + reach) * side).round()[:, :, None] for reach in (-0.25, 0.25))
    within_B2N = (pixel >= low_B21) & (pixel < high_B21)
    return image_BCNN * ~(within_B2N[:, 1, :, None] & within_B2N[:, 0, None, :])[:, None]
