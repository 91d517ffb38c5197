"""weights and import: networks as one safetensors file, of a run or of the ADA paper's public code."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from anime_gen.blocks.made import Made, Weights
from anime_gen.contract import UserError
from anime_gen.families.stylegan2.layout import discriminator_state, generator_state
from anime_gen.families.stylegan2.module import StyleGAN2
from anime_gen.families.stylegan2.published import networks
from anime_gen.run.trained import Trained

YAML = """# What these weights fit: anime-gen fit -c experiments/shared.yaml -c this file
model:
  class_path: anime_gen.families.stylegan2.StyleGAN2
  init_args:
    mapping:
      class_path: anime_gen.families.stylegan2.ApartMapping
      init_args:
        layers: {layers}
    head:
      class_path: anime_gen.families.stylegan2.ProjectionHead
      init_args:
        layers: {head_layers}
    width: {width}
    channel_base: {channel_base}
    channel_max: {channel_max}
    deviation_group: 4
    labels: {labels}
    start_from: {weights}
data:
  image_size: {image_size}
"""


def _checked(out: Path) -> Path:
    if out.suffix != ".safetensors":
        raise UserError(f"--out {out}: name a file that ends in .safetensors")
    return out


def weights_of(trained: Trained, out: Path) -> Made:
    """The averaged generator and the discriminator of a run.

    Args:
        trained: the run.
        out: file, .safetensors.

    Raises:
        UserError: the run is of another family, or the file's name.
    """
    module = trained.module
    if not isinstance(module, StyleGAN2):
        raise UserError(f"weights: {trained.path} is a run of {type(module).__name__}, not of StyleGAN2")
    tensors = {f"generator.{name}": part for name, part in module.generator.state_dict().items()}
    tensors |= {f"discriminator.{name}": part for name, part in module.discriminator.state_dict().items()}
    return Made({_checked(out): Weights(tensors)}, f"{len(tensors)} tensors")


def layers_below(names: dict[str, Tensor], prefix: str) -> int:
    """How many numbered dense layers have weights below a prefix."""
    return sum(name.startswith(f"{prefix}.layers.") and name.endswith(".weight") for name in names)


def import_published(file: Path, out: Path) -> Made:
    """A published checkpoint's averaged generator and discriminator, and a YAML that they fit beside them.

    Args:
        file: network-snapshot-*.pkl of stylegan2-ada-pytorch; nothing in it is executed.
        out: file, .safetensors.

    Raises:
        UserError: it is something else, or of another architecture.
    """
    weights, page = _checked(out), out.with_suffix(".yaml")
    generator, discriminator = networks(file)
    ours = {f"generator.{name}": part for name, part in generator_state(generator).items()}
    image_size = max(int(name.split(".")[1][1:]) for name in generator if name.startswith("synthesis.b"))
    ours |= {f"discriminator.{name}": part for name, part in discriminator_state(discriminator, image_size).items()}
    levels = image_size.bit_length() - 3
    if any(f"discriminator.blocks.{level}.skip.weight" not in ours for level in range(levels)):
        raise UserError(f"import: the discriminator of {file} is not the residual one; give a checkpoint that has that")
    embed = ours.get("generator.mapping.embed.weight")
    family = YAML.format(
        layers=layers_below(ours, "generator.mapping"),
        head_layers=layers_below(ours, "discriminator.head.mapping") or 8,
        width=len(ours["generator.w_average"]),
        channel_base=ours[f"generator.synthesis.blocks.{levels}.second.weight"].shape[0] * image_size,
        channel_max=ours["generator.synthesis.blocks.0.second.weight"].shape[0],
        labels="nothing" if embed is None else "everything",
        weights=weights,
        image_size=image_size,
    )
    labels = "no labels" if embed is None else f"{embed.shape[1]} labels"
    return Made(
        {weights: Weights(ours), page: family},
        f"{len(ours)} tensors, {image_size} px, {labels}\n{page}: the family that they fit",
    )
