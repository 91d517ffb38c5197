"""Published weights of extractors: found where other programs have left them, verified, never downloaded."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from anime_gen.contract import UserError
from anime_gen.files import read_tensors

# Torch hub's convention: the name of a file ends in the first digits of its sha256.
_NAMED_HASH = re.compile(r"-([0-9a-f]{8,64})\.pth?$")
# Hugging Face's: a snapshot links to a blob that is called by its sha256.
_BLOB = re.compile(r"([0-9a-f]{64})$")


def torch_hub(name: str) -> Path:
    """Where torch hub, torchvision and torch-fidelity keep a file of this name."""
    return Path(torch.hub.get_dir()) / "checkpoints" / name


def hugging_face(repository: str, name: str) -> Path:
    """Where the Hugging Face hub keeps the file; the folder alone where it does not have it."""
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(repository, name)
    if isinstance(found, str):
        return Path(found)
    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}" / "snapshots" / "*" / name


class Published(NamedTuple):
    """Weights that somebody has published."""

    usual: list[Path]  # the caches of other programs
    extractor: str  # whose they are; its parameter `weights` names another file
    what: str  # to fetch, as its publishers call it
    source: str  # an address, or `repository/file` of the Hugging Face hub

    @property
    def fetch(self) -> str:
        """The command that puts it where it is looked for."""
        if self.source.startswith("https:"):
            return f"curl -L --create-dirs -o {self.usual[0]} {self.source}"
        return f"hf download {' '.join(self.source.rsplit('/', 1))}"

    @property
    def here(self) -> Path | None:
        """The file, where another program has left it; None where none has."""
        return next((place for place in self.usual if place.is_file()), None)


def find(given: Path | None, published: Published) -> Path:
    """The file that was given, or the first of the usual ones that is there; verified where its name tells its hash.

    Args:
        given: the user's choice.
        published: what is looked for where nothing is given.

    Raises:
        UserError: there is none, or it is damaged.
    """
    extractor, what = published.extractor, published.what
    if given is not None:
        published = published._replace(usual=[Path(given).expanduser()])
    path = published.here
    if path is None:
        raise UserError(
            f"{extractor}: there are no weights at {published.usual[0]}: fetch {what}, and put it there or name the "
            f"file (weights=FILE, or --extractor {extractor}=FILE)"
        )
    told = _NAMED_HASH.search(path.name) or _BLOB.match(path.resolve().name)
    if told:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if not sha256.startswith(told[1]):
            raise UserError(
                f"{extractor}: {path} is damaged or not what its name says (sha256 {sha256[:16]}..., its name says "
                f"{told[1][:16]}): delete it and fetch {what}"
            )
    return path


def read(path: Path, extractor: str) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a torch file that holds nothing but tensors.

    Raises:
        UserError: it is something else. A pickle with code in it is not run.
    """
    try:
        if path.suffix == ".safetensors":
            return read_tensors(path)[0]
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
        if not all(isinstance(value, Tensor) for value in state.values()):
            raise ValueError("not a plain state dict")
    except Exception as reason:  # whatever a file of another kind leads the readers to
        raise misfit(path, extractor, reason) from reason
    return state


def misfit(path: Path, extractor: str, reason: Exception) -> UserError:
    """A file that is not the extractor's weights, in one line."""
    text = " ".join(str(reason).split())[:200]
    return UserError(f"{extractor}: {path} does not hold its weights ({text}); give the right file as weights")
