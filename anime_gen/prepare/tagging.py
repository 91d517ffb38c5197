"""Tags of prepared faces, by any tagger of the suite: what nobody wrote is filled in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from anime_gen.contract import UserError
from anime_gen.data.manifest import Manifest
from anime_gen.tagging.completion import by_beliefs
from anime_gen.tagging.labellers import open_labeller, weights_of
from anime_gen.tagging.network import Beliefs, Labeller
from anime_gen.tagging.writing import given_labels, prepared, with_guesses


class Tagging:
    """A tagger, opened where it works.

    Args:
        tagger: a file of `anime-gen tagger fit`, or wd:FOLDER.
        words: of wd only: which tags to use, comma separated; None for S5's.
        least: how sure it must be of a label.
        device: where to run.
    """

    def __init__(self, tagger: str, words: str | None = None, least: float = 0.5, device: str = "cpu") -> None:
        self.tagger, self.words, self.least, self.device = tagger, words, least, device

    def check(self) -> None:
        """Raises: UserError: there is no such tagger, or a number cannot be."""
        if not 0 <= self.least <= 1:
            raise UserError(f"--least_tag {self.least}: a confidence from 0 to 1")
        self._labeller  # noqa: B018  opening it is the check

    def describe(self) -> dict[str, Any]:
        """Everything that another program needs to give the same tags."""
        with weights_of(self.tagger).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"weights": digest, "words": self.words, "least": self.least}

    def beliefs(self, picture: Path) -> tuple[tuple[float, ...], ...]:
        """Probabilities of one picture's labels: of the tags, and of each group's classes."""
        seen = self._labeller.look(self._labeller.open(picture)[None].float() / 127.5 - 1)
        told = self._labeller.beliefs(seen)
        return tuple(tuple(round(value, 4) for value in part[0].tolist()) for part in (told.tags_NT, *told.classes))

    def filled(self, manifest: Manifest, beliefs: Sequence[tuple[tuple[float, ...], ...]]) -> Manifest:
        """The rows, with guesses where nobody wrote a label; `beliefs` has an entry for each, in order."""
        vocabulary = self._labeller.vocabulary
        base = prepared(manifest, [row.file for row in manifest.rows], vocabulary)
        tags, *classes = (torch.tensor(part) for part in zip(*beliefs, strict=True))
        labels = given_labels(base, vocabulary)
        completed = by_beliefs(Beliefs(tags, tuple(classes)), self._labeller.thresholds, labels, self.least)
        return with_guesses(base, vocabulary, completed)

    @cached_property
    def _labeller(self) -> Labeller:
        return open_labeller(self.tagger, self.words, self.device)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_labeller"}
