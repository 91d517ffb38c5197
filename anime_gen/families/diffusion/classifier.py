"""Classifier guidance (Dhariwal & Nichol 2021, section 4): what noisy pictures show, and the way to show it more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.blocks.made import Content, Weights
from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.diffusion.network import Block, sinusoidal
from anime_gen.families.diffusion.schedule import Level, Schedule
from anime_gen.files import read_tensors
from anime_gen.noise import normal_like
from anime_gen.run.folder import RunFolder

# Of the pictures' values (Karras et al. 2022, sigma_data).
DEVIATION = 0.5


class NoisedClassifier(nn.Module):
    """Says which classes and tags a noisy picture shows, at every noise level.

    It sees the linear least-squares guess of x_0, (a d^2 / (a^2 d^2 + s^2)) x_t for pictures of deviation d, in units
    of d. That has the range of a picture at every level of every schedule, and fades with a as the exact gradient does:
    guidance from noise that shows nothing stays small instead of being divided by a.

    Args:
        num_tags: independent tags, 0 for none.
        attribute_sizes: classes of each exclusive group.
        channels: width at each resolution, the finest (half the picture's) first; each further one is half the size.
            Multiples of 16: a norm over one channel alone would blow a faded picture up again.
    """

    def __init__(self, num_tags: int, attribute_sizes: list[int], channels: tuple[int, ...] = (32, 64, 128)) -> None:
        super().__init__()
        self.num_tags, self.attribute_sizes, self.channels = num_tags, attribute_sizes, channels
        width = 4 * channels[0]
        self.time = nn.Sequential(nn.Linear(channels[0], width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.stem = nn.Conv2d(3, channels[0], 5, stride=2, padding=2)
        self.blocks = nn.ModuleList()
        self.downsample = nn.ModuleList()
        for inside, outside in zip((channels[0], *channels), channels, strict=False):
            stays = not len(self.blocks)
            self.downsample.append(nn.Identity() if stays else nn.Conv2d(inside, inside, 3, stride=2, padding=1))
            self.blocks.append(Block(inside, outside, width, dropout=0.0))
        self.norm = nn.GroupNorm(8, channels[-1])
        self.heads = nn.Linear(channels[-1], sum(attribute_sizes) + num_tags)

    @property
    def needs(self) -> frozenset[str]:
        """The fields of `Condition` that it knows."""
        known = {"attributes_BA": self.attribute_sizes, "tags_BT": self.num_tags}
        return frozenset(field for field, some in known.items() if some)

    def forward(self, x_t: Tensor, noise_label_B: Tensor, a: Tensor, s: Tensor) -> tuple[Tensor, ...]:
        """Logits of noisy pictures: (B, classes) for each group, and (B, tags), last.

        Args:
            x_t: (B, 3, H, W).
            noise_label_B: what the schedule tells of the noise.
            a, s: its scales, (B, 1, 1, 1).
        """
        x = self.stem(x_t * (a * DEVIATION / (a.square() * DEVIATION**2 + s.square())))
        embedding = self.time(sinusoidal(noise_label_B, self.channels[0]).to(x.dtype))
        for downsample, block in zip(self.downsample, self.blocks, strict=True):
            x = block(downsample(x), embedding)
        logits = self.heads(F.silu(self.norm(x)).mean((2, 3)))
        return logits.split([*self.attribute_sizes, self.num_tags], dim=1)

    def files(self, run: Path, report: dict[str, Any]) -> dict[Path, Content]:
        """What `load` reads: `classifier.safetensors`, and `classifier.json`, its sizes and a report on it."""
        sizes = {"num_tags": self.num_tags, "attribute_sizes": self.attribute_sizes, "channels": self.channels}
        weights = RunFolder(run).classifier
        record = json.dumps({"sizes": sizes, **report}, indent=1) + "\n"
        return {weights: Weights(self.state_dict()), weights.with_suffix(".json"): record}

    @classmethod
    def load(cls, run: Path) -> NoisedClassifier:
        """The classifier of a run folder, in eval mode, without gradients of its own.

        Raises:
            UserError: there is none, or one of another version.
        """
        weights = RunFolder(run).classifier
        if not weights.exists():
            raise UserError(f"classifier_scale: {run} has no classifier yet; train it with: anime-gen classifier {run}")
        try:
            classifier = cls(**json.loads(weights.with_suffix(".json").read_text())["sizes"])
            classifier.load_state_dict(read_tensors(weights)[0])
        except Exception as reason:
            raise UserError(f"{weights} cannot be read; train it anew with: anime-gen classifier {run}") from reason
        return classifier.eval().requires_grad_(False)


def log_likelihood(logits: tuple[Tensor, ...], condition: Condition) -> Tensor:
    """log p(classes and tags | x_t) of each picture, (B,); what is not given (-1, NaN) contributes nothing.

    The labels count as independent, given the picture: their logarithms add up.

    Args:
        logits: of `NoisedClassifier`.
        condition: the labels; a part that is None is not given.
    """
    *groups, tag_logits_BT = logits
    total_B = tag_logits_BT[:, :0].sum(1)  # zeros that autograd knows, should nothing be given
    if condition.attributes_BA is not None:
        for logits_BC, class_B in zip(groups, condition.attributes_BA.unbind(1), strict=True):
            total_B = total_B - F.cross_entropy(logits_BC, class_B, ignore_index=-1, reduction="none")
    if condition.tags_BT is not None:
        tags_BT = condition.tags_BT.to(tag_logits_BT.dtype)
        given_BT = ~tags_BT.isnan()
        wrong_BT = F.binary_cross_entropy_with_logits(tag_logits_BT, tags_BT.nan_to_num(0.0), reduction="none")
        total_B = total_B - wrong_BT.where(given_BT, 0.0).sum(1)
    return total_B


def training_loss(classifier: NoisedClassifier, schedule: Schedule, batch: Batch) -> Tensor:
    """-log p(labels | x_t) at noise levels drawn as the denoiser's, mean over the pictures. Scalar."""
    x_0 = batch.image_BCHW
    t = schedule.draw_times(len(x_0), x_0.device)
    a, s = (scale.float()[:, None, None, None] for scale in schedule.scales(t))
    x_t = a * x_0 + s * normal_like(x_0)
    return -log_likelihood(classifier(x_t, schedule.noise_label(t), a, s), batch.condition).mean()


def gradient(classifier: nn.Module, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
    """d log p(classes and tags asked for | x_t) / d x_t, of x_t's shape. Zero for a picture of which nothing is asked.

    Args:
        classifier: as `NoisedClassifier`; picture i's logits depend on picture i only.
        x_t: (B, C, H, W) noisy pictures of one noise level.
        level: which.
        condition: what is asked, B rows.
    """
    # A score is taken in inference mode, whose tensors autograd refuses: it gets copies of them.
    with torch.inference_mode(False), torch.enable_grad():
        x = x_t.detach().clone().requires_grad_()
        asked = condition.map(Tensor.clone)
        noise_label_B = torch.full((len(x),), level.noise_label, device=x.device)
        a, s = (x.new_full((len(x), 1, 1, 1), scale) for scale in (level.alpha, level.sigma))
        total = log_likelihood(classifier.to(x.device)(x, noise_label_B, a, s), asked).sum()
        return torch.autograd.grad(total, x)[0]


def shift(classifier: nn.Module, x_t: Tensor, level: Level, condition: Condition) -> Tensor:
    """What classifier guidance of scale 1 adds to x_0: (sigma^2 / alpha) d log p(asked | x_t) / d x_t.

    Guidance subtracts sigma times the gradient from the noise (Dhariwal & Nichol 2021, eq. 14 and algorithm 2), and
    x_0 = (x_t - sigma eps) / alpha. By Tweedie's formula the exact gradient turns E[x_0 | x_t] into E[x_0 | x_t, y],
    for every sampler; with DDPM it is their algorithm 1 to first order in beta. Zero where alpha is: pure noise shows
    nothing.
    """
    if level.alpha == 0:
        return torch.zeros_like(x_t)
    return level.sigma**2 / level.alpha * gradient(classifier, x_t, level, condition)
