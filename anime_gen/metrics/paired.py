"""How far samples are from the pictures they should have been: SSIM, PSNR, LPIPS, colour.

They mean something only where there is a true picture (a sketch's, a photo's, the one that landmarks and tags were read
off). Without one there is no value. Each is the mean over pairs.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from anime_gen.contract import Condition
from anime_gen.metrics import weights as files
from anime_gen.metrics.judge import hash_weights
from anime_gen.metrics.lab import delta_e
from anime_gen.metrics.protocol import Role, Score

C1, C2 = 0.01**2, 0.03**2  # S1's, for data in [0, 1]

# Two pictures that are rounded to bytes agree to no better than the rounding: MSE 1/12. Where they are equal, the
# formula says infinity, and one such pair would drown all others in the mean.
PSNR_AT_MOST = 58.92

_PAIRS = 8  # at once: SSIM holds some twenty float64 copies of each, 1 GB at 512 pixels


class Paired(Score):
    """The mean of a number that each pair of sample and true picture has."""

    total: Tensor
    num: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @abstractmethod
    def pairs(self, images: Tensor, truth: Tensor) -> Tensor:
        """One value for each pair, (B,), of uint8 (B, 3, H, W)."""

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        if role is not Role.SAMPLE or truth is None or not len(images):
            return
        images, truth = images.to(self.device), truth.to(self.device)
        parts = zip(torch.split(images, _PAIRS), torch.split(truth, _PAIRS), strict=True)
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            values = torch.cat([self.pairs(*part).double() for part in parts])
        # Not in place: the state may have been made in inference mode, the update may come outside of it.
        self.total = self.total + values.sum()
        self.num = self.num + len(values)

    def compute(self) -> dict[str, Tensor]:
        """The mean, or nothing where no sample had a true picture."""
        self._sizes = {"num_pairs": int(self.num)}
        return {self.names[0]: self.total / self.num} if self.num else {}


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of pictures in [0, 1]: Wang et al. 2004, eq. 13, mean over pixels and channels.

    torchmetrics has the same formula, but its float64 convolution takes sixty times as long on a CPU, and in float32
    the variances of flat places are mostly rounding. A Gaussian is two products with a band matrix.

    Args:
        a, b: float64 (B, C, H, W), at least 6 pixels a side.

    Returns:
        (B,).
    """
    down_HH, across_WW = (_gaussian(size).to(a) for size in a.shape[2:])
    mean_a, mean_b, square_a, square_b, product = (
        down_HH @ picture @ across_WW.T for picture in (a, b, a * a, b * b, a * b)
    )
    variance_a, variance_b = (square_a - mean_a**2).clamp(min=0), (square_b - mean_b**2).clamp(min=0)
    light = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    structure = (2 * (product - mean_a * mean_b) + C2) / (variance_a + variance_b + C2)
    return (light * structure).mean((1, 2, 3))


def _gaussian(size: int) -> Tensor:
    """The 11-tap window of deviation 1.5 as a matrix (size, size); borders are mirrored."""
    taps = torch.arange(-5, 6, dtype=torch.float64)
    weights = torch.exp(-0.5 * (taps / 1.5) ** 2)
    read = F.pad(torch.arange(size, dtype=torch.float64)[None], (5, 5), mode="reflect")[0].long()
    matrix = torch.zeros(size, size, dtype=torch.float64)
    rows = torch.arange(size)[:, None].expand(size, 11)
    return matrix.index_put((rows, read.unfold(0, 11, 1)), (weights / weights.sum()).expand(size, 11), accumulate=True)


class SSIM(Paired):
    """Structural similarity (Wang et al. 2004) with S1's constants: C1 = 0.01^2, C2 = 0.03^2 for data in [0, 1].

    S1 is silent on the window; ours is the paper's: 11 x 11 Gaussian, sigma 1.5, here on each channel and with mirrored
    borders.
    """

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"ssim": True}

    def pairs(self, images: Tensor, truth: Tensor) -> Tensor:
        return ssim(images.double() / 255, truth.double() / 255)

    def protocol(self) -> dict[str, Any]:
        window = "11x11 gaussian, sigma 1.5, mirrored borders, mean over channels"
        return {**super().protocol(), "data_range": 1.0, "c1": C1, "c2": C2, "window": window}


class PSNR(Paired):
    """Peak signal-to-noise ratio 10 log10(255^2 / MSE) in dB for data in 0..255 (S1): the mean of the pairs' values.

    A pair's value is at most `PSNR_AT_MOST`.
    """

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"psnr": True}

    def pairs(self, images: Tensor, truth: Tensor) -> Tensor:
        value = peak_signal_noise_ratio(
            images.double(), truth.double(), data_range=255.0, dim=(1, 2, 3), reduction="none"
        )
        return value.clamp(max=PSNR_AT_MOST)

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "data_range": 255.0, "at_most": PSNR_AT_MOST, "estimator": "mean over pairs"}


class LabError(Paired):
    """`delta_e`: mean colour difference over pixels, CIE 1976 L*a*b* under D65; about 2.3 is just noticeable."""

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"delta_e": False}

    def pairs(self, images: Tensor, truth: Tensor) -> Tensor:
        return delta_e(images, truth).flatten(1).mean(1)

    def protocol(self) -> dict[str, Any]:
        return {**super().protocol(), "colours": "sRGB, CIE 1976 L*a*b*, D65"}


# torchvision's published ImageNet weights; the digits are the beginning of the file's sha256.
_BACKBONES = {
    "alex": "alexnet-owt-7be5be79.pth",
    "squeeze": "squeezenet1_1-b8a52dc0.pth",
    "vgg": "vgg16-397923af.pth",
}


def lpips(net: Literal["alex", "squeeze", "vgg"] = "alex") -> files.Published:
    """torchvision's backbone; what LPIPS adds to it ships with torchmetrics."""
    name = _BACKBONES[net]
    url = f"download.pytorch.org/models/{name}"
    return files.Published([files.torch_hub(name)], "LPIPS", url, f"https://{url}")


class LPIPS(Paired):
    """Learned perceptual distance (Zhang et al. 2018, version 0.1), name `lpips_<net>`.

    The linear weights on top come with torchmetrics. The backbone's are a local file and are never downloaded.

    Args:
        net: "alex" is what the paper recommends for comparing; "squeeze" is the smallest.
        weights: torchvision's weights of that backbone, .pth or .safetensors; default: torch hub's cache.

    Raises:
        UserError: there is no such file, or it is damaged or another network's.
    """

    def __init__(self, net: Literal["alex", "squeeze", "vgg"] = "alex", weights: Path | None = None) -> None:
        # torchmetrics' own way to these weights is a download.
        from torchmetrics.functional.image.lpips import _NoTrainLpips

        super().__init__()
        self.net = net
        self.network = _NoTrainLpips(net=net, pnet_rand=True)
        path = files.find(weights, lpips(net))
        tensors = files.read(path, "LPIPS")
        try:
            _fill(self.network.net, tensors)
        except (KeyError, RuntimeError) as reason:
            raise files.misfit(path, "LPIPS", reason) from reason
        self.weights_hash = hash_weights(self.network)

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"lpips_{self.net}": False}

    def pairs(self, images: Tensor, truth: Tensor) -> Tensor:
        # To [-1, 1].
        return self.network(images / 127.5 - 1, truth / 127.5 - 1).flatten()

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "extractor": f"lpips_{self.net}",
            "extractor_weights": self.weights_hash,
            "resize": "none",
            "version": "0.1",
        }


def _fill(backbone: torch.nn.Module, weights: Mapping[str, Tensor]) -> None:
    """LPIPS cuts torchvision's `features` into slices, and keeps each layer's number: slice2.3 is features.3."""
    layers = {name: re.sub(r"^slices?\.?\d+\.", "features.", name) for name in backbone.state_dict()}
    backbone.load_state_dict({name: weights[layer] for name, layer in layers.items()})
