"""The well-known WD taggers (SmilingWolf's, on timm): their own words and preparation, in the tagger's place.

Each is a folder of three files as published on the Hugging Face hub: `config.json` and `model.safetensors`, which timm
reads, and `selected_tags.csv`, whose rows (name, category) are in the order of the logits. Category 0 is general, 9 a
rating, 4 a character. Pictures are laid on a white square, resized to 448 px, and BGR; the sigmoid is outside.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from anime_gen.contract import UserError
from anime_gen.decode import read
from anime_gen.painter.parameters import EYE_COLOURS, GENDERS, HAIR_COLOURS
from anime_gen.tagging.network import Beliefs, Seen, on_cpu
from anime_gen.vocabulary import ATTRIBUTE_TAG, S5_TAGS, Vocabulary, canonical

FILES = ("config.json", "model.safetensors", "selected_tags.csv")
GENERAL = "0"
# The published threshold of general tags.
THRESHOLD = 0.35
# Which general tag says each class of a group.
SAYS = {
    "hair": {name: ATTRIBUTE_TAG["hair"].format(name) for name in HAIR_COLOURS},
    "eye": {name: ATTRIBUTE_TAG["eye"].format(name) for name in EYE_COLOURS},
    "gender": dict(zip(GENDERS, ("1girl", "1boy"), strict=True)),
}


class WDTagger(nn.Module):
    """A WD tagger, of which some words are used. In eval mode, without gradients.

    Args:
        model: a timm model, one logit for each name.
        names: its words, as published.
        categories: of the names.
        words: which to use.

    Raises:
        UserError: the files do not belong together, or it does not know a word.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], categories: Sequence[str], words: Iterable[str]) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        if model.num_classes != len(names):
            raise UserError(f"wd: {len(names)} rows of selected_tags.csv for {model.num_classes} logits: two models")
        place = {
            canonical(name): i for i, (name, kind) in enumerate(zip(names, categories, strict=True)) if kind == GENERAL
        }
        words = [canonical(word) for word in words]
        if unknown := [word for word in words if word not in place]:
            raise UserError(f"wd: this tagger has no general tag {unknown[0]!r}: leave it out of --words")
        classes = {
            group: known
            for group, says in SAYS.items()
            if len(known := {name: place[tag] for name, tag in says.items() if tag in place}) > 1
        }
        self.vocabulary = Vocabulary(words, classes)
        self._tags = [place[word] for word in words]
        self._classes = [list(places.values()) for places in classes.values()]
        told = model.pretrained_cfg
        self.image_size = int(told["input_size"][-1])  # type: ignore[index]
        self.register_buffer("_mean", torch.tensor(told["mean"]).view(3, 1, 1))  # type: ignore[index]
        self.register_buffer("_std", torch.tensor(told["std"]).view(3, 1, 1))  # type: ignore[index]

    @property
    def thresholds(self) -> Tensor:
        return torch.full((len(self._tags),), THRESHOLD)

    @classmethod
    def load(cls, place: str, words: Sequence[str] | None = None) -> WDTagger:
        """From a folder, or by its name on the hub out of what has been fetched before.

        Args:
            place: the folder, or a name such as SmilingWolf/wd-vit-tagger-v3.
            words: the tags to use; by default the labels of S5 that it knows.

        Raises:
            UserError: the files are not there, or not what they should be.
        """
        import timm

        folder = find(place)
        with (folder / FILES[2]).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or not {"name", "category"} <= rows[0].keys():
            raise UserError(f"wd: {folder / FILES[2]} has no columns name and category: fetch it anew")
        names, categories = [row["name"] for row in rows], [row["category"] for row in rows]
        if words is None:
            known = {canonical(name) for name, kind in zip(names, categories, strict=True) if kind == GENERAL}
            words = [tag for tag in S5_TAGS if tag in known]
        try:
            model = timm.create_model(f"local-dir:{folder}", pretrained=True)
        except Exception as reason:  # whatever a file of another kind leads timm to
            text = " ".join(str(reason).split())[:200]
            raise UserError(f"wd: timm cannot read the model in {folder} ({text}): fetch its files anew") from reason
        return cls(model, names, categories, words)

    def open(self, path: Path) -> Tensor:
        return torch.from_numpy(letterboxed(read(path), self.image_size)).permute(2, 0, 1)

    @torch.no_grad()
    def look(self, image_BCHW: Tensor) -> Seen:
        image_BCHW = image_BCHW.to(next(self.model.parameters()).device)
        x = ((image_BCHW.flip(1) + 1) / 2 - self._mean) / self._std  # type: ignore[operator]
        features = self.model.forward_features(x)  # type: ignore[operator]
        pooled_BD = self.model.forward_head(features, pre_logits=True)  # type: ignore[operator]
        logits = self.model.forward_head(features).float()  # type: ignore[operator]
        seen = Seen(pooled_BD.float(), logits[:, self._tags], tuple(logits[:, places] for places in self._classes))
        return on_cpu(seen)

    def beliefs(self, seen: Seen) -> Beliefs:
        scores = [logits.sigmoid() for logits in seen.class_logits]
        # Sigmoids of exclusive classes: together at most 1, and less where none of them is seen.
        return Beliefs(
            seen.tag_logits_BT.sigmoid(), tuple(score / score.sum(1, keepdim=True).clamp(min=1) for score in scores)
        )


def letterboxed(pixels: np.ndarray, size: int) -> np.ndarray:
    """The whole picture in the middle of a white square, uint8 (size, size, 3)."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    paper = np.full((side, side, 3), 255, np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    paper[top : top + height, left : left + width] = pixels
    small = Image.fromarray(paper).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(small).copy()


def find(place: str) -> Path:
    """The folder that holds a WD tagger's three files.

    Raises:
        UserError: it does not; the line says what to fetch.
    """
    folder = Path(place).expanduser()
    named = not folder.is_dir() and place.count("/") == 1
    if named:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            found = try_to_load_from_cache(place, FILES[1])
        except HFValidationError:  # a path, such as /taggers
            named = False
        else:
            folder = Path(found).parent if isinstance(found, str) else folder
    if missing := [name for name in FILES if not (folder / name).exists()]:
        repository = place if named else "SmilingWolf/wd-vit-tagger-v3"
        raise UserError(
            f"wd: there is no {missing[0]} in {folder}: fetch {', '.join(FILES)} of "
            f"https://huggingface.co/{repository} into a folder, and give it as --tagger wd:FOLDER"
        )
    return folder
