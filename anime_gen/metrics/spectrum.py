"""Distance of radial power spectra: how much of which fineness pictures have, in decibels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from anime_gen.contract import Condition, UserError
from anime_gen.metrics.protocol import SIDES, Role, Score, check_size

# Variance of rounding to bytes: power below it says nothing.
_FLOOR = 1 / 12


def radial_spectrum(images: Tensor) -> Tensor:
    """Mean power on rings of one frequency, (B, H // 2) float32, in decibels over one squared level of 255.

    Of the luma (ITU-R BT.601) less its mean, under a Hann window, so that the picture's borders are no edges: what
    white noise of deviation s has on every ring is s^2. Ring r holds the waves of about r periods a side.

    Args:
        images: (B, 3, H, H) in 0..255.
    """
    size = images.shape[-1]
    red, green, blue = images.float().unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    line = torch.hann_window(size, periodic=False, device=images.device)
    window = line[:, None] * line
    # The mean under the window, or the darkness of a picture leaks into the first ring.
    luma = luma - (luma * window).sum((1, 2), keepdim=True) / window.sum()
    power = torch.fft.fft2(luma * window).abs().square() / window.square().sum()
    waves = torch.fft.fftfreq(size, 1 / size, device=images.device)
    ring = (waves[:, None].square() + waves.square()).sqrt().round().long()
    found = []
    for radius in range(1, size // 2 + 1):
        found.append(power[:, ring == radius].mean(1))
    return 10 * (torch.stack(found, 1) + _FLOOR).log10()


class SpectrumDistance(Score):
    """`spectrum_db`: root mean square, over all rings, of the difference of the mean log spectra, in decibels.

    Upsampling leaves too much or too little of the finest waves (Durall et al. 2020), blur takes them away, and noise
    adds to all.
    """

    def __init__(self, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        for side in SIDES:
            self.add_state(f"{side.value}_n", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
            self.add_state(f"{side.value}_sum", torch.zeros(image_size // 2, dtype=torch.float64), dist_reduce_fx="sum")

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"spectrum_db": False}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role not in SIDES:
            return
        check_size("spectrum", images, self.image_size)
        found = radial_spectrum(images.to(self.device)).double()
        for name, value in (("n", torch.tensor(len(found), device=self.device)), ("sum", found.sum(0))):
            state = f"{role.value}_{name}"
            setattr(self, state, getattr(self, state) + value)

    def compute(self) -> dict[str, Tensor]:
        """The distance. Raises: UserError: no picture on a side."""
        counts = [int(getattr(self, f"{side.value}_n")) for side in SIDES]
        if not all(counts):
            raise UserError("spectrum needs at least one real and one sampled picture: score more pictures")
        self._sizes = {"num_real": counts[0], "num_fake": counts[1]}
        real, fake = (getattr(self, f"{side.value}_sum") / n for side, n in zip(SIDES, counts, strict=True))
        self._observed = {"rings": [round(float(value), 3) for value in fake - real]}
        return {self.names[0]: (real - fake).square().mean().sqrt()}

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "estimator": "hann window, luma, mean of decibels", "dtype": "float64"}
