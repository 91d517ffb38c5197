"""A file of settings may begin with `base: NAME`: it says what it changes of NAME.yaml in its folder."""

from __future__ import annotations

from pathlib import Path

from anime_gen.contract import UserError
from anime_gen.reading import read_yaml


def base_of(path: Path) -> Path | None:
    """The file that this one changes; None where it stands alone.

    Raises:
        UserError: it is no YAML, or names a file that there is not.
    """
    settings = read_yaml(path)
    if not isinstance(settings, dict) or "base" not in settings:
        return None
    base = path.with_name(f"{settings['base']}.yaml")
    if not base.is_file():
        there = ", ".join(sorted(other.stem for other in path.parent.glob("*.yaml") if other != path))
        raise UserError(f"{path}: base: there is no {base}; there are: {there}")
    return base


def with_bases(path: Path) -> list[Path]:
    """The files that are read for this one, in that order: a later one wins, and it is the last.

    Raises:
        UserError: a base is no YAML, is not there, or is based on this file itself.
    """
    files = [path]
    while base := base_of(files[0]):
        if base in files:
            circle = " -> ".join(file.stem for file in [*reversed(files), base])
            raise UserError(f"{path}: base goes round in a circle: {circle}")
        files.insert(0, base)
    return files
