"""What scores keep of real pictures, on disk: it is the same in every run on the same data."""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anime_gen.files import read_tensors, write_tensors
from anime_gen.metrics.protocol import Score, measure
from anime_gen.metrics.scores import Scores

SOURCES = Path(__file__).parent


def key(scores: Scores, pictures: dict[str, Any]) -> str:
    """A name for what these scores keep: another one for other pictures, extractors, settings or code.

    Args:
        scores: before any picture.
        pictures: what tells the pictures from others, as plain values: hashes of their content, how many, their size.
    """
    # Versions that people raise would be forgotten, and old numbers then mixed with new ones. The code never is: a
    # change of it that changes no number costs a second look at the pictures, and what it says of itself costs none.
    code = [computing(source.read_text(encoding="utf-8")) for source in sorted(SOURCES.rglob("*.py"))]
    parts = [[type(score).__qualname__, list(score.names), measure(score.protocol())] for score in every(scores)]
    told = json.dumps([parts, pictures, code], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def computing(source: str) -> str:
    """What a page computes: its tree without comments, layout, docstrings and annotations.

    Pythons differ in how they spell a tree: another one looks at the pictures again.
    """
    return ast.dump(_Silent().visit(ast.parse(source)))


class _Silent(ast.NodeTransformer):
    """Takes away what a page says of itself."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        # A bare name stays: it may be a field.
        plain = ast.Expr(node.target) if node.value is None else ast.Assign([node.target], node.value)
        return self.generic_visit(plain)


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
        tensors, _ = read_tensors(path)
    except (OSError, ValueError):
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
