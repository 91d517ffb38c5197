"""What scores keep of real pictures, on disk: it is the same in every run on the same data."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from anime_gen.files import write_tensors
from anime_gen.metrics.protocol import Score, measure
from anime_gen.metrics.scores import Scores

SOURCES = Path(__file__).parent


def key(scores: Scores, pictures: dict[str, Any]) -> str:
    """A name for what these scores keep: another one for other pictures, extractors, settings or code.

    Args:
        scores: before any picture.
        pictures: what tells the pictures from others, as plain values: hashes of their content, how many, their size.
    """
    code = hashlib.sha256()
    for source in sorted(SOURCES.rglob("*.py")):
        code.update(source.read_bytes())
    parts = [[type(score).__qualname__, list(score.names), measure(score.protocol())] for score in every(scores)]
    told = json.dumps([parts, pictures, code.hexdigest()], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def save(scores: Scores, path: Path) -> None:
    """Writes what they keep, atomically.

    Raises:
        OSError: the place cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for number, score in enumerate(every(scores)):
        tensors |= {f"{number}.{name}": state for name, state in kept(score).items()}
    write_tensors(path, tensors)


def load(scores: Scores, path: Path) -> bool:
    """Gives the scores back what was saved.

    Returns:
        Whether there was such a file.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        return False
    for number, score in enumerate(every(scores)):
        for name in kept(score):
            state = tensors[f"{number}.{name}"].to(score.device)
            setattr(score, name, [state] if isinstance(getattr(score, name), list) else state)
    return True


def every(scores: Scores) -> list[Score]:
    """All scores, those inside of others too."""
    return [part for part in scores.modules() if isinstance(part, Score)]


def kept(score: Score) -> dict[str, Tensor]:
    """The states of a score that survive a reset, each as one tensor."""
    return {name: _whole(getattr(score, name), score.device) for name in score._defaults if name.startswith(score.kept)}


def _whole(state: Tensor | list[Tensor], device: torch.device) -> Tensor:
    if isinstance(state, Tensor):
        return state
    return torch.cat(state) if state else torch.zeros(0, device=device)
