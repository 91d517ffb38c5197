"""mix, walk, along and project: what a trained StyleGAN2 can be asked beside samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from anime_gen.blocks.made import Film, Made, Sheet, Weights
from anime_gen.conditions.kind import Words
from anime_gen.contract import Condition, UserError
from anime_gen.decode import decode
from anime_gen.families.stylegan2.editing import between, direction, mixed, project
from anime_gen.families.stylegan2.module import StyleGAN2
from anime_gen.images import quantise
from anime_gen.noise import Noise
from anime_gen.run.trained import Trained
from anime_gen.settings.ranges import Ranges


def _family(trained: Trained) -> StyleGAN2:
    if not isinstance(trained.module, StyleGAN2):
        raise UserError(f"{trained.path} is a run of {type(trained.module).__name__}; this verb needs one of StyleGAN2")
    return trained.module


def _condition(trained: Trained, tags: str) -> Condition:
    """What the words say, one row; what they do not say is absent."""
    module = _family(trained)
    condition = trained.asked({"tags": Words(tags)} if tags else {})
    label_1L = module.labels_of(condition, 1)
    if tags and not label_1L.any():
        raise UserError(
            f"--tags {tags!r} tells this run nothing: it is told {', '.join(sorted(module.needs)) or 'no labels'}"
        )
    return condition


def _label(trained: Trained, tags: str) -> Tensor:
    """The same as numbers, (1, L)."""
    return _family(trained).labels_of(_condition(trained, tags), 1)


def _styles(trained: Trained, seeds: Sequence[int], label_1L: Tensor) -> Tensor:
    """The styles of seeds, (B, layers, W): those that `sample` draws."""
    module = _family(trained)
    with torch.no_grad():
        return module.generator.broadcast(module.styles(label_1L.expand(len(seeds), -1), Noise(seeds), module.settings))


@torch.no_grad()
def _drawn(trained: Trained, w_BLW: Tensor) -> Tensor:
    """uint8 pictures of styles. The noise maps are the network's own: only styles differ."""
    synthesis = _family(trained).generator.synthesis
    return quantise(torch.cat([synthesis(part) for part in torch.split(w_BLW, 16)]))


def mix(
    trained: Trained,
    out: Path,
    coarse: Ranges = Ranges("0-3"),  # noqa: B008  never changes
    fine: Ranges = Ranges("4-9"),  # noqa: B008
    layers: Ranges = Ranges("4-99"),  # noqa: B008
    tags: str = "",
) -> Made:
    """Style mixing: a row's face with a column's fine layers (Karras et al. 2019, figure 3).

    Args:
        trained: the run.
        out: picture to write.
        coarse: seeds of the rows.
        fine: seeds of the columns.
        layers: that come from the column; 0 to 3 are 4x4 and 8x8: pose and shape. The last ones are colours.
        tags: of all faces.
    """
    label_1L = _label(trained, tags)
    rows, columns = (_styles(trained, seeds, label_1L) for seeds in (coarse, fine))
    chosen = [layer for layer in layers if layer < rows.shape[1]]
    if not chosen:
        raise UserError(f"--layers {layers}: this run has layers 0 to {rows.shape[1] - 1}")
    sheet = [torch.full_like(_drawn(trained, rows[:1]), 255), _drawn(trained, columns)]
    for row in rows:
        own = row[None]
        both = mixed(own.expand(len(columns), -1, -1), columns, chosen)
        sheet += [_drawn(trained, own), _drawn(trained, both)]
    titles = [
        f"layers {chosen[0]} to {chosen[-1]} of the columns, the others of the rows",
        *(f"seed {seed}" for seed in coarse),
    ]
    headings = ["", *(f"seed {seed}" for seed in fine)]
    return Made({out: Sheet(torch.cat(sheet), len(columns) + 1, titles, headings)})


def walk(
    trained: Trained,
    out: Path,
    seeds: Ranges = Ranges("0-3"),  # noqa: B008  never changes
    frames: int = 16,
    tags: str = "",
) -> Made:
    """From face to face and back to the first, on straight lines in W.

    Args:
        trained: the run.
        out: .gif or .webp for a film; otherwise a picture with a row for each line.
        seeds: of the faces.
        frames: of each line.
        tags: of all faces.
    """
    if frames < 2:
        raise UserError(f"--frames {frames}: give 2 or more")
    faces = _styles(trained, seeds, _label(trained, tags))
    lines = [between(first, last, frames) for first, last in zip(faces, faces.roll(-1, 0), strict=True)]
    pictures = _drawn(trained, torch.cat(lines))
    if out.suffix.lower() in (".gif", ".webp"):
        return Made({out: Film(pictures)})
    titles = [f"seed {first} to {last}" for first, last in zip(seeds, [*seeds[1:], seeds[0]], strict=True)]
    return Made({out: Sheet(pictures, frames, titles)})


def along(
    trained: Trained,
    out: Path,
    tags: str,
    seeds: Ranges = Ranges("0-3"),  # noqa: B008  never changes
    reach: float = 1.5,
    columns: int = 7,
) -> Made:
    """Faces that get more and less of some tags, each tag's direction read off the mapping network.

    Args:
        trained: the run.
        out: picture to write: a row for each tag and face.
        tags: the words whose directions are followed, one after the other.
        seeds: of the faces, which have no tags themselves.
        reach: how far to both sides; 1 is the step from faces without the tag to faces with it.
        columns: steps.
    """
    module = _family(trained)
    words = [word.strip() for word in tags.split(",") if word.strip()]
    if not words:
        raise UserError('along: name tags to follow, such as --tags "smile, blue hair"')
    if columns < 2:
        raise UserError(f"--columns {columns}: give 2 or more")
    nothing_1L = _label(trained, "")
    faces = _styles(trained, seeds, nothing_1L)
    reaches = torch.linspace(-reach, reach, columns)
    rows = []
    for word in words:
        with torch.no_grad():
            way_W = direction(module.generator.mapping, nothing_1L[0], _label(trained, word)[0], module.width)
        for face in faces:
            rows.append(_drawn(trained, face + reaches[:, None, None] * way_W))
    titles = [f"{word}, seed {seed}" for word in words for seed in seeds]
    headings = [f"{step:+.2g}" if step else "0" for step in reaches.tolist()]
    said = "less of the row's tag on the left, more on the right; +1 is the step from faces without it to faces with it"
    return Made({out: Sheet(torch.cat(rows), columns, titles, headings)}, said)


def _read(picture: Path, size: int) -> Tensor:
    """(1, 3, size, size) in [-1, 1], cut to a square."""
    try:
        pixels_HWC = decode(picture, size)
    except Exception as reason:  # Pillow raises whatever a damaged file leads it to
        raise UserError(f"{picture}: there is no picture that can be read ({reason})") from reason
    return torch.from_numpy(pixels_HWC.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1


def project_pictures(
    trained: Trained, out: Path, pictures: list[Path], tags: str = "", plus: bool = False, steps: int = 500
) -> Made:
    """Finds the styles of pictures: makes projection.png (each with its nearest face) and projection.safetensors (w).

    Args:
        trained: the run.
        out: folder to write to.
        pictures: what is looked for; each is cut to a square.
        tags: of the pictures.
        plus: a style for each layer: nearer, and less of a face.
        steps: of the search.
    """
    module = _family(trained)
    if steps < 1:
        raise UserError(f"--steps {steps}: give 1 or more")
    wanted = [_read(picture, module.image_size) for picture in pictures]
    condition = _condition(trained, tags)
    module.requires_grad_(False)
    nearest = []
    for picture, wanted_1CHW in zip(pictures, wanted, strict=True):
        bar = tqdm(project(module, wanted_1CHW, condition, plus, steps), picture.name, total=steps)
        for found in bar:
            bar.set_postfix_str(f"{found.loss:.4f} away")
        nearest.append(found)
    both = torch.cat(
        [part for pair in zip(wanted, (found.image_1CHW for found in nearest), strict=True) for part in pair]
    )
    away = [f"{picture}: {found.loss:.4f} away" for picture, found in zip(pictures, nearest, strict=True)]
    return Made(
        {
            out / "projection.png": Sheet(quantise(both), 2, headings=["asked for", "found"]),
            out / "projection.safetensors": Weights({"w_NLD": torch.cat([found.w_1LD for found in nearest])}),
        },
        "\n".join([*away, "on average over all sizes, black to white being 2"]),
    )
