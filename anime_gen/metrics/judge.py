"""The judge: a small network that looks at a picture of a face and says what is on it.

It is trained on painted faces whose labels are exact (`judging/train.py`), it has seen them small and large, blurred,
noisy and mirrored, and it has seen ruined ones, so that it can say "no face" instead of inventing one.

What it says of one picture must not change with blur; a distance between two sets of pictures must. So it gives two
kinds of features: those that its labels are read off, and the `Content`, which is weighed after training
(`judging/content.py`) so that distances see what labels forgive.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.contract import UserError
from anime_gen.files import read_tensors, write_tensors
from anime_gen.vocabulary import NUM_LANDMARKS, Vocabulary

SHIPPED_WEIGHTS = Path(__file__).with_name("judge.safetensors")
SHIPPED_REPORT = Path(__file__).with_name("judge.json")

SIZE = 64  # pixels a side the network works on
LEGIBLE_F1 = 0.5  # below it, on painted faces, what the judge says of a tag is no measure of anything
RESIZE = f"bilinear-antialias-{SIZE}"  # of float values, half-pixel centres; part of every judge score's protocol

PART_FEATURES = 24  # that labels learn from, at each landmark
DIRECTIONS = 320  # along which the features at the landmarks are compared
# What has been done to faces that the content tells apart from untouched ones.
FLAWS = ("eyes swapped", "eyes removed", "warp")
# What one unit counts in a distance: a deviation along a direction, the certainty of a class of an attribute, a
# deviation of a flaw. Found by trying, with 400 painted faces against 400 at 32 and 64 px: which classes such a sample
# happens to have is most of what two samples differ by, and hair is the largest that has one.
DIRECTION_WEIGHT, FLAW_WEIGHT = 0.25, 1.0
CLASS_WEIGHTS, OTHER_CLASS_WEIGHT = {"hair": 2.5}, 1.0


class JudgeOutput(NamedTuple):
    """What the judge says of B pictures; rows never depend on each other."""

    features_BD: Tensor  # float32: about zero mean and unit variance over painted faces; forgive blur, noise, mirrors
    content_BF: Tensor  # float32: what distances between sets are taken of; forgives nothing
    tag_logits_BT: Tensor  # > 0: the tag is there
    attribute_logits: tuple[Tensor, ...]  # one (B, classes) for each group
    landmarks_BK2: Tensor  # (x, y) in [0, 1]; means nothing where there is no face
    face_logit_B: Tensor  # > 0: this is a face with two eyes

    @property
    def sees_face_B(self) -> Tensor:
        """bool: more likely a face with two eyes than not."""
        return self.face_logit_B > 0


class _Block(nn.Module):
    """x + f(x), two 3x3 convolutions (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x + self.body(x))


def _down(inside: int, outside: int) -> nn.Sequential:
    """Halves height and width."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outside), nn.SiLU()
    )


class Content(nn.Module):
    """What a picture shows, as the F numbers that distances between sets of pictures are taken of.

    Three blocks, side by side. What is to be seen at each landmark and overall, along the `DIRECTIONS` in which faces
    differ most, each in units of how much they do (`distances.whitening`). How likely each class of each attribute is:
    a set in which a hair colour is missing differs in two of these at once. And how far the picture looks like one of
    the `FLAWS`: Fisher's linear discriminants, whitened over untouched faces.

    It has no weights that are learnt by descent; without those statistics, which are stored beside the network's
    weights, all but the classes is 0.
    """

    part_mean_P: Tensor
    part_axes_KP: Tensor
    fine_mean_R: Tensor
    flaw_axes_LR: Tensor

    def __init__(self, parts: int, fine: int, attributes: Mapping[str, Sequence[str]]) -> None:
        """Args: parts: numbers P that the directions are taken of. fine: numbers R that flaws are read off."""
        super().__init__()
        self.num_features = DIRECTIONS + sum(map(len, attributes.values())) + len(FLAWS)
        self.class_weights = [CLASS_WEIGHTS.get(name, OTHER_CLASS_WEIGHT) for name in attributes]
        self.register_buffer("part_mean_P", torch.zeros(parts))
        self.register_buffer("part_axes_KP", torch.zeros(DIRECTIONS, parts))
        self.register_buffer("fine_mean_R", torch.zeros(fine))
        self.register_buffer("flaw_axes_LR", torch.zeros(len(FLAWS), fine))

    def forward(self, parts_BP: Tensor, class_logits: Sequence[Tensor], fine_BR: Tensor) -> Tensor:
        """Joins them: (B, F)."""
        return torch.cat(
            [
                DIRECTION_WEIGHT * F.linear(parts_BP.float() - self.part_mean_P, self.part_axes_KP),
                *(
                    weight * logits_BC.float().softmax(1)
                    for weight, logits_BC in zip(self.class_weights, class_logits, strict=True)
                ),
                FLAW_WEIGHT * F.linear(fine_BR.float() - self.fine_mean_R, self.flaw_axes_LR),
            ],
            1,
        )


class Sight(NamedTuple):
    """What the network has made of B pictures before its heads."""

    landmarks_BK2: Tensor
    fine_BR: Tensor  # all fine features under each landmark's heat
    features_BD: Tensor
    parts_BP: Tensor  # what labels learn from at each landmark, then the features


class Judge(nn.Module):
    """A residual network with heads for tags, attributes, landmarks and "is this a face at all".

    Landmarks are read off 16 x 16 heat maps by their centre of mass (integral regression, Sun et al. 2018), which sees
    fine and coarse features. The other heads read D features that are made of the coarse map and of fine features
    gathered under each landmark's heat: the colour of an eye is a few pixels.

    Args:
        vocabulary: whose tags and attributes it names.
        widths: of the four stages.
        num_features: D.
        painter_version: of the faces it was trained on.
        tag_f1: on held-out faces, by tag; empty: it was never examined.
        name: what scores call it: `fd_<name>`. Of another than the suite's own it tells which pictures it knows.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        widths: Sequence[int] = (32, 64, 128, 128),
        num_features: int = 96,
        painter_version: str = "",
        tag_f1: Mapping[str, float] | None = None,
        name: str = "judge",
    ) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.num_features = num_features
        self.painter_version = painter_version
        self.tag_f1 = dict(tag_f1 or {})
        self.name = name
        self.widths = tuple(widths)
        first, second, third, fourth = self.widths
        # 2 x 2 pixels become 12 channels: all that is there, at a quarter of the cost.
        self.stem = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, first, 3, padding=1, bias=False), nn.BatchNorm2d(first), nn.SiLU()
        )
        self.fine = nn.Sequential(_Block(first), _down(first, second), _Block(second))  # 16 x 16
        self.middle = nn.Sequential(_down(second, third), _Block(third))  # 8 x 8
        self.coarse = nn.Sequential(_down(third, fourth), _Block(fourth))  # 4 x 4

        self.parts = nn.Linear(second, PART_FEATURES)  # what is worth knowing at a landmark
        self.where = nn.Sequential(nn.Conv2d(fourth, 32, 1, bias=False), nn.BatchNorm2d(32), nn.SiLU(), nn.Flatten())
        self.features = nn.Sequential(
            nn.Linear(fourth + 32 * (SIZE // 16) ** 2 + PART_FEATURES * NUM_LANDMARKS, num_features, bias=False),
            # Without weights: every feature counts the same in a distance.
            nn.BatchNorm1d(num_features, affine=False),
        )
        self.tags = nn.Linear(num_features, len(vocabulary.tags))
        self.attributes = nn.ModuleList(nn.Linear(num_features, size) for size in vocabulary.attribute_sizes)
        self.face = nn.Linear(num_features, 1)
        self.content = Content(
            PART_FEATURES * NUM_LANDMARKS + num_features, second * NUM_LANDMARKS, vocabulary.attributes
        )

        self.from_middle = nn.Conv2d(third, second, 1)
        self.from_coarse = nn.Conv2d(fourth, second, 1)
        self.heat = nn.Sequential(
            nn.Conv2d(second, second, 3, padding=1, bias=False),
            nn.BatchNorm2d(second),
            nn.SiLU(),
            nn.Conv2d(second, NUM_LANDMARKS, 1),
        )

    def sight(self, images: Tensor) -> Sight:
        """Everything but the heads.

        Args:
            images: (B, 3, H, W) of any size, uint8 in 0..255 or float in [-1, 1].
        """
        x = resize(images)
        fine = self.fine(self.stem(x))
        middle = self.middle(fine)
        coarse = self.coarse(middle)

        seen = fine + F.interpolate(self.from_middle(middle), scale_factor=2, mode="bilinear")
        seen = seen + F.interpolate(self.from_coarse(coarse), scale_factor=4, mode="bilinear")
        heat_BKHW = self.heat(seen).float()
        share_BKP = heat_BKHW.flatten(2).softmax(2)

        # Detached: a landmark is where it is, not where some tag is best seen.
        fine_BKC = share_BKP.detach().to(fine.dtype) @ fine.flatten(2).transpose(1, 2)
        parts_BE = self.parts(fine_BKC).flatten(1)
        features_BD = self.features(torch.cat([coarse.mean((2, 3)), self.where(coarse), parts_BE], 1))
        landmarks_BK2 = _centre_of_mass(share_BKP.view_as(heat_BKHW))
        return Sight(landmarks_BK2, fine_BKC.flatten(1), features_BD, torch.cat([parts_BE, features_BD], 1))

    def forward(self, images: Tensor) -> JudgeOutput:
        """Looks at pictures, as `sight` takes them."""
        seen = self.sight(images)
        active_BD = F.silu(seen.features_BD)
        attribute_logits = tuple(head(active_BD).float() for head in self.attributes)
        return JudgeOutput(
            seen.features_BD.float(),
            self.content(seen.parts_BP, attribute_logits, seen.fine_BR),
            self.tags(active_BD).float(),
            attribute_logits,
            seen.landmarks_BK2,
            self.face(active_BD).float().squeeze(1),
        )

    def save(self, path: str | Path) -> None:
        """Writes float16 weights; all that the constructor takes is in the file's metadata."""
        weights = {
            name: value.half() if value.is_floating_point() else value for name, value in self.state_dict().items()
        }
        metadata = {
            "vocabulary": json.dumps(self.vocabulary.as_dict()),
            "architecture": json.dumps({"widths": self.widths, "num_features": self.num_features}),
            "painter_version": self.painter_version,
            "tag_f1": json.dumps(self.tag_f1),
            "name": self.name,
        }
        write_tensors(Path(path), weights, metadata)

    @classmethod
    def load(cls, path: str | Path = SHIPPED_WEIGHTS) -> Judge:
        """A judge in eval mode, without gradients.

        Raises:
            UserError: there are no weights, or they are not a judge's.
        """
        own = Path(path) != SHIPPED_WEIGHTS
        make = f"anime-gen judge fit PICTURES --out {path}" if own else "make judge"
        if not Path(path).exists():
            raise UserError(f"no judge weights at {path}: run `{make}` (about 15 minutes)")
        try:
            weights, metadata = read_tensors(Path(path))
            judge = cls(
                Vocabulary.from_dict(json.loads(metadata["vocabulary"])),
                **json.loads(metadata["architecture"]),
                painter_version=metadata["painter_version"],
                tag_f1=json.loads(metadata["tag_f1"]),
                name=metadata["name"],
            )
            judge.load_state_dict(weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            why = " ".join(str(error).split())
            raise UserError(f"{path}: not the weights of this version's judge; run `{make}` ({why})") from error
        return judge.eval().requires_grad_(False)


def resize(images: Tensor) -> Tensor:
    """Pictures of any size as the network sees them: (B, 3, SIZE, SIZE) float32 in [-1, 1], by `RESIZE`."""
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"pictures must be (B, 3, H, W), not {tuple(images.shape)}")
    x = images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images.float()
    if x.shape[2:] == (SIZE, SIZE):
        return x
    return F.interpolate(x, (SIZE, SIZE), mode="bilinear", antialias=True, align_corners=False)


def _centre_of_mass(share_BKHW: Tensor) -> Tensor:
    """(B, K, 2): mean position (x, y) in [0, 1] of maps that sum to 1."""
    height, width = share_BKHW.shape[2:]
    x_W = (torch.arange(width, device=share_BKHW.device) + 0.5) / width
    y_H = (torch.arange(height, device=share_BKHW.device) + 0.5) / height
    return torch.stack([share_BKHW.sum(2) @ x_W, share_BKHW.sum(3) @ y_H], 2)


def hash_weights(module: nn.Module) -> str:
    """sha256 of names, types, shapes and bytes of a module's state: says which weights gave a score."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        value = value.detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def held_out() -> dict[str, Any]:
    """`judge.json`: what the shipped judge reaches on painted faces it has never seen, and how it was trained.

    Raises:
        UserError: the file is missing.
    """
    if not SHIPPED_REPORT.exists():
        raise UserError(f"no {SHIPPED_REPORT}: run `make judge`")
    return json.loads(SHIPPED_REPORT.read_text(encoding="utf-8"))
