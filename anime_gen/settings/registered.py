"""Which classes settings may name that came with somebody else's run: the suite's own, and Lightning's.

A class is imported to be made, and an import runs code. A user's own file of settings may name any class; a checkpoint,
and the settings that lie in a run's folder, may have come from anywhere.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anime_gen.errors import UserError
from anime_gen.settings.aliases import path_today

# Parts of the suite whose classes a YAML names.
PARTS = ("blocks", "callbacks", "conditions", "data", "families", "metrics")
# Packages, with commas between, whose classes may be named, too.
TRUST = "ANIME_GEN_TRUST"

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


def check_classes(written: Any, where: Path) -> None:
    """Holds settings, and hyper-parameters of a checkpoint, to classes that are registered, before any is imported.

    Raises:
        UserError: another one is named.
    """
    for path, is_class in _named(written):
        package = path.split(".")[0]
        if registered(path) or package in os.environ.get(TRUST, "").split(","):
            continue
        # A parameter that takes a class takes its name, too; most texts are none.
        if is_class or (_PATH.fullmatch(path) and importlib.util.find_spec(package) is not None):
            raise UserError(
                f"{where} names {path}, which is no class of this suite: loading it would run code that may be "
                f"anybody's; if you trust it, say so: {TRUST}={package}"
            )


def registered(path: str) -> bool:
    """Whether a class path is one of the suite's own, of any version, or of Lightning's."""
    if path.startswith("lightning.pytorch."):
        return True
    *package, name = path_today(path).split(".")
    return len(package) > 1 and package[0] == "anime_gen" and package[1] in PARTS and name[:1].isupper()


def _named(written: Any) -> Iterator[tuple[str, bool]]:
    """Every text that may be the path of a class, and whether it can be nothing else."""
    if isinstance(written, str):
        yield written, False
    elif isinstance(written, list | tuple):
        for part in written:
            yield from _named(part)
    elif isinstance(written, dict):
        for name, value in written.items():
            if name in ("class_path", "_class_path", "_instantiator") and isinstance(value, str) and "." in value:
                yield value, True
            else:
                yield from _named(value)
