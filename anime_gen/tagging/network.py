"""The tagger: one network, a head of independent tags and one for each exclusive group (Illustration2Vec's form).

Saito & Matsui 2015 put sigmoids on a VGG; here a timm backbone trained from scratch does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anime_gen.contract import UserError
from anime_gen.decode import decode
from anime_gen.files import read_tensors, write_tensors
from anime_gen.tagging.calibration import Calibration
from anime_gen.vocabulary import Vocabulary

# Half of ResNet-10-T's width, a quarter of its weights: about as good in the first minutes on one core.
SLIM: Mapping[str, Any] = {"channels": [32, 64, 128, 256]}
# Pictures of at most this many pixels keep their detail: the stem does not pool.
SMALL = 96
KIND = "anime_gen tagger"


class Seen(NamedTuple):
    """What a tagger makes of B pictures."""

    features_BD: Tensor
    tag_logits_BT: Tensor
    class_logits: tuple[Tensor, ...]  # (B, classes) of each group


def on_cpu(seen: Seen) -> Seen:
    """What is done with it next is little work."""
    return Seen(seen.features_BD.cpu(), seen.tag_logits_BT.cpu(), tuple(part.cpu() for part in seen.class_logits))


class Beliefs(NamedTuple):
    """Probabilities of N pictures' labels."""

    tags_NT: Tensor  # of each tag's presence
    classes: tuple[Tensor, ...]  # (N, classes) of each group; may sum to less than 1


class Labeller(Protocol):
    """What labels pictures: the suite's tagger, or one from elsewhere.

    Attributes:
        vocabulary: the words it knows.
        image_size: pixels a side of the pictures it looks at.
        thresholds: (T,) probability from which a tag counts as present.
    """

    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def image_size(self) -> int: ...
    @property
    def thresholds(self) -> Tensor: ...

    def open(self, path: Path) -> Tensor:
        """A file as the labeller looks at it: uint8 (3, image_size, image_size), RGB."""
        ...

    def look(self, image_BCHW: Tensor) -> Seen:
        """Looks at pictures in [-1, 1] on the device that it is on, and answers on the CPU; no gradients."""
        ...

    def beliefs(self, seen: Seen) -> Beliefs:
        """Calibrated probabilities."""
        ...


class Tagger(nn.Module):
    """Says which tags and classes a picture shows.

    Args:
        vocabulary: the words; their order is part of the weights.
        image_size: pixels a side it is trained on; pictures of other sizes are resized.
        backbone: any timm model without a head.
        options: further arguments of the timm model; by default a slim one.
        calibration: what its scores are worth; without, they are taken as they are.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        image_size: int,
        backbone: str = "resnet10t",
        options: Mapping[str, Any] | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        super().__init__()
        import timm

        self.vocabulary, self.image_size, self.backbone_name = vocabulary, image_size, backbone
        self.options = dict(SLIM if options is None and backbone == "resnet10t" else options or {})
        try:
            self.backbone: nn.Module = timm.create_model(backbone, pretrained=False, num_classes=0, **self.options)
        except (RuntimeError, TypeError) as reason:
            raise UserError(f"tagger: timm has no backbone {backbone!r} with {self.options}: {reason}") from reason
        if image_size <= SMALL and hasattr(self.backbone, "maxpool"):
            self.backbone.maxpool = nn.Identity()
        width: int = self.backbone.num_features  # type: ignore[assignment]
        self.dropout = nn.Dropout(0.2)
        # Tags first, then each group's classes.
        self._sizes = [len(vocabulary.tags), *vocabulary.attribute_sizes]
        self.heads = nn.Linear(width, sum(self._sizes))
        # Most tags are rare: no need to unlearn that they are not.
        nn.init.constant_(self.heads.bias[: len(vocabulary.tags)], -2.0)
        self.calibration = calibration or Calibration.none(len(vocabulary.tags), len(vocabulary.attributes))

    @property
    def needs(self) -> frozenset[str]:
        """The fields of `Condition` that it learns from."""
        known = {"attribute": self.vocabulary.attributes, "tag": self.vocabulary.tags}
        fields = {"attribute": ("attributes_BA", "attribute_confidence_BA"), "tag": ("tags_BT", "tag_confidence_BT")}
        return frozenset(field for kind, some in known.items() if some for field in fields[kind])

    @property
    def thresholds(self) -> Tensor:
        return self.calibration.thresholds_T

    def forward(self, image_BCHW: Tensor) -> Seen:
        """Features and logits of pictures in [-1, 1], of any size."""
        if image_BCHW.shape[2:] != (self.image_size, self.image_size):
            side = (self.image_size, self.image_size)
            image_BCHW = F.interpolate(image_BCHW, side, mode="bilinear", antialias=True, align_corners=False)
        features_BD = self.backbone(image_BCHW)
        tags_BT, *groups = self.heads(self.dropout(features_BD)).float().split(self._sizes, 1)
        return Seen(features_BD.float(), tags_BT, tuple(groups))

    def open(self, path: Path) -> Tensor:
        return torch.from_numpy(decode(path, self.image_size).copy()).permute(2, 0, 1)

    @torch.no_grad()
    def look(self, image_BCHW: Tensor) -> Seen:
        seen: Seen = self(image_BCHW.to(self.heads.weight.device))
        return on_cpu(seen)

    def beliefs(self, seen: Seen) -> Beliefs:
        return Beliefs(
            self.calibration.tags(seen.tag_logits_BT),
            tuple(self.calibration.classes(group, logits) for group, logits in enumerate(seen.class_logits)),
        )

    def save(self, path: Path) -> None:
        """Writes the weights as safetensors; all that the constructor takes is in the file's metadata."""
        metadata = {
            "kind": KIND,
            "vocabulary": json.dumps(self.vocabulary.as_dict()),
            "image_size": str(self.image_size),
            "backbone": json.dumps({"backbone": self.backbone_name, "options": self.options}),
            "calibration": json.dumps(self.calibration.as_dict()),
        }
        write_tensors(path, self.state_dict(), metadata)

    @classmethod
    def load(cls, path: Path) -> Tagger:
        """A tagger in eval mode, without gradients.

        Raises:
            UserError: there is no such file, or it holds something else, such as the judge.
        """
        if not path.is_file():
            raise UserError(f"there is no tagger {path}: train one with anime-gen tagger fit --out {path}")
        try:
            weights, told = read_tensors(path)
            if "painter_version" in told:
                raise UserError(f"{path} is a judge: what scores pictures must not label them; train a tagger")
            if told.get("kind") != KIND:
                raise UserError(f"{path} is no tagger of this suite: train one with anime-gen tagger fit")
            tagger = cls(
                Vocabulary.from_dict(json.loads(told["vocabulary"])),
                int(told["image_size"]),
                **json.loads(told["backbone"]),
                calibration=Calibration.from_dict(json.loads(told["calibration"])),
            )
            tagger.load_state_dict(weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as reason:
            text = " ".join(str(reason).split())[:200]
            raise UserError(
                f"{path} does not hold the weights of this version's tagger ({text}); train anew"
            ) from reason
        return tagger.eval().requires_grad_(False)
