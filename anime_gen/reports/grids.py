"""The pictures that runs have drawn while they trained: all of one run's, and the latest of several side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import batched
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from anime_gen.contract import UserError
from anime_gen.decode import read
from anime_gen.images import beside, cut
from anime_gen.run.folder import SAMPLES, RunFolder

# Side by side: so many runs a sheet, so many pictures of each for every condition.
RUNS_A_SHEET, SEEDS_A_RUN = 4, 2


class Drawn(NamedTuple):
    """What a run has drawn so far."""

    name: str
    config: Mapping[str, Any]
    files: dict[str, dict[int, Path]]  # what -> images shown -> file

    @property
    def latest(self) -> int | None:
        """Images shown at the latest grid of samples."""
        return max(self.files.get(SAMPLES, {}), default=None)

    @property
    def asked(self) -> str:
        """Runs for which this is equal were asked for the same pictures."""
        data = self.config["data"]
        return f"{data['image_size']} px {json.dumps(data['source'])}"

    @property
    def translates(self) -> bool:
        """Whether it is told pictures of another domain, which no panel shows."""
        return self.config["data"].get("other_domain") is not None

    @property
    def columns(self) -> int | None:
        """Pictures in a row of samples; None where the settings name no grids."""
        callbacks = self.config["trainer"]["callbacks"] or []
        return next((c["init_args"]["columns"] for c in callbacks if c["class_path"].endswith(".Grids")), None)


def drawn(run: Path, name: str, config: Mapping[str, Any] | None = None) -> Drawn:
    """What the run in a folder has drawn.

    Raises:
        UserError: no run lies there.
    """
    folder = RunFolder(run)
    return Drawn(name, config or folder.settings(), folder.drawn())


def sheets(runs: Sequence[Drawn]) -> list[list[Drawn]]:
    """Which runs to `align` on one sheet: those that were asked for the same, not too many; none that drew nothing."""
    alike: dict[str, list[Drawn]] = {}
    for run in runs:
        if run.latest is not None and run.columns is not None:
            alike.setdefault(run.asked, []).append(run)
    return [list(members) for group in alike.values() for members in batched(group, RUNS_A_SHEET)]


def sheet(path: Path) -> Image.Image:
    """A grid that a run has drawn.

    Raises:
        UserError: it is no picture.
    """
    try:
        return Image.fromarray(read(path))
    except Exception as reason:  # whatever a broken file leads Pillow to
        raise UserError(f"{path} is no picture that can be read ({reason}): delete it") from reason


def align(runs: Sequence[Drawn]) -> Image.Image:
    """A row for each condition; in it the first seeds of each run, at its latest grid."""
    cuts = []
    for run in runs:
        assert run.latest is not None
        assert run.columns is not None
        cuts.append(cut(sheet(run.files[SAMPLES][run.latest]), run.columns, run.config["data"]["image_size"]))
    told = max((panels for panels, _ in cuts), key=lambda panels: panels.width)
    titles = [
        f"{run.name.replace('/', '\n')}\n{run.latest:,} images"
        + ("" if panels.width or run.translates else "\n(told nothing)")
        for run, (panels, _) in zip(runs, cuts, strict=True)
    ]
    return beside(told, titles, [[row[:SEEDS_A_RUN] for row in rows] for _, rows in cuts])
