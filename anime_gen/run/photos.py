"""Photos through a run that translates, each with a word on how far to trust it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import batched
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from anime_gen.conditions import Condition
from anime_gen.contract import Translator
from anime_gen.data import AnimeFaces
from anime_gen.data.portrait import Square, find_face, framed, usual_frame
from anime_gen.decode import decode, read
from anime_gen.images import quantise

# Held-out photos that say what is usual, and those that are translated where none are named.
USUALLY, SHOWN = 128, 16


class Usual(NamedTuple):
    """What the run's own held-out photos are like."""

    frame: Square
    cycle_error: float  # levels of 255 that 99 of 100 of them stay below


class Framed(NamedTuple):
    """A photo as the family is shown it."""

    file: Path
    photo: np.ndarray  # uint8 (H, W, 3)
    face: Square | None  # where it was found in the file, in pixels


class Unreadable(NamedTuple):
    """A photo that is none."""

    file: Path
    reason: str


class Translated(NamedTuple):
    """One photo and what became of it."""

    file: Path
    photo: np.ndarray  # uint8 (H, W, 3): what the family was shown
    picture: np.ndarray
    face: Square | None
    cycle_error: float

    def doubts(self, usual: Usual) -> list[str]:
        """Why not to trust it, in words; nothing where there is no reason."""
        reasons = [] if self.face else ["no face found: the whole picture was translated"]
        if self.cycle_error > usual.cycle_error:
            reasons.append(
                f"unlike the run's held-out photos: what comes back is {self.cycle_error:.0f} levels off, "
                f"of 99 in 100 of theirs at most {usual.cycle_error:.0f}"
            )
        return reasons


@torch.no_grad()
def usual_of(module: Translator, data: AnimeFaces) -> Usual:
    """How the held-out photos of a run frame their faces, and how well they come back."""
    batches = [batch.condition.source_BCHW for batch in data.loader("validation", module.needs, USUALLY)]
    photo_BCHW = torch.cat([part for part in batches if part is not None])
    _, error_B = there_and_back(module, photo_BCHW, 0)
    frame = usual_frame(quantise(photo_BCHW).permute(0, 2, 3, 1).numpy())
    return Usual(frame, float(error_B.quantile(0.99)))


def there_and_back(module: Translator, photo_BCHW: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Translations, uint8 (B, 3, H, W), and how far what comes back of them is from the photos: (B,), levels of 255."""
    photo_BCHW = photo_BCHW.to(module.device)
    made_BCHW = module.sample(Condition(source_BCHW=photo_BCHW), [seed] * len(photo_BCHW))
    again = quantise(module.back(made_BCHW)).double()
    return quantise(made_BCHW).cpu(), (again - quantise(photo_BCHW).double()).abs().flatten(1).mean(1).cpu()


def frame_photos(files: list[Path], frame: Square, size: int) -> Iterator[Framed | Unreadable]:
    """Finds each photo's face, and frames it as the run's photos are framed."""
    for file in files:
        try:
            yield frame_photo(file, file, frame, size)
        except Exception as reason:  # whichever way a file is broken
            yield Unreadable(file, " ".join(str(reason).split()))


def frame_photo(name: Path, photo: Path | bytes, frame: Square, size: int) -> Framed:
    """One photo, a file or what is in it; where no face is found, its centre.

    Raises:
        Exception: it cannot be read; which exception depends on how it is broken.
    """
    picture = read(photo)
    face = find_face(picture)
    return Framed(name, decode(photo, size) if face is None else framed(picture, face, frame, size), face)


def held_out(data: AnimeFaces, frame: Square) -> Iterator[Framed]:
    """The first test photos of a run's own data, which are framed as they are."""
    names, photo_BCHW = data.other_pictures("test", SHOWN)
    for name, photo in zip(names, quantise(photo_BCHW).permute(0, 2, 3, 1).numpy(), strict=True):
        yield Framed(Path(name), photo, Square(*(part * len(photo) for part in frame)))


@torch.no_grad()
def translations(
    module: Translator, photos: Iterable[Framed | Unreadable], seed: int = 0
) -> Iterator[Translated | Unreadable]:
    """Translates, a chunk at a time; what cannot be read comes by as it is."""
    for some in batched(photos, module.chunk):
        yield from (one for one in some if isinstance(one, Unreadable))
        ready = [one for one in some if isinstance(one, Framed)]
        if not ready:
            continue
        photo_BHWC = torch.from_numpy(np.stack([one.photo for one in ready]))
        made, error_B = there_and_back(module, photo_BHWC.permute(0, 3, 1, 2).float() / 127.5 - 1, seed)
        for one, picture_CHW, error in zip(ready, made, error_B.tolist(), strict=True):
            yield Translated(one.file, one.photo, picture_CHW.permute(1, 2, 0).numpy(), one.face, error)
