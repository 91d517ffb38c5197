"""Files are whole or absent, whatever happens while they are written."""

import os
import zipfile
from contextlib import suppress

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from anime_gen import files
from anime_gen.files import (
    also_named,
    atomic,
    atomic_folder,
    check_zip,
    packed,
    read_tensors,
    write_picture,
    write_tensors,
    write_text,
)


class Stopped(BaseException):
    """As a Ctrl-C: no Exception."""


@pytest.mark.parametrize("before", ["what was there", None])
@pytest.mark.parametrize("error", [ValueError, Stopped])
def test_a_writer_that_fails_leaves_what_was_there_and_no_litter(tmp_path, before, error):
    path = tmp_path / "deep" / "file.txt"
    if before:
        write_text(path, before)

    def write():
        with atomic(path) as draft:
            draft.write_text("half of wh")
            raise error

    with pytest.raises(error):
        write()
    assert [file.read_text() for file in path.parent.iterdir()] == ([before] if before else [])


def test_it_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, names = tmp_path / "file.txt", []

    def full(descriptor):
        names.append([file.name for file in tmp_path.iterdir()])
        raise OSError("the disk is full")

    write_text(path, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [name.endswith(".tmp") for name in sorted(names[0])] == [False, True]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_flushed_is_no_mistake(tmp_path, monkeypatch):
    flush = files.flush

    def flush_files(path):
        if path.is_dir():
            raise OSError("invalid argument")
        flush(path)

    monkeypatch.setattr(files, "flush", flush_files)
    write_text(tmp_path / "file.txt", "new")
    assert (tmp_path / "file.txt").read_text() == "new"


def test_text_arrives_as_it_is(tmp_path):
    write_text(tmp_path / "file.csv", "ä,b\r\nc\n")
    assert (tmp_path / "file.csv").read_bytes() == "ä,b\r\nc\n".encode()


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.webp", "WEBP")])
def test_a_picture_is_of_the_kind_that_its_name_says(tmp_path, name, kind):
    picture = Image.fromarray(np.zeros((4, 6, 3), np.uint8))
    write_picture(tmp_path / name, picture)
    with Image.open(tmp_path / name) as read:
        assert (read.format, read.size) == (kind, (6, 4))


def test_a_film(tmp_path):
    shots = [Image.new("RGB", (4, 4), (shade, 0, 0)) for shade in (0, 100, 200)]
    write_picture(tmp_path / "film.gif", shots[0], save_all=True, append_images=shots[1:], duration=80, loop=0)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 3


def test_a_new_folder_is_whole_or_absent(tmp_path):
    with suppress(KeyboardInterrupt), files.atomic_folder(tmp_path / "new") as draft:
        (draft / "one").write_text("1")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "new").mkdir()
    with files.atomic_folder(tmp_path / "new") as draft:
        (draft / "one").write_text("1")
        assert not list((tmp_path / "new").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert (tmp_path / "new" / "one").read_text() == "1"


@pytest.mark.parametrize("letter", ["a", "顔", b"\xe9".decode(errors="surrogateescape")])
def test_the_longest_name_can_be_written(tmp_path, letter):
    stem = letter * ((files.LONGEST_NAME - 4) // len(os.fsencode(letter)))
    path = tmp_path / f"{stem}.txt"
    write_text(path, stem)
    assert path.read_bytes() == os.fsencode(stem)
    longer = [files.fitting(stem + more, ".translated.png") for more in ("", "_")]
    assert len({*longer, stem}) == 3
    for name in longer:
        assert len(os.fsencode(name)) <= files.LONGEST_NAME
        write_text(tmp_path / name, "")
    assert files.fitting("a", ".png") == "a.png"


def test_a_file_has_another_name_too(tmp_path, monkeypatch):
    path, name = tmp_path / "a", tmp_path / "b"
    write_text(path, "new")
    write_text(name, "old")
    also_named(path, name)
    also_named(path, name)  # as it is already
    assert (name.read_text(), path.samefile(name)) == ("new", True)

    def link(path, name):
        raise PermissionError

    monkeypatch.setattr(os, "link", link)
    also_named(path, name)
    assert (name.read_text(), path.samefile(name)) == ("new", False)
    assert sorted(tmp_path.iterdir()) == [path, name]


def test_a_zip_file_is_held_to_its_checksums(tmp_path):
    path = tmp_path / "whole.zip"
    with zipfile.ZipFile(path, "w") as parts:
        parts.writestr("a", bytes(range(40)))
    check_zip(path)
    whole = path.read_bytes()
    place = whole.index(bytes(range(40)))
    path.write_bytes(whole[:place] + b"?" + whole[place + 1 :])
    with pytest.raises(ValueError, match="the checksum of a is wrong"):
        check_zip(path)
    for end in (0, 10, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="cut short"):
            check_zip(path)
    with pytest.raises(FileNotFoundError):
        check_zip(tmp_path / "none")


def test_a_new_folder_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(files, "flush", lambda path: flushed.append(path.name))
    with atomic_folder(tmp_path / "folder") as draft:
        write_text(draft / "deep" / "file.txt", "all")
        flushed.clear()
    assert flushed == ["file.txt", tmp_path.name]


def test_a_flipped_byte_of_tensors_is_noticed(tmp_path):
    path = tmp_path / "weights.safetensors"
    tensors = {"b": torch.arange(6.0).reshape(2, 3).T, "a": torch.ones(3, dtype=torch.bfloat16), "none": torch.ones(0)}
    write_tensors(path, tensors, {"kind": "it"})
    read_tensors(path)
    assert all(torch.equal(load_file(path)[name], tensors[name]) for name in tensors)
    assert packed(tensors, {"kind": "it"}) == path.read_bytes()
    whole = path.read_bytes()
    for place in range(len(whole) - 30, len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="the file is damaged"):
            read_tensors(path)
    for content in (whole[:40], whole[:-1], b"", b"\xff" * 30, b"\2" + bytes(7) + b"[]"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"damaged|cut short"):
            read_tensors(path)
    save_file({"a": torch.ones(3)}, path)  # of others
    read_tensors(path)
