"""What a page asks for, as it is understood; and the command and the recipe by which anybody draws it again."""

from __future__ import annotations

import base64
import json
import math
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from anime_gen.conditions.kind import Input, Picture, Points, Words
from anime_gen.contract import UserError
from anime_gen.decode import clear
from anime_gen.noise import Near, Seed
from anime_gen.studio.uploads import received, unpacked

# Faces of one wish, and letters of its words.
MOST_FACES = 64
MOST_LETTERS = 2000
# JavaScript counts exactly to here.
LARGEST_SEED = 2**53 - 1


class Wish(NamedTuple):
    """Faces to draw."""

    words: str
    caption: str
    landmarks: Any  # None: none are asked for
    sketch: bytes | None  # the file
    settings: Mapping[str, Any]  # knobs of the sampler that are turned
    seeds: list[int]
    near: int | None  # a seed whose face is varied

    def inputs(self) -> dict[str, Input]:
        """By the names of the options of `anime_gen.conditions`."""
        found: dict[str, Input] = {}
        if self.words:
            found["tags"] = Words(self.words)
        if self.caption:
            found["caption"] = Words(self.caption)
        if self.landmarks is not None:
            found["landmarks"] = Points(self.landmarks)
        if self.sketch is not None:
            found["sketch"] = Picture(unpacked(self.sketch, clear))
        return found

    def stream(self, seed: int) -> Seed:
        """Where the numbers of one of its faces come from."""
        return seed if self.near is None else Near(self.near, seed)


def understood(message: Mapping[str, Any]) -> Wish:
    """A wish in a page's words.

    Raises:
        UserError: it is none.
    """
    words, caption = (message.get(name, "") for name in ("words", "caption"))
    if not all(isinstance(text, str) and len(text) <= MOST_LETTERS for text in (words, caption)):
        raise UserError(f"words are text of at most {MOST_LETTERS:,} letters")
    settings = message.get("settings", {})
    if not isinstance(settings, dict) or not all(
        isinstance(value, int | float) and math.isfinite(value) for value in settings.values()
    ):
        raise UserError("settings of the sampler are numbers")
    near = message.get("near")
    seeds = message.get("seeds")
    if not isinstance(seeds, list) or not 1 <= len(seeds) <= MOST_FACES:
        raise UserError(f"ask for 1 to {MOST_FACES} faces at a time")
    for seed in seeds if near is None else [*seeds, near]:
        if not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
            raise UserError(f"a seed is a whole number from 0 to {LARGEST_SEED}, not {str(seed)[:40]}")
    sketch = message.get("sketch")
    return Wish(
        words.strip(),
        caption.strip(),
        message.get("landmarks"),
        None if sketch is None else received(sketch),
        settings,
        seeds,
        near,
    )


def command(run: str, checkpoint: str, wish: Wish, seed: int) -> str:
    """What to type for one of its faces; files that it names lie beside: see `recipe`."""
    options: dict[str, Any] = {
        "tags": wish.words,
        "caption": wish.caption,
        "landmarks": "landmarks.json" if wish.landmarks is not None else "",
        "sketch": "sketch.png" if wish.sketch is not None else "",
        **{
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in wish.settings.items()
        },
        "near": "" if wish.near is None else str(wish.near),
        "checkpoint": checkpoint if checkpoint != "best" else "",
    }
    # One word: a value may begin with a minus.
    said = [f"--{name}={value}" for name, value in options.items() if value]
    return shlex.join(["anime-gen", "sample", run, *said, f"--seeds={seed}", "--chunk=1", "--out=faces/"])


def recipe(run: str, checkpoint: str, images: int, wish: Wish, seed: int) -> str:
    """All that one of its faces is made from, as JSON: it travels inside the PNG."""
    told = {
        "command": command(run, checkpoint, wish, seed),
        "run": run,
        "images_shown": images,
        "seed": seed,
        "near": wish.near,
        "tags": wish.words,
        "caption": wish.caption,
        "landmarks.json": wish.landmarks,
        "sketch.png": None if wish.sketch is None else base64.b64encode(wish.sketch).decode(),
        "settings": dict(wish.settings),
    }
    return json.dumps({name: value for name, value in told.items() if value not in (None, "", {})})
