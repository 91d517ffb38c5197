"""Files that are whole or absent. Imports nothing else of ours."""

from __future__ import annotations

import hashlib
import json
import math
import os
import secrets
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor  # without it, what only writes need not load torch


# What a safetensors file calls the sha256 of its values.
CHECKSUM = "sha256"

# Bytes of the longest name on the file systems of Linux and macOS.
LONGEST_NAME = 255


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A place beside `path` to write to, which takes its name when all is written and on the disk.

    A mistake, a kill or a power cut leaves what was there before. The place's name ends in .tmp: who guesses a format
    by a name's ending is told it, or given an open file.

    Raises:
        OSError: the folder cannot be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    try:
        yield draft
        flush(draft)
        draft.replace(path)
        with suppress(OSError):  # some file systems know no such thing of folders
            flush(path.parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """As `atomic`, for a folder that is new or empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    draft.mkdir()
    try:
        yield draft
        for part in draft.rglob("*"):
            if part.is_file():
                flush(part)
        draft.replace(path)
        with suppress(OSError):
            flush(path.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _draft(path: Path) -> Path:
    # Not the process's number: in two containers that share a cache it may be the same.
    return path.with_name(fitting(path.name, f".{secrets.token_hex(4)}.tmp"))


def fitting(stem: str, ending: str) -> str:
    """The name `stem` + `ending`; of a stem that makes it longer than a name may be, the beginning and a hash."""
    if len(os.fsencode(stem + ending)) <= LONGEST_NAME:
        return stem + ending
    whole = os.fsencode(stem)
    ending = f"~{hashlib.sha256(whole).hexdigest()[:8]}{ending}"
    # Cut between characters: a name that is UTF-8 stays so.
    kept = whole[: LONGEST_NAME - len(os.fsencode(ending))]
    return (kept.decode(errors="ignore") if _is_text(stem) else os.fsdecode(kept)) + ending


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def flush(path: Path) -> None:
    """Waits until a file, or the list of names in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """UTF-8, and the ends of lines as they are; names of files in it, which are bytes, stay those bytes."""
    write_bytes(path, text.encode(errors="surrogateescape"))


def write_bytes(path: Path, content: bytes) -> None:
    """Any file."""
    with atomic(path) as draft:
        draft.write_bytes(content)


def also_named(path: Path, name: Path) -> None:
    """The file under another name too; where the file system has no links, a copy. What had the name is replaced."""
    with atomic(name) as draft:
        try:
            os.link(path, draft)
        except OSError:
            shutil.copyfile(path, draft)


def write_picture(path: Path, picture: Image, **options: Any) -> None:
    """A picture of the kind that its name ends in; `options` are Pillow's for that kind."""
    from PIL import Image

    with atomic(path) as draft:
        picture.save(draft, Image.registered_extensions()[path.suffix.lower()], **options)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """A safetensors file, with the permissions of any other: `save_file` makes it readable by its owner alone."""
    write_bytes(path, packed(tensors, metadata))


def packed(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """A safetensors file in which `read_tensors` finds what has changed since; the same bytes for the same content."""
    from safetensors.torch import save

    header, values = _parts(save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    # Safetensors itself writes them in an order that changes from file to file.
    header["__metadata__"] = {**(metadata or {}), CHECKSUM: hashlib.sha256(values).hexdigest()}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # values begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + values


def _parts(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header of a safetensors file, and the values: 8 bytes say how long the header is, which is JSON."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), memoryview(content)[end:]


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file by their names, and what it says of them.

    Its values are held to the checksum in it; a file without one, which others wrote, is let pass.

    Raises:
        ValueError: they are not what was written, or the file is no such thing.
        OSError: it cannot be read.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = path.read_bytes()
    try:
        header, values = _parts(content)
        metadata = header.get("__metadata__", {})
        told = metadata.get(CHECKSUM)
    except (ValueError, AttributeError, RecursionError) as reason:
        raise ValueError("it is cut short, or no safetensors file") from reason
    if told is not None and told != hashlib.sha256(values).hexdigest():
        raise ValueError("its values are not those that were written: the file is damaged")
    try:
        return load(content), metadata
    except SafetensorError as reason:
        raise ValueError(str(reason)) from reason


def check_zip(path: Path) -> None:
    """Reads a zip file (what `torch.save` writes is one) and holds each part to the checksum that was written with it.

    Who loads one need not look at those: a byte that changed on the disk would be a weight.

    Raises:
        ValueError: a part is not what was written, or the file is no zip.
        FileNotFoundError: there is no such file.
    """
    try:
        with zipfile.ZipFile(path) as parts:
            damaged = parts.testzip()
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, RuntimeError) as reason:
        raise ValueError("it is cut short, or no zip file") from reason
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")


def rounded(value: Any) -> Any:
    """A report for a JSON file: four digits; NaN, which JSON lacks, becomes None."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value
