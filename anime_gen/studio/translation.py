"""A photo through a run that translates, with a word on how far to trust it: as `anime-gen translate` says it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from anime_gen.contract import Translator, UserError
from anime_gen.run.opened import OpenRun
from anime_gen.run.photos import Translated, Usual, frame_photo, translations, usual_of
from anime_gen.studio.faces import png
from anime_gen.studio.line import Tell
from anime_gen.studio.shelf import MOST_OPEN, Shelf
from anime_gen.studio.uploads import received, unpacked


@lru_cache(MOST_OPEN)
def usual(run: OpenRun) -> Usual:
    """What its own held-out photos are like. Raises: UserError: its data is gone."""
    assert isinstance(run.module, Translator)
    return usual_of(run.module, run.data)


def translate(shelf: Shelf, message: Mapping[str, Any], tell: Tell) -> None:
    """Tells `translated`: what the run was shown, what it made of it, and why not to trust that, if there is a reason.

    Raises:
        UserError: it is no picture, or the run does not translate.
    """
    file = received(message.get("picture"))
    tell("step", text="opening the run")
    run = shelf.open(message.get("run"))
    if not isinstance(run.module, Translator):
        raise UserError(f"{message.get('run')} translates nothing; choose a run that does")
    tell("step", text="looking at the run's own photos, once")
    like = usual(run)
    tell("step", text="translating")
    photo = unpacked(file, lambda whole: frame_photo(Path("photo"), whole, like.frame, run.module.image_size))
    [made] = translations(run.module, [photo])
    assert isinstance(made, Translated)
    reasons = made.doubts(like)
    tell(
        "translated",
        run=message["run"],
        photo=png(made.photo),
        png=png(made.picture),
        face=None if made.face is None else list(made.face),
        confidence="low" if reasons else "usual",
        reasons=reasons,
        cycle_error=made.cycle_error,
        usually=like.cycle_error,
    )
