"""A run folder on disk, and the family inside it. The one place that knows a run's layout.

runs/<family>/<name>/
  config.yaml         every setting, resolved
  provenance.json     package versions, git state, command, machine
  metrics.json        scores, each with images shown, seconds and protocol
  checkpoints/        last.ckpt to go on from, best.ckpt by score
  grids/              sample grids, PNG, by images shown
  predictions/        of `predict`: a picture for each test condition
  tradeoff/<setting>/ the run's scores at several values of a setting of its sampler
  classifier.*        the classifier of noisy pictures that guides it, where one was trained
  study.json          what the study that trained it knows of it
  events.out.*        TensorBoard
  metrics.csv, wandb  of --trainer.logger=CSVLogger and WandbLogger
"""

from __future__ import annotations

import io
import json
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
import yaml
from torch import Tensor

from anime_gen.aliases import parameters_today, path_today, today, weights_today
from anime_gen.conditions import FIELDS, KINDS, Condition, Facts
from anime_gen.conditions.kind import Asking, Form
from anime_gen.contract import GenerativeModule, LatentSpace, UserError
from anime_gen.vocabulary import Vocabulary

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
    def best(self) -> Path:
        return self.checkpoint(BEST)

    def checkpoint(self, name: str) -> Path:
        return self.checkpoints / f"{name}.ckpt"

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
        try:
            settings = today(yaml.safe_load(config.read_text(encoding="utf-8")))
        except yaml.YAMLError as reason:
            raise UserError(f"{config} is no YAML: {' '.join(str(reason).split())}") from reason
        if not isinstance(settings, dict):
            raise UserError(f"{config} is not the settings of a run")
        return settings

    def sittings(self) -> list[dict[str, Any]]:
        """What is known of every start of the run; nothing where it has only just begun.

        Raises:
            UserError: the file is not whole.
        """
        if not self.provenance.exists():
            return []
        try:
            sittings: list[dict[str, Any]] = json.loads(self.provenance.read_text(encoding="utf-8"))
        except ValueError as reason:
            raise UserError(f"{self.provenance} is not whole ({reason}); move it away") from reason
        return sittings

    def drawn(self) -> dict[str, dict[int, Path]]:
        """What is in the pictures -> images shown -> file, in order."""
        found: dict[str, dict[int, Path]] = {}
        for path in sorted(self.grids.glob("*.png")):
            if match := re.fullmatch(r"(\d+)(?:_(\w+))?", path.stem):
                found.setdefault(match[2] or SAMPLES, {})[int(match[1])] = path
        return found


class Trained(NamedTuple):
    """A family ready to sample, the words and the text tower (if any) it knows, and the file it was loaded from."""

    module: GenerativeModule
    vocabulary: Vocabulary
    text: dict[str, str] | None
    images_shown: int
    path: Path

    @property
    def facts(self) -> Facts:
        """What the shapes of its conditions depend on."""
        return Facts(self.module.image_size, self.vocabulary, self.module.hparams.get("text_width", 0))

    def asked(
        self, given: Mapping[str, Form], settings: Any = None, read: Callable[[str], Tensor] | None = None
    ) -> Condition:
        """One row of what is asked for; nothing else that the family is told is given.

        Args:
            given: what is asked for, by the options of `anime_gen.conditions`.
            settings: how to sample; None: as the family's own say.
            read: features of a caption by the text tower, for a family that takes them.

        Raises:
            UserError: the family was not trained with it, or it cannot be read.
        """
        needs = self.module.needs_for(self.module.settings if settings is None else settings)
        row = {name: FIELDS[name].nothing(self.facts) for name in needs}
        asking, filled = Asking(self.facts, read), dict[str, str]()
        for kind in KINDS.values():
            for option in kind.options:
                if option.name not in given:
                    continue
                if not option.fields & needs:
                    family = type(self.module).__name__
                    raise UserError(f"{option.name}: {family} was trained without {kind.plural}; leave it out")
                if twice := [filled[name] for name in option.fields if name in filled]:
                    raise UserError(f"{twice[0]} and {option.name}: give one of the two")
                try:
                    rows = option.rows(given[option.name], asking)
                except UserError as reason:
                    raise UserError(f"{option.name}: {reason}") from reason
                row |= {name: part for name, part in rows.items() if name in needs}
                filled |= dict.fromkeys(option.fields, option.name)
        return Condition(**row)


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


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint of the suite holds; its tensors stay on disk until they are used.

    Raises:
        UserError: there is no such file, or it is something else.
    """
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        saved["family"], saved["state_dict"]
    except FileNotFoundError as reason:
        raise UserError(f"there is no checkpoint {path}") from reason
    except Exception as reason:
        raise UserError(f"{path} is not a checkpoint of this suite") from reason
    return saved


def load(run: Path, checkpoint: str = BEST, device: str = "cpu") -> Trained:
    """Loads the family of a run with its averaged weights (the trained ones of a run without EMA), in eval mode.

    Raises:
        UserError: no checkpoint, a file that is not one of ours, or one of a version that the code has left behind.
    """
    path = checkpoint_of(run, checkpoint)
    saved = read_checkpoint(path)
    try:
        # What a checkpoint carries is read from there: where it once came from may be gone.
        carried: dict[str, Any] = {name: str(path) for name in saved.get("carried", {})}
        module = _made(saved, path, **carried)
        if "EMA" in saved.get("callbacks", {}):
            module.averaged.load_state_dict(weights_today(saved["callbacks"]["EMA"]["averaged"]))
        data = saved["AnimeFaces"]
        vocabulary = Vocabulary.from_dict(data["vocabulary"])
    except Exception as reason:
        raise UserError(
            f"{path} does not fit today's {saved['family']}: {' '.join(str(reason).split())[:300]}; "
            "its run's provenance.json says which version trained it"
        ) from reason
    module.run_folder = run_of(path)
    return Trained(module.to(device).eval(), vocabulary, data["text"], module.images_shown, path)


def _made(saved: dict[str, Any], file: Path | None = None, **options: Any) -> GenerativeModule:
    """The family whose checkpoint this is, with the weights in it.

    Args:
        saved: the checkpoint.
        file: that it lies in, if it does.
        options: parameters of the family that win over the checkpoint's.
    """
    name = path_today(saved["family"])
    family: type[GenerativeModule] = pkgutil.resolve_name(name)
    settings = parameters_today(name, saved["hyper_parameters"])
    if file is not None and settings == saved["hyper_parameters"]:
        return family.load_from_checkpoint(file, map_location="cpu", weights_only=True, **options)
    renewed = io.BytesIO()
    torch.save({**saved, "hyper_parameters": settings}, renewed)
    renewed.seek(0)
    return family.load_from_checkpoint(renewed, map_location="cpu", weights_only=True, **options)


def load_latent_space(run: Path) -> tuple[LatentSpace, dict[str, Any]]:
    """The latent space that a run has trained, or the one that its checkpoint carries, in eval mode and frozen.

    Of a folder it is the last checkpoint: `best` goes by what the family draws, which says nothing of a space.

    Returns:
        The space, and a checkpoint of it for another checkpoint to carry (as `carried`, by the constructor's
        parameter that names the run).

    Raises:
        UserError: as `load`, or the run has trained no latent space.
    """
    path = checkpoint_of(run, LAST)
    saved = read_checkpoint(path)
    carried = saved.get("carried", {}).get("latent")
    if carried is None:
        module = load(path).module
        kept = ("family", "hyper_parameters", "images_shown", "pytorch-lightning_version")
        carried = {name: saved[name] for name in kept}
    else:
        module = _made(carried)
    if not isinstance(module, LatentSpace):
        raise UserError(
            f"{run} is a run of {type(module).__name__}, which has no latent space; give the run of an autoencoder, "
            "such as runs/autoencoder/NAME"
        )
    module.eval().requires_grad_(False)
    return module, {**carried, "state_dict": module.state_dict()}
