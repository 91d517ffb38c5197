"""A run folder on disk. The one place that knows a run's layout.

runs/<family>/<name>/
  config.yaml         every setting, resolved
  provenance.json     package versions, git state, command, machine
  metrics.json        scores, each with images shown, seconds and protocol
  checkpoints/        last.ckpt to go on from (last-1.ckpt: the one before), best.ckpt by score;
                      candidates/ may turn out best
  grids/              sample grids, PNG, by images shown
  predictions/        of `predict`: a picture for each test condition
  tradeoff/<setting>/ the run's scores at several values of a setting of its sampler
  classifier.*        the classifier of noisy pictures that guides it, where one was trained
  .lock               held by who trains here
  study.json          what the study that trained it knows of it
  events.out.*        TensorBoard; hparams.yaml beside it
  metrics.csv, wandb  of --trainer.logger=CSVLogger and WandbLogger
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L

from anime_gen.errors import UserError
from anime_gen.reading import read_json, read_yaml
from anime_gen.settings.aliases import today

# What the grids are called that every family draws; others have a word behind the images in their files' names.
SAMPLES = "samples"
# Checkpoints: by score, and to go on from.
BEST, LAST = "best", "last"


@dataclass(frozen=True)
class RunFolder:
    """Where everything of a run lies.

    What scores or draws by another run's checkpoint leaves the same files in a folder of its own, but no settings.
    """

    path: Path

    @classmethod
    def of(cls, trainer: L.Trainer) -> RunFolder:
        """The one that a trainer writes to."""
        return cls(Path(trainer.default_root_dir))

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def lock(self) -> Path:
        """Held by who trains here; it stays, empty, for the next."""
        return self.path / ".lock"

    @property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last(self) -> Path:
        return self.checkpoint(LAST)

    @property
    def next(self) -> Path:
        """What is being saved, before it is the last."""
        return self.checkpoint("next")

    def before_last(self, saves: int) -> Path:
        """The checkpoint that was the last so many saves ago."""
        return self.checkpoint(f"{LAST}-{saves}")

    @property
    def lasts(self) -> list[Path]:
        """The last checkpoint and those before it that are kept, the newest first."""
        before = {
            int(match[1]): path
            for path in self.checkpoints.glob(f"{LAST}-*.ckpt")
            if (match := re.fullmatch(rf"{LAST}-([1-9]\d*)", path.stem))
        }
        return [path for path in (self.last, *(before[saves] for saves in sorted(before))) if path.exists()]

    @property
    def best(self) -> Path:
        return self.checkpoint(BEST)

    def checkpoint(self, name: str) -> Path:
        return self.checkpoints / f"{name}.ckpt"

    def candidate(self, images: int) -> Path:
        """The checkpoint of a scoring that is the best, or may turn out to be."""
        return self.checkpoints / "candidates" / f"{images:09d}.ckpt"

    @property
    def grids(self) -> Path:
        return self.path / "grids"

    def grid(self, images: int, what: str = SAMPLES) -> Path:
        """A picture that was drawn after so many images."""
        return self.grids / (f"{images:09d}.png" if what == SAMPLES else f"{images:09d}_{what}.png")

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    @property
    def classifier(self) -> Path:
        """Its weights; its report and its curves have the same name, with .json and .png."""
        return self.path / "classifier.safetensors"

    @property
    def ledger(self) -> Path:
        return self.path / "study.json"

    def tradeoff(self, setting: str) -> Path:
        """A folder with what was found by varying a setting of the sampler."""
        return self.path / "tradeoff" / setting

    @property
    def is_run(self) -> bool:
        """Whether a run lies here, rather than nothing, or scores of a run elsewhere."""
        return self.config.is_file()

    def leave_word(self, rank: int, reason: str) -> None:
        """Tells the rank that speaks for all why this one ends."""
        (self.path / f".rank-{rank}").write_text(reason, encoding="utf-8")

    def last_words(self) -> dict[int, str]:
        """Why ranks have ended that said so."""
        return {int(path.name.rpartition("-")[2]): path.read_text(encoding="utf-8") for path in self._words}

    @property
    def _words(self) -> list[Path]:
        return list(self.path.glob(".rank-*"))

    def sweep(self) -> None:
        """Takes away what saves left that a kill cut short, and what ranks have said. Only for who trains here."""
        for folder in (self.path, self.checkpoints, self.candidate(0).parent, self.grids):
            for draft in folder.glob("*.tmp"):
                draft.unlink()
        for word in self._words:
            word.unlink()

    def withdraw(self) -> None:
        """Takes away what a run leaves that is refused before its first batch; folders only where they are empty."""
        hparams, events = self.path / "hparams.yaml", self.path.glob("events.out.*")
        for file in (self.lock, self.config, self.provenance, hparams, *events, *self._words):
            file.unlink(missing_ok=True)
        for folder in (self.checkpoints, self.grids, self.path):
            with suppress(OSError):
                folder.rmdir()

    def existing(self) -> RunFolder:
        """Itself.

        Raises:
            UserError: no run lies here.
        """
        if not self.is_run:
            raise UserError(f"{self.path} is no run (it has no config.yaml); runs lie under runs/<family>/<name>")
        return self

    def settings(self) -> dict[str, Any]:
        """Every setting of the run, as its YAML nests them, by today's names.

        Raises:
            UserError: no run lies here, or its settings cannot be read.
        """
        config = self.existing().config
        settings = today(read_yaml(config))
        if not isinstance(settings, dict):
            raise UserError(f"{config} is not the settings of a run")
        return settings

    def sittings(self) -> list[dict[str, Any]]:
        """What is known of every start of the run; nothing where it has only just begun.

        Raises:
            UserError: the file is not whole, or another one.
        """
        if not self.provenance.exists():
            return []
        sittings = read_json(self.provenance)
        if not isinstance(sittings, list) or not all(map(_is_sitting, sittings)):
            raise UserError(f"{self.provenance} does not say when a run was started: move it away")
        return sittings

    def drawn(self) -> dict[str, dict[int, Path]]:
        """What is in the pictures -> images shown -> file, in order."""
        found: dict[str, dict[int, Path]] = {}
        for path in sorted(self.grids.glob("*.png")):
            if match := re.fullmatch(r"(\d+)(?:_(\w+))?", path.stem):
                found.setdefault(match[2] or SAMPLES, {})[int(match[1])] = path
        return found


def _is_sitting(told: Any) -> bool:
    """Whether each fact that is known of a start is of its kind; earlier versions may have known fewer."""
    kinds = {"started": str, "git": dict, "machine": dict, "packages": dict}
    return isinstance(told, dict) and all(isinstance(told.get(name, kind()), kind) for name, kind in kinds.items())


def checkpoint_of(run: Path, name: str = BEST) -> Path:
    """The checkpoint file of a run folder (`best`, or `last` where no score has chosen one), or `run` if it is a file.

    Raises:
        UserError: nothing to load there.
    """
    if run.is_file():
        return run
    if not run.is_dir():
        raise UserError(f"{run} is no run: give a folder such as runs/diffusion/NAME, or a .ckpt file")
    folder = RunFolder(run)
    for candidate in (name, LAST) if name == BEST else (name,):
        path = folder.checkpoint(candidate)
        if path.exists():
            return path
    held = ", ".join(sorted(path.stem for path in folder.checkpoints.glob("*.ckpt")))
    raise UserError(f"{run} holds no checkpoint {name!r}" + (f"; it holds: {held}" if held else " yet"))


def run_of(checkpoint: Path) -> Path:
    """The run folder that a checkpoint file lies in."""
    return checkpoint.parent.parent
