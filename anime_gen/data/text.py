"""A trained text tower that reads the captions, once for each data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from anime_gen.contract import UserError
from anime_gen.data.cache import writing
from anime_gen.data.source import content_hash
from anime_gen.files import atomic
from anime_gen.reading import map_array


class OpenClip:
    """OpenCLIP's text tower and tokenizer (S1's text encoder).

    Args:
        weights: state dict of the whole model or of its text side: .safetensors, .pt or .bin.
        model: open_clip's name of the architecture those weights are of.

    Raises:
        UserError: the file is not there.
    """

    def __init__(self, weights: Path, model: str = "ViT-B-32") -> None:
        self.weights, self.model = Path(weights).expanduser(), model
        if not self.weights.is_file():
            raise UserError(
                f"data.text: there are no weights at {self.weights}: fetch open_clip_model.safetensors of "
                "huggingface.co/laion/CLIP-ViT-B-32-laion2B-s34B-b79K (600 MB) and name it as data.text.weights"
            )
        self._config()

    @property
    def width(self) -> int:
        """D of the features: CLIP's embedding width."""
        return int(self._config()["embed_dim"])

    def describe(self) -> dict[str, str]:
        """For a checkpoint and for protocols."""
        return {"model": self.model, "weights": str(self.weights)}

    def features(self, captions: Sequence[str | None], folder: Path) -> np.ndarray:
        """Reads captions, or maps what was read before: float32 (N, D), NaN where there is none.

        Args:
            captions: any number, each distinct one of which is read once.
            folder: where features are kept, by the content of captions and weights.

        Raises:
            UserError: the weights do not fit the model, or the folder cannot be written.
        """
        path = folder / f"text-{content_hash(self.model, self._weights_hash(), list(captions))}.npy"
        if not path.exists():
            words = sorted({caption for caption in captions if caption})
            known = dict(zip(words, self.read(words, progress=True), strict=True))
            nothing = np.full(self.width, np.nan, np.float32)
            rows = np.stack([known.get(caption or "", nothing) for caption in captions])
            with writing(path, rows.nbytes), atomic(path) as draft, draft.open("wb") as file:
                np.save(file, rows)
        return map_array(path)

    @torch.inference_mode()
    def read(self, captions: Sequence[str], progress: bool = False) -> np.ndarray:
        """CLIP's text embeddings, not normalised: float32 (N, D)."""
        import open_clip

        if not captions:
            return np.zeros((0, self.width), np.float32)
        network = self._network()
        tokenize = open_clip.get_tokenizer(self.model)
        starts = tqdm(range(0, len(captions), 64), "reading captions", unit="x64", disable=not progress, leave=False)
        found = [network.encode_text(tokenize(list(captions[start : start + 64]))).numpy() for start in starts]
        return np.concatenate(found).astype(np.float32)

    def _config(self) -> dict[str, Any]:
        import open_clip

        config = open_clip.get_model_config(self.model)
        if config is None:
            raise UserError(f"data.text.model={self.model}: open_clip knows no such model; ViT-B-32 is the usual one")
        return dict(config)

    def _network(self) -> Any:
        import open_clip

        try:
            # Read as plain tensors: a pickle could run anything.
            return open_clip.create_model(self.model, pretrained=str(self.weights), weights_only=True).eval()
        except Exception as reason:
            text = " ".join(str(reason).split())[:200]
            raise UserError(f"data.text: {self.weights} does not fit open_clip's {self.model}: {text}") from reason

    def _weights_hash(self) -> str:
        with self.weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
