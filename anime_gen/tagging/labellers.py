"""The taggers that the command line can name."""

from __future__ import annotations

from pathlib import Path

from anime_gen.contract import UserError
from anime_gen.tagging.network import Labeller, Tagger
from anime_gen.tagging.wd import WDTagger, find


def open_labeller(text: str, words: str | None, device: str) -> Labeller:
    """FILE or wd:FOLDER -> the tagger.

    Raises:
        UserError: there is none, or words are asked of one that has its own.
    """
    kind, _, place = text.partition(":")
    if kind == "wd":
        chosen = None if words is None else [word for word in words.split(",") if word.strip()]
        return WDTagger.load(place, chosen).to(device)
    if words is not None:
        raise UserError("--words: this tagger has words of its own; leave the option out")
    return Tagger.load(Path(text)).to(device)


def weights_of(text: str) -> Path:
    """The file of weights that `open_labeller` would read.

    Raises:
        UserError: there is no such WD tagger.
    """
    kind, _, place = text.partition(":")
    return find(place) / "model.safetensors" if kind == "wd" else Path(text)
