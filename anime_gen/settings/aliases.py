"""What things were once called: runs, configs and checkpoints of earlier versions load through this one table.

Imports nothing else of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Modules and classes that have moved. The longest name that fits wins.
PATHS: Mapping[str, str] = {
    "anime_gen.adversarial": "anime_gen.blocks",
    "anime_gen.augment": "anime_gen.blocks.augment",
    "anime_gen.augment.ada": "anime_gen.blocks.augment",
    "anime_gen.augment.diffaugment": "anime_gen.blocks.augment",
    # What a YAML names stands in its package; it was named by its module.
    "anime_gen.blocks.adversarial": "anime_gen.blocks",
    "anime_gen.blocks.augment.ada": "anime_gen.blocks.augment",
    "anime_gen.blocks.augment.diffaugment": "anime_gen.blocks.augment",
    "anime_gen.families.acgan.game": "anime_gen.families.acgan",
    "anime_gen.families.acgan.module": "anime_gen.families.acgan",
    "anime_gen.families.acgan.network": "anime_gen.families.acgan",
    "anime_gen.families.autoencoder.module": "anime_gen.families.autoencoder",
    "anime_gen.families.cyclegan.assistance": "anime_gen.families.cyclegan",
    "anime_gen.families.cyclegan.module": "anime_gen.families.cyclegan",
    "anime_gen.families.cyclegan.network": "anime_gen.families.cyclegan",
    "anime_gen.families.dcgan.module": "anime_gen.families.dcgan",
    "anime_gen.families.dcgan.network": "anime_gen.families.dcgan",
    "anime_gen.families.stylegan2.discriminator": "anime_gen.families.stylegan2",
    "anime_gen.families.stylegan2.mapping": "anime_gen.families.stylegan2",
    "anime_gen.families.stylegan2.module": "anime_gen.families.stylegan2",
    "anime_gen.families.vae.module": "anime_gen.families.vae",
}

# Parameters that were renamed, by the name of their class; behind a dot, those that stand in a group now.
PARAMETERS: Mapping[str, Mapping[str, str]] = {
    "ACGAN": {"hide": "label_dropout"},
    "VAE": {"hide": "label_dropout"},
    "StyleGAN2": {
        "hide": "label_dropout",
        "told": "labels",
        **{name: f"regularisers.{name}" for name in ("r1", "r1_every", "path_weight", "path_every", "mixing")},
    },
    "Diffusion": {
        name: f"optimizer.{name}"
        for name in ("lr", "betas", "weight_decay", "max_gradient_norm", "warmup_images", "cooldown")
    },
}

# Submodules that were renamed: parts of a weight's name between its dots.
SUBMODULES: Mapping[str, str] = {"told": "label_embedding"}


_LONGEST_FIRST = sorted(PATHS, key=len, reverse=True)


def path_today(path: str) -> str:
    """Today's name of a module or class; other texts stay what they are."""
    for old in _LONGEST_FIRST:
        if path == old or path.startswith(f"{old}."):
            return PATHS[old] + path.removeprefix(old)
    return path


def word_today(word: str) -> str:
    """A word of a command line, `--key=value` or a value."""
    key, equals, value = word.rpartition("=") if word.startswith("--") else ("", "", word)
    return key + equals + path_today(value)


def parameters_today(class_path: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a class by today's names, and what they hold likewise.

    Args:
        class_path: of any time; only the name of the class counts.
        options: parameter to value, as a YAML file has them.
    """
    renamed = PARAMETERS.get(class_path.rpartition(".")[2], {})
    made: dict[str, Any] = {name: today(value) for name, value in options.items() if name not in renamed}
    for name in (name for name in options if name in renamed):
        group, _, own = renamed[name].rpartition(".")
        (made.setdefault(group, {}) if group else made)[own] = today(options[name])
    return made


def names_today(parameter: str) -> list[str]:
    """What a parameter is called now by the classes that once had it."""
    return sorted({renamed[parameter] for renamed in PARAMETERS.values() if parameter in renamed})


def today(written: Any) -> Any:
    """What a YAML file or a checkpoint holds of settings, by today's names."""
    if isinstance(written, str):
        return path_today(written)
    if isinstance(written, list | tuple):
        return type(written)(today(part) for part in written)
    if not isinstance(written, dict):
        return written
    if isinstance(written.get("class_path"), str) and isinstance(written.get("init_args"), dict):
        own = {"init_args": parameters_today(written["class_path"], written["init_args"])}
        return {**{name: today(value) for name, value in written.items() if name != "init_args"}, **own}
    return {name: today(value) for name, value in written.items()}


def weights_today[T](weights: Mapping[str, T]) -> dict[str, T]:
    """A state dict by today's names."""
    return {".".join(SUBMODULES.get(part, part) for part in name.split(".")): value for name, value in weights.items()}


def seconds_of(checkpoint: Mapping[str, Any]) -> float:
    """What a run had taken when it was saved: its scoring once kept that."""
    scoring = checkpoint.get("callbacks", {}).get("Scoring", {})
    return float(checkpoint.get("seconds", scoring.get("seconds", 0.0)))


def best_score_of(checkpoint: Mapping[str, Any]) -> float | None:
    """The best score of a run so far, where Lightning's own callback kept it; None where it did not."""
    for name, state in checkpoint.get("callbacks", {}).items():
        if name.startswith("Best{") and state.get("best_model_score") is not None:
            return float(state["best_model_score"])
    return None
