"""Where a run lies that is begun: under the name that it is given, or one of its own."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from jsonargparse import Namespace

from anime_gen.contract import UserError
from anime_gen.run.folder import RunFolder, run_of


def default_run(verb: str | None, config: Namespace) -> str:
    """runs/<family>/<time>; to score or sample the checkpoint of a run, a folder beside that run's."""
    if verb not in (None, "fit"):
        checkpoint = Path(config.ckpt_path)
        run = RunFolder(run_of(checkpoint))
        if checkpoint.parent == run.checkpoints:
            return f"{run.path}-{verb}"
    # A family's YAML has the name that `make experiment` knows it by; several may share one class.
    yamls = [Path(str(path)) for path in config.config or []]
    family = next(
        (yaml.stem for yaml in reversed(yamls) if yaml.parent.name == "family"),
        config.model.class_path.split(".families.")[-1].split(".")[0],
    )
    return f"runs/{family}/{time.strftime('%Y%m%d-%H%M%S')}"


def unclaimed(folder: Path) -> Path:
    """Makes a folder of this name, or, where another run of the same second has it, with a number behind the name."""
    places = (folder.with_name(f"{folder.name}-{number}") for number in itertools.count(2))
    return next(place for place in itertools.chain([folder], places) if _made(place))


def _made(place: Path) -> bool:
    """Whether it was this process that made the folder."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.mkdir()
    except FileExistsError:
        return False
    except OSError as reason:
        raise UserError(f"--run: cannot make {place} ({reason.strerror})") from reason
    return True


def claim(folder: Path) -> Path:
    """Makes the run folder that the user has named.

    Raises:
        UserError: it holds a run already, or cannot be made.
    """
    if RunFolder(folder).is_run:
        raise UserError(f"{folder} holds a run already: give another --run (NAME=...), or go on with RESUME={folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise UserError(f"--run: cannot make {folder} ({reason.strerror})") from reason
    return folder
