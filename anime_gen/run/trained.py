"""The family inside a run folder, by one of its checkpoints."""

from __future__ import annotations

import io
import pkgutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from anime_gen.conditions import FIELDS, KINDS, Condition, Facts
from anime_gen.conditions.kind import Asking, Input
from anime_gen.contract import GenerativeModule, LatentSpace, StyleSpace, UserError
from anime_gen.run.checkpoints import read_checkpoint
from anime_gen.run.folder import BEST, LAST, checkpoint_of, run_of
from anime_gen.settings.aliases import parameters_today, path_today, weights_today
from anime_gen.settings.registered import check_classes
from anime_gen.vocabulary import Vocabulary


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
        self, given: Mapping[str, Input], settings: Any = None, read: Callable[[str], Tensor] | None = None
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


def load(run: Path, checkpoint: str = BEST, device: str = "cpu") -> Trained:
    """Loads the family of a run with its averaged weights (the trained ones of a run without EMA), in eval mode.

    Raises:
        UserError: no checkpoint, a file that is not one of ours, or one of a version that the code has left behind.
    """
    path = checkpoint_of(run, checkpoint)
    saved = read_checkpoint(path)
    check_family(saved, path)
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


def check_family(saved: Mapping[str, Any], path: Path) -> None:
    """Raises UserError where a checkpoint names a class that nobody has registered: importing it would run its code."""
    given = saved.get("carried", {})  # is read from the checkpoint, whatever the parameter says
    parameters = {name: value for name, value in saved.get("hyper_parameters", {}).items() if name not in given}
    check_classes({"class_path": saved.get("family"), "init_args": parameters}, path)
    for one in given.values():
        if isinstance(one, Mapping):
            check_family(one, path)


def _made(saved: dict[str, Any], file: Path | None = None, **options: Any) -> GenerativeModule:
    """The family whose checkpoint this is, with the weights in it.

    Args:
        saved: the checkpoint.
        file: that it lies in, if it does.
        options: parameters of the family that win over the checkpoint's.
    """
    name = path_today(saved["family"])
    family: type[GenerativeModule] = pkgutil.resolve_name(name)
    if not issubclass(family, GenerativeModule):
        raise UserError(f"{name} is no family")
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
        parameter that names the run, `latent`).

    Raises:
        UserError: as `load`, or the run has trained no latent space.
    """
    module, carried = _frozen(run, "latent", LAST)
    if not isinstance(module, LatentSpace):
        raise UserError(
            f"{run} is a run of {type(module).__name__}, which has no latent space; give the run of an autoencoder, "
            "such as runs/autoencoder/NAME"
        )
    return module, carried


def load_style_space(run: Path) -> tuple[StyleSpace, dict[str, Any]]:
    """The space of styles that a run has trained, or the one that its checkpoint carries, in eval mode and frozen.

    Returns:
        As `load_latent_space`; the parameter is `style`.

    Raises:
        UserError: as `load`, or the run's pictures do not come of styles.
    """
    module, carried = _frozen(run, "style", BEST)
    if not isinstance(module, StyleSpace):
        raise UserError(
            f"{run} is a run of {type(module).__name__}, whose pictures do not come of styles; give the run of a "
            "StyleGAN2, such as runs/stylegan2/NAME"
        )
    return module, carried


def _frozen(run: Path, parameter: str, checkpoint: str) -> tuple[GenerativeModule, dict[str, Any]]:
    """What a run has trained, or what its checkpoint carries by this parameter, and a checkpoint of it."""
    path = checkpoint_of(run, checkpoint)
    saved = read_checkpoint(path)
    carried = saved.get("carried", {}).get(parameter)
    check_family(saved, path)
    if carried is None:
        module = load(path).module
        carried = {"pytorch-lightning_version": saved["pytorch-lightning_version"]}
        module.on_save_checkpoint(carried)
        # What it carries itself is part of its weights.
        parts = carried.pop("carried", {})
        carried["hyper_parameters"] = {**saved["hyper_parameters"], **dict.fromkeys(parts)}
    else:
        module = _made(carried)
    module.eval().requires_grad_(False)
    return module, {**carried, "state_dict": module.state_dict()}
