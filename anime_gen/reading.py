"""Files that may be anybody's, or cut short: what they say, or one line that names them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from anime_gen.errors import UserError

if TYPE_CHECKING:
    import numpy as np  # without it, what only reads texts need not load it


def read_bytes(path: Path) -> bytes:
    """Raises: UserError: it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def parse_json(content: bytes | str, where: str) -> Any:
    """Any of the encodings of JSON, with a byte order mark or without.

    Raises:
        UserError: it is not JSON, or so deep that nobody has written it.
    """
    if not content.strip():
        raise UserError(f"{where} is empty")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON: {error}") from error


def read_json(path: Path) -> Any:
    """As `parse_json`, of a file."""
    return parse_json(read_bytes(path), str(path))


def read_yaml(path: Path) -> Any:
    """Plain values: a tag that names a class is refused.

    Raises:
        UserError: it cannot be read, or is no YAML.
    """
    try:
        return yaml.safe_load(read_bytes(path))
    except (yaml.YAMLError, ValueError, RecursionError) as reason:
        raise UserError(f"{path} is no YAML: {' '.join(str(reason).split())}") from reason


def map_array(path: Path) -> np.memmap:
    """An array of the cache, in its file.

    Raises:
        UserError: it is not whole.
    """
    import numpy as np

    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): delete it, and the next run makes it anew") from error
