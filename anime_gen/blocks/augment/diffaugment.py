"""DiffAugment (Zhao et al. 2020): real and made pictures are changed alike before the discriminator sees them.

Every change is drawn anew for each picture from torch's global stream, and lets gradients through to the generator.
"""

from __future__ import annotations

import torch
from torch import Tensor

from anime_gen.contract import UserError


class DiffAugment:
    """Colour, translation and cutout, in that order; the defaults are the paper's strongest policy.

    Args:
        brightness: adds up to this much, either way, to a whole picture in [-1, 1].
        saturation: scales each pixel's distance to its own grey by a factor in 1 +- this.
        contrast: scales each pixel's distance to the picture's mean by a factor in 1 +- this.
        translation: shifts by up to this share of each side, in whole pixels; what comes in is 0, mid-grey.
        cutout: blanks a square with sides of this share, its centre anywhere, to 0.

    Zero turns a change off: nothing is drawn and the picture stays as it is, bit for bit.

    Raises:
        UserError: an amount is negative, or a share is above 1.
    """

    def __init__(
        self,
        brightness: float = 0.5,
        saturation: float = 1.0,
        contrast: float = 0.5,
        translation: float = 0.125,
        cutout: float = 0.5,
    ) -> None:
        self.brightness = brightness
        self.saturation = saturation
        self.contrast = contrast
        self.translation = translation
        self.cutout = cutout
        for name, amount in vars(self).items():
            if amount < 0:
                raise UserError(f"augment: {name} is {amount}; give 0 to turn it off, or a positive amount")
        for name, share in (("translation", translation), ("cutout", cutout)):
            if share > 1:
                raise UserError(f"augment: {name} is {share}, but it is a share of the picture's side: give 0 to 1")

    def __call__(self, image_BCHW: Tensor) -> Tensor:
        """Pictures of the same shape, each changed by its own draw."""
        if self.brightness:
            image_BCHW = shift_brightness(image_BCHW, self.brightness)
        if self.saturation:
            image_BCHW = scale_saturation(image_BCHW, self.saturation)
        if self.contrast:
            image_BCHW = scale_contrast(image_BCHW, self.contrast)
        if self.translation:
            image_BCHW = translate(image_BCHW, self.translation)
        if self.cutout:
            image_BCHW = cut_out(image_BCHW, self.cutout)
        return image_BCHW


def shift_brightness(image_BCHW: Tensor, amount: float) -> Tensor:
    """x + U(-amount, amount), one draw a picture."""
    return image_BCHW + amount * _uniform_B111(image_BCHW)


def scale_saturation(image_BCHW: Tensor, amount: float) -> Tensor:
    """grey + U(1 - amount, 1 + amount) (x - grey), where grey is the pixel's mean over its channels."""
    grey_B1HW = image_BCHW.mean(dim=1, keepdim=True)
    return grey_B1HW + (1 + amount * _uniform_B111(image_BCHW)) * (image_BCHW - grey_B1HW)


def scale_contrast(image_BCHW: Tensor, amount: float) -> Tensor:
    """mean + U(1 - amount, 1 + amount) (x - mean), where mean is the whole picture's."""
    mean_B111 = image_BCHW.mean(dim=(1, 2, 3), keepdim=True)
    return mean_B111 + (1 + amount * _uniform_B111(image_BCHW)) * (image_BCHW - mean_B111)


def translate(image_BCHW: Tensor, share: float) -> Tensor:
    """Shifts each picture by whole pixels, uniform in +-round(share * side) on both axes; 0 comes in at the border."""
    height, width = image_BCHW.shape[2:]
    from_BH = torch.arange(height, device=image_BCHW.device) + _integers(image_BCHW, round(share * height))
    from_BW = torch.arange(width, device=image_BCHW.device) + _integers(image_BCHW, round(share * width))
    inside_BHW = _within(from_BH, height)[:, :, None] & _within(from_BW, width)[:, None, :]
    row_B = torch.arange(len(image_BCHW), device=image_BCHW.device)
    # Indices around a slice come first: (B, H, W, C).
    moved_BHWC = image_BCHW[
        row_B[:, None, None], :, from_BH.clamp(0, height - 1)[:, :, None], from_BW.clamp(0, width - 1)[:, None, :]
    ]
    return (moved_BHWC * inside_BHW[..., None]).movedim(3, 1)


def cut_out(image_BCHW: Tensor, share: float) -> Tensor:
    """Blanks one rectangle of round(share * side) pixels a picture; its centre is any pixel, so it may leave."""
    blank_BH = _blanked(image_BCHW, image_BCHW.shape[2], share)
    blank_BW = _blanked(image_BCHW, image_BCHW.shape[3], share)
    blank_B1HW = (blank_BH[:, :, None] & blank_BW[:, None, :])[:, None]
    return image_BCHW * ~blank_B1HW


def _blanked(image_BCHW: Tensor, side: int, share: float) -> Tensor:
    """(B, side) bool: the pixels of one axis that lie in the hole."""
    length = round(share * side)
    start_B1 = torch.randint(side, (len(image_BCHW), 1), device=image_BCHW.device) - length // 2
    position = torch.arange(side, device=image_BCHW.device)
    return (position >= start_B1) & (position < start_B1 + length)


def _uniform_B111(image_BCHW: Tensor) -> Tensor:
    """U(-1, 1), one number a picture."""
    return 2 * torch.rand_like(image_BCHW[:, :1, :1, :1]) - 1


def _integers(image_BCHW: Tensor, limit: int) -> Tensor:
    """(B, 1) int64, uniform in -limit .. limit."""
    return torch.randint(-limit, limit + 1, (len(image_BCHW), 1), device=image_BCHW.device)


def _within(index: Tensor, size: int) -> Tensor:
    return (index >= 0) & (index < size)
