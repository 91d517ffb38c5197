"""sketch: a drawing that is drawn stroke by stroke, and the portrait of each stage."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.blocks.made import Content, Film, Made, Sheet
from anime_gen.conditions.kind import Words
from anime_gen.conditions.sketch import inked
from anime_gen.contract import UserError
from anime_gen.decode import decode
from anime_gen.families.sketch2style.drawing import SIDE, begun
from anime_gen.families.sketch2style.module import Sketch2Style, Sketch2StyleSettings
from anime_gen.images import quantise
from anime_gen.run.trained import Trained


def stages_of(ink_HW: Tensor, count: int, seed: int) -> Tensor:
    """A drawing as it grows, in an order that the seed decides: (count, 1, H, W), the last one whole.

    Args:
        ink_HW: 1 on a line.
        count: of stages.
        seed: of the order.
    """
    drawn = [
        begun(ink_HW[None, None], torch.tensor([stage / count]), torch.Generator().manual_seed(seed))
        for stage in range(1, count + 1)
    ]
    return torch.cat(drawn)


def sketch(
    trained: Trained,
    out: Path,
    pictures: list[Path],
    stages: int = 8,
    seed: int = 0,
    reference: int = 0,
    variety: float = 0.5,
    tags: str = "",
) -> Made:
    """Draws stroke by stroke: makes a film, a sheet, and a picture for each stage, of each drawing.

    Args:
        trained: the run.
        out: folder to write to.
        pictures: drawings, dark lines on light paper; each is cut to a square.
        stages: of a drawing.
        seed: of the order of the lines, and of what they leave open.
        reference: seed of the face whose colours the portraits take.
        variety: how far what the lines leave open goes with the seed.
        tags: of the portraits.
    """
    module = trained.module
    if not isinstance(module, Sketch2Style):
        raise UserError(f"{trained.path} is a run of {type(module).__name__}; this verb needs one of Sketch2Style")
    if stages < 1:
        raise UserError(f"--stages {stages}: give 1 or more")
    names = [picture.stem for picture in pictures]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"{twice[0]}: several drawings have this name; their pictures would lie in one place")
    size = module.image_size
    drawings = [_read(picture, max(SIDE, size)) for picture in pictures]
    told = trained.asked({"tags": Words(tags)} if tags else {}).repeated(stages)
    settings = Sketch2StyleSettings(variety, reference)
    files: dict[Path, Content] = {}
    for name, ink_HW in zip(names, drawings, strict=True):
        sketch_N1HW = F.adaptive_avg_pool2d(stages_of(ink_HW, stages, seed), size)
        portrait_NCHW = module.sample(told.replace(sketch_B1HW=sketch_N1HW), [seed] * stages, settings)
        lines_NCHW = (1 - 2 * sketch_N1HW).expand(-1, 3, -1, -1)
        lines_NCHW, portrait_NCHW = quantise(lines_NCHW), quantise(portrait_NCHW)
        pairs = torch.stack([lines_NCHW, portrait_NCHW], 1)
        files[out / f"{name}.gif"] = Film(pairs.flatten(0, 1), 2, 500)
        files[out / f"{name}.png"] = Sheet(torch.cat([lines_NCHW, portrait_NCHW]), stages)
        files |= {out / f"{name}_{stage:02}.png": Sheet(pair, 2) for stage, pair in enumerate(pairs, 1)}
    return Made(files)


def _read(picture: Path, side: int) -> Tensor:
    """Ink (side, side), 1 on a line."""
    try:
        pixels_HWC = decode(picture, side)
    except Exception as reason:  # Pillow raises whatever a damaged file leads it to
        raise UserError(f"{picture}: there is no picture that can be read ({reason})") from reason
    return inked(pixels_HWC.mean(-1, dtype="float32")[None])[0, 0]
