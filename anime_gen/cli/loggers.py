"""What `--trainer.logger` names, beside the run's own TensorBoard files and inside its folder."""

from __future__ import annotations

import csv
import os
import pkgutil
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from lightning_utilities.core.imports import RequirementCache

from anime_gen.contract import UserError
from anime_gen.files import atomic

# As in pyproject.toml; older ones cannot look for an account without asking for one.
WANDB = "wandb>=0.31"

# Defaults of theirs that are no use here: Lightning wants a folder, and makes lightning_logs/version_0 in it.
IN_THE_RUN: dict[type, dict[str, str]] = {
    TensorBoardLogger: {"save_dir": ".", "name": "", "version": ""},
    CSVLogger: {"save_dir": ".", "name": "", "version": ""},
}
INSTALL = "uv pip install -e '.[wandb]' in the project's folder (.venv/bin/uv, or pip)"


def possible() -> str:
    """What `--trainer.logger` may be."""
    missing = "" if RequirementCache(WANDB) else f" (not installed: {INSTALL})"
    return (
        f"it is CSVLogger, WandbLogger{missing}, several ([CSVLogger,WandbLogger]) or false; "
        "--trainer.logger.help NAME lists keys"
    )


def loggers(told: Any, run: Path) -> list[Logger] | bool:
    """TensorBoard's, which the dashboard reads, and those that were told; none at all where that was `false`.

    Args:
        told: `trainer.logger` of the configuration.
        run: the run's folder. What they call `save_dir` is relative to it.

    Raises:
        UserError: one needs a package or an account that there is not, or other settings.
    """
    if told is False:
        return False
    own = TensorBoardLogger(run, name="", version="", sub_dir="")
    several = told if isinstance(told, list) else [] if told in (None, True) else [told]
    made = [logger(one, run) for one in several]
    return [own, *(one for one in made if not (isinstance(one, TensorBoardLogger) and one.log_dir == own.log_dir))]


def logger(told: Namespace, run: Path) -> Logger:
    """One logger of the configuration.

    Raises:
        UserError: as `loggers`.
    """
    kind: type[Logger] = pkgutil.resolve_name(told.class_path)
    settings: dict[str, Any] = {**told.get("init_args", {}), **told.get("dict_kwargs", {})}
    if "save_dir" in settings:
        settings["save_dir"] = str(run / (settings["save_dir"] or "."))
    if issubclass(kind, WandbLogger):
        settings |= of_wandb(settings, run)
    try:
        made = kind(**settings)
    except ModuleNotFoundError as reason:
        raise UserError(f"trainer.logger: {kind.__name__} needs a package that is not installed: {reason}") from reason
    except (MisconfigurationException, TypeError, ValueError) as reason:
        raise UserError(f"trainer.logger: {kind.__name__}: {' '.join(str(reason).split())}") from reason
    if isinstance(made, CSVLogger):
        # Lightning's own would delete the file of a run that is resumed, and write it when that ends.
        made._experiment = Rows(Path(made.log_dir) / "metrics.csv")  # type: ignore[assignment]
    return made


def refused(error: Exception) -> str | None:
    """What wandb complains of, which is no fault of the code's, and what to do; None of any other error."""
    if not type(error).__module__.startswith("wandb."):
        return None
    return f"trainer.logger: WandbLogger: {' '.join(str(error).split())}; without a network: WANDB_MODE=offline"


def of_wandb(settings: Mapping[str, Any], run: Path) -> dict[str, Any]:
    """What a run is called at Weights & Biases, and which one a resumed run goes on with.

    Raises:
        UserError: it is not installed, or wants an account that nobody is logged in to.
    """
    if not RequirementCache(WANDB):
        raise UserError(f"trainer.logger: WandbLogger needs the package {WANDB}: {INSTALL}")
    import wandb

    # `mode` is a key of wandb's own.
    offline = settings["offline"] or (settings.get("mode") or wandb.setup().settings.mode) not in ("online", "shared")
    try:
        known = offline or wandb.login(prompt=False)
    except Exception as error:
        raise UserError(refused(error) or str(error)) from error
    if not known:
        raise UserError(
            "trainer.logger: WandbLogger finds no account: WANDB_MODE=offline keeps everything in the run's folder, "
            "and `wandb login` (or WANDB_API_KEY) names an account"
        )
    earlier = sorted(
        (found[1], found[2])
        for path in Path(settings["save_dir"]).glob("wandb/*run-*")
        if (found := re.search(r"run-(\d+_\d+)-(.+)", path.name))
    )
    return {
        "name": settings["name"] or "/".join(run.resolve().parts[-2:]),
        "project": settings["project"] or os.environ.get("WANDB_PROJECT", "anime_gen"),
        "id": settings["version"] or settings["id"] or (earlier[-1][1] if earlier else None),
    }


class Rows:
    """A CSV file that is whole after every call: one row for each number of images shown at which something was logged.

    A file that is there is gone on with. What a killed run wrote after its last checkpoint comes again when it is
    resumed, and takes the place of the old rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns = ["step"]
        self.rows: list[dict[str, Any]] = []
        self._last: int | None = None  # where the last row begins in the file; None: it must be written anew
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                self.rows = list(reader)
                self.columns = list(reader.fieldnames or self.columns)

    def log_metrics(self, metrics: Mapping[str, Any], step: int) -> None:
        """Adds to the row of this step, which comes after all others."""
        while self.rows and int(self.rows[-1]["step"]) > step:
            self.rows.pop()
            self._last = None
        if new := [name for name in metrics if name not in self.columns]:
            self.columns += new
            self._last = None
        values = {name: float(value) for name, value in metrics.items()}
        again = bool(self.rows) and int(self.rows[-1]["step"]) == step
        if again:
            self.rows[-1] |= values
        else:
            self.rows.append({"step": step, **values})
        if self._last is None:
            self._write()
            return
        with self.path.open("r+", newline="", encoding="utf-8") as file:
            self._last = file.seek(self._last) if again else file.seek(0, os.SEEK_END)
            file.truncate()
            csv.DictWriter(file, self.columns).writerow(self.rows[-1])

    def _write(self) -> None:
        with atomic(self.path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows[:-1])
            self._last = file.tell()
            writer.writerow(self.rows[-1])

    def log_hparams(self, params: Mapping[str, Any]) -> None:
        """The run's config.yaml has them."""

    def save(self) -> None:
        """It is."""
