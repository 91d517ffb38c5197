"""Faces as they are made, one after the other, each with its recipe inside."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin
from torch import Tensor

from anime_gen.contract import UserError
from anime_gen.images import quantise
from anime_gen.run.opened import OpenRun
from anime_gen.studio.line import Tell
from anime_gen.studio.shelf import Shelf, changed
from anime_gen.studio.wishes import Wish, command, recipe, understood

# Between two previews: an eye asks for no more.
SECONDS = 0.1
# The text chunk of a PNG that holds the recipe.
RECIPE = "anime_gen"


def png(pixels: np.ndarray, inside: str = "") -> str:
    """uint8 (H, W, 3) as a PNG for a page, in base64."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    texts = PngImagePlugin.PngInfo()
    if inside:
        texts.add_itxt(RECIPE, inside)
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=texts)
    return base64.b64encode(file.getvalue()).decode()


def upright(picture_CHW: Tensor) -> np.ndarray:
    """(3, H, W) on the CPU as (H, W, 3)."""
    return picture_CHW.permute(1, 2, 0).numpy()


def draw(shelf: Shelf, message: Mapping[str, Any], tell: Tell) -> None:
    """Tells `preview` and `face` of each of a run's faces.

    Raises:
        UserError: it is no wish, or the run cannot be asked for this.
    """
    wish, name = understood(message), message.get("run")
    tell("step", text="opening the run")
    faces(shelf, str(name), shelf.open(name), wish, tell)


def faces(shelf: Shelf, name: str, run: OpenRun, wish: Wish, tell: Tell) -> None:
    """As `draw`, of a run that is open. Raises: UserError: the run cannot be asked for this."""
    if not run.module.pictures_by.startswith("sample "):
        raise UserError(f"{name} draws nothing from seeds")
    settings = changed(run.module.settings, wish.settings)
    condition = run.ask(wish.inputs(), settings)
    for place, seed in enumerate(wish.seeds):
        began = shown = time.monotonic()

        def preview(done: float, images: Tensor, place: int = place) -> None:
            nonlocal shown
            if time.monotonic() - shown >= SECONDS:
                shown = time.monotonic()
                tell("preview", run=name, place=place, done=done, png=png(upright(quantise(images[0]).cpu())))
            else:
                tell("done_so_far", run=name, place=place, done=done)

        [[picture]] = run.draw(condition, [wish.stream(seed)], settings, preview)
        inside = recipe(name, shelf.checkpoint, run.trained.images_shown, wish, seed)
        tell(
            "face",
            run=name,
            place=place,
            seed=seed,
            seconds=time.monotonic() - began,
            png=png(upright(picture), inside),
            command=command(name, shelf.checkpoint, wish, seed),
        )
