"""What verbs of families make, as the command line keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from anime_gen.blocks.made import Curves, Film, Sheet, Weights
from anime_gen.cli.family import keep
from anime_gen.contract import UserError

PICTURES = torch.randint(0, 255, (4, 3, 16, 16), generator=torch.Generator().manual_seed(0)).byte()


def test_each_content_is_written_as_what_it_is(tmp_path: Path) -> None:
    out = tmp_path / "new"
    keep(
        {
            out / "sheet.png": Sheet(PICTURES, 2, ["a", "b"], ["1", "2"]),
            out / "film.gif": Film(PICTURES),
            out / "curves.png": Curves("title", "noise", ["0", "1"], {"hair": [0.0, 1.0], "eye": [float("nan"), 0.5]}),
            out / "deep" / "w.safetensors": Weights({"w": torch.arange(3.0)}, {"of": "test"}),
            out / "page.json": json.dumps({"ä": 1}),
            out / "bytes": b"\x00\xff",
        },
        out,
    )
    with Image.open(out / "sheet.png") as sheet, Image.open(out / "film.gif") as film:
        assert sheet.width > 2 * 96
        assert film.n_frames == 4
    assert np.asarray(Image.open(out / "curves.png")).std() > 10
    torch.testing.assert_close(load_file(out / "deep" / "w.safetensors")["w"], torch.arange(3.0))
    assert (out / "bytes").read_bytes() == b"\x00\xff"
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_mistake_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("before")
    files = {tmp_path / "one.txt": "after", tmp_path / "sheet.xyz": Sheet(PICTURES, 2)}
    with pytest.raises(UserError, match=r"sheet.xyz: name a picture, such as .*sheet.png"):
        keep(files, tmp_path / "sheet.xyz")
    assert (tmp_path / "one.txt").read_text() == "before"
    with pytest.raises(UserError):
        keep({tmp_path / "new" / "a.txt": "a", tmp_path / "new" / "b.xyz": Film(PICTURES)}, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["one.txt"]
