"""Are samples copies of training pictures? In an extractor's features, and in their pixels.

Feature states are flat float32 lists: torchmetrics stands in for a rank that saw nothing with an empty vector, which
only joins other vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.contract import Condition
from anime_gen.metrics import distances
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.protocol import Role, Score


class _Nearest[Found](Score):
    """Compares what held-out pictures and what samples find among the training pictures."""

    def __init__(self) -> None:
        super().__init__()
        for role in Role:
            self.add_state(role.value, [], dist_reduce_fx="cat")
        # What held-out pictures find is the same at every scoring, and half of the search.
        self._usual: Found | None = None

    def reset_all(self) -> None:
        super().reset_all()
        self._usual = None

    def _keep(self, role: Role, rows: Tensor) -> None:
        getattr(self, role.value).append(rows)
        if role is not Role.SAMPLE:
            self._usual = None


class NearestTraining(_Nearest[Tensor]):
    """Do samples copy training pictures? Distance in feature space to the nearest one, against unseen real pictures'.

    `nearest_ratio_<extractor>`: median distance of samples over median distance of held-out pictures: about 1 where
    samples are as far from the training set as real pictures are, 0 for copies, above 1 for samples unlike any training
    picture. `copies_<extractor>`: share of samples that are nearer than 99 % of the held-out pictures: 0.01 would be as
    often as by chance.
    A held-out picture that is in the training set too is not unseen: it is left out, and counted in the protocol.
    No value until all three roles have been seen.
    """

    def __init__(self, extractor: Extractor) -> None:
        super().__init__()
        self.extractor = extractor.alike

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {f"nearest_ratio_{self.extractor.name}": None, f"copies_{self.extractor.name}": False}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        self._keep(role, self.extractor(images).flatten())

    def compute(self) -> dict[str, Tensor]:
        """Both names, or nothing while a role is missing."""
        training, held_out, samples = (self._rows(role.value, self.extractor.num_features) for role in Role)
        self._sizes = {"num_training": len(training), "num_held_out": len(held_out), "num_fake": len(samples)}
        if not all(self._sizes.values()):
            return {}
        if self._usual is None:
            self._usual = distances.nearest(held_out, training)
        usual, found = self._usual, distances.nearest(samples, training)
        # The same picture in another batch has features that differ by rounding, which grows with their spread.
        unseen = usual[usual > 1e-4 * (training - training.mean(0)).double().norm(dim=1).mean()]
        self._observed = {"num_held_out_in_training": len(usual) - len(unseen)}
        if not len(unseen):
            return {}
        ratio = found.quantile(0.5) / unseen.quantile(0.5)
        return dict(zip(self.names, (ratio, (found < unseen.quantile(0.01)).double().mean()), strict=True))

    def protocol(self) -> dict[str, Any]:
        return {
            **self.extractor.protocol(),
            **super().protocol(),
            "dtype": "float64",
            "estimator": "euclidean; medians; 1st percentile",
        }


_SIDE = 32  # pixels a side that pictures are compared at
_PIXELS = 3 * _SIDE**2
_LEVELS = 16  # of brightness, in the joint histogram of two pictures: 256 cells for 1,024 pixels
_CANDIDATES = 8  # nearest training pictures that are looked at closely
_ROWS = 1024  # pictures of each kind held as numbers at once: some 100 MB


class Nearest(NamedTuple):
    """Of each picture: how close the training pictures come."""

    error_N: Tensor  # the least mean squared error, in squared grey levels
    information_N: Tensor  # the largest `shared_information`


def shared_information(a_NP: Tensor, b_NP: Tensor, levels: int) -> Tensor:
    """2 I(A; B) / (H(A) + H(B)): how much of two pictures' information they share, by pixels that lie over each other.

    It is 1 where one picture is a recolouring of the other, 0 where neither says anything of the other (or both are
    flat). The normalised mutual information NMI = (H(A) + H(B)) / H(A, B) of Studholme et al. 1999 is 2 / (2 - this).

    Args:
        a_NP, b_NP: int64 in [0, levels), row by row.
        levels: how many values a pixel may have.

    Returns:
        (N,) float64.
    """
    cells = levels**2
    at_NP = a_NP * levels + b_NP + cells * torch.arange(len(a_NP), device=a_NP.device)[:, None]
    counts = torch.bincount(at_NP.flatten(), minlength=cells * len(a_NP)).double()
    joint = counts.view(-1, levels, levels) / a_NP.shape[1]
    of_a, of_b, of_both = (
        -torch.special.xlogy(share, share).sum(1) for share in (joint.sum(2), joint.sum(1), joint.flatten(1))
    )
    information = (of_a + of_b - of_both).clamp(min=0)
    return torch.where(of_a + of_b > 0, 2 * information / (of_a + of_b).clamp(min=1e-12), 0)


def nearest_pixels(pictures_NP: Tensor, training_MP: Tensor) -> Nearest:
    """The smallest error and the largest shared information of pictures and the training pictures nearest to them.

    The nearest are searched for at half the size, where an error is never larger; of the few found, both numbers are
    taken exactly. Memory beside the arguments does not grow with N or M.

    Args:
        pictures_NP, training_MP: uint8, rows of (3, side, side) pictures.
    """
    few = min(_CANDIDATES, len(training_MP))
    errors, shares = [], []
    for rows in torch.split(pictures_NP, _ROWS):
        x = _halved(rows)
        best = x.new_zeros(len(x), 0)
        index = torch.zeros(len(x), 0, dtype=torch.int64, device=x.device)
        for start in range(0, len(training_MP), _ROWS):
            y = _halved(training_MP[start : start + _ROWS])
            # Squared distance but for |x|^2, which is the same for all y.
            near, at = torch.addmm(y.square().sum(1), x, y.T, alpha=-2).topk(min(few, len(y)), largest=False)
            best, index = torch.cat([best, near], 1), torch.cat([index, at + start], 1)
            best, kept = best.topk(min(few, best.shape[1]), largest=False)
            index = index.gather(1, kept)
        candidates = training_MP[index.flatten()].view(len(rows), few, -1)
        squared = (candidates.int() - rows[:, None].int()).square()
        errors.append(squared.sum(2).double().div(rows.shape[1]).amin(1))
        brightness = _brightness(rows).repeat_interleave(few, dim=0)
        shared = shared_information(brightness, _brightness(candidates.flatten(0, 1)), _LEVELS)
        shares.append(shared.view(len(rows), few).amax(1))
    return Nearest(torch.cat(errors), torch.cat(shares))


def _halved(pictures_NP: Tensor) -> Tensor:
    """Float rows at half the size, around the middle, where rounding is smallest."""
    return F.avg_pool2d(pictures_NP.view(-1, 3, _SIDE, _SIDE).float() - 127.5, 2).flatten(1)


def _brightness(pictures_NP: Tensor) -> Tensor:
    """Luma (ITU-R BT.601) in equal steps, int64."""
    # Whole numbers below 2^24 are exact in float32, and there it is fast.
    red, green, blue = pictures_NP.view(len(pictures_NP), 3, -1).float().unbind(1)
    return ((299 * red + 587 * green + 114 * blue) * (_LEVELS / 256_000)).long()


class NearestPixels(_Nearest[Nearest]):
    """Do samples copy training pictures, pixel for pixel? S2's two measures, against unseen real pictures.

    S2 names "MSE or an entropy-based similarity between generated and training pictures" and defines neither further:

    - `nearest_ratio_mse`: median root mean squared error to the nearest training picture, over that of held-out ones;
      `copies_mse`: share of samples that are nearer than 99 % of the held-out pictures are.
    - `copies_entropy`: share of samples that share more information with one of the training pictures nearest to them
      than 99 % of the held-out pictures do (`shared_information`). It finds copies in other colours, and unlike a
      distance between histograms it is not misled by two faces with one palette.

    0.01 would be as often as by chance. Held-out pictures that are in the training set too are left out, and counted in
    the protocol. No value until all three roles have been seen.
    """

    @property
    def better(self) -> Mapping[str, bool | None]:
        return {"nearest_ratio_mse": None, "copies_mse": False, "copies_entropy": False}

    def update(
        self, images: Tensor, role: Role, condition: Condition = Condition(), truth: Tensor | None = None
    ) -> None:
        images = images.to(self.device)
        if images.shape[2:] != (_SIDE, _SIDE):
            images = F.interpolate(images.float(), (_SIDE, _SIDE), mode="area").round().to(torch.uint8)
        # Four bytes in each "float": torchmetrics stands in for a rank that saw nothing with an empty float32 vector,
        # and bytes take a quarter of the memory.
        self._keep(role, images.flatten().contiguous().view(torch.float32))

    def compute(self) -> dict[str, Tensor]:
        """All names, or nothing while a role is missing."""
        training, held_out, samples = (self._rows(role.value, _PIXELS // 4).view(torch.uint8) for role in Role)
        self._sizes = {"num_training": len(training), "num_held_out": len(held_out), "num_fake": len(samples)}
        if not all(self._sizes.values()):
            return {}
        if self._usual is None:
            self._usual = nearest_pixels(held_out, training)
        usual, found = self._usual, nearest_pixels(samples, training)
        unseen = usual.error_N > 0
        self._observed = {"num_held_out_in_training": int((~unseen).sum())}
        if not unseen.any():
            return {}
        error_N, information_N = usual.error_N[unseen], usual.information_N[unseen]
        return {
            "nearest_ratio_mse": (found.error_N.quantile(0.5) / error_N.quantile(0.5)).sqrt(),
            "copies_mse": (found.error_N < error_N.quantile(0.01)).double().mean(),
            "copies_entropy": (found.information_N > information_N.quantile(0.99)).double().mean(),
        }

    def protocol(self) -> dict[str, Any]:
        return {
            **super().protocol(),
            "resize": f"area-{_SIDE}",
            "candidates": _CANDIDATES,
            "levels": _LEVELS,
            "estimator": "1st percentile of MSE, 99th of 2 I / (H + H)",
        }
