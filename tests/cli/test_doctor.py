"""`anime-gen doctor`: all is well, or what is not and the command that mends it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from anime_gen.cli import doctor


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = ["file,tags,split"]
    for number, split in enumerate(("train", "validation", "test")):
        Image.fromarray(np.full((16, 16, 3), number, np.uint8)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,smile,{split}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def told(here, capfd, *words):
    """(status, lines) of the command."""
    try:
        done = here("doctor", *words)
    except SystemExit as stop:
        return stop.code, capfd.readouterr().out.splitlines()
    return done.returncode, done.stdout.splitlines()


def broken(lines):
    return [line for line in lines if line.startswith("BROKEN")]


def test_all_is_well(here, capfd, pictures):
    status, lines = told(here, capfd, pictures)
    assert (status, lines[-1]) == (0, "all is well"), lines
    assert any(line.startswith("ok     packages: all ") for line in lines)
    assert any(line.endswith("1 train, 1 validation, 1 test; 1 tags, 0 groups") for line in lines)
    assert not broken(lines)


def test_weights_that_are_not_here_come_with_the_command_that_fetches_them(here, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    status, lines = told(here, capfd)
    assert status == 0, "only some scores need them"
    hub = tmp_path / "torch" / "hub" / "checkpoints"
    [inception] = [line for line in lines if "inception is not here" in line]
    assert f"curl -L --create-dirs -o {hub}/weights-inception-2015-12-05-6726825d.pth https://github.com/" in inception
    [dino] = [line for line in lines if "dinov2_large is not here" in line]
    assert dino.endswith("hf download timm/vit_large_patch14_dinov2.lvd142m model.safetensors")
    hub.mkdir(parents=True)
    (hub / "alexnet-owt-7be5be79.pth").touch()
    assert any("weights: LPIPS at " in line for line in told(here, capfd)[1])


def test_packages_out_of_their_bounds(here, capfd, monkeypatch):
    asked = ["numpy>=2", "torch[x]>=1", "torch>=999", "no_such_package", 'pytest; extra == "dev"']
    monkeypatch.setattr(doctor, "requires", lambda _: asked)
    status, lines = told(here, capfd)
    assert status == 1
    assert [line.split()[2] for line in broken(lines)] == ["torch>=999", "no_such_package"]
    assert all(line.endswith("make env") for line in broken(lines))
    assert lines[-1] == "2 to mend"


def test_a_cache_that_cannot_be_written(here, capfd, own_cache):
    own_cache.write_text("a file in its place")
    status, lines = told(here, capfd)
    [line] = broken(lines)
    assert status == 1
    assert "cannot be written" in line
    assert "ANIME_GEN_CACHE" in line


def test_a_full_disk(here, capfd, monkeypatch):
    monkeypatch.setattr(doctor, "ROOM", 2**80)
    assert "make room" in broken(told(here, capfd)[1])[0]


def test_packs_of_folders_that_are_gone(here, capfd, own_cache, pictures):
    for name, source in (("a", {"path": str(pictures)}), ("b", {"path": "/no/such/folder"}), ("c", {"faces": 5})):
        (own_cache / "packs" / name).mkdir(parents=True)
        (own_cache / "packs" / name / "about.json").write_text(json.dumps({"source": source}))
    (own_cache / "packs" / "d").mkdir()
    status, lines = told(here, capfd)
    [stale] = [line for line in lines if "are gone" in line]
    assert status == 0
    assert stale.endswith(f"1 packs are of folders that are gone: rm -r '{own_cache}/packs/b'")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (shutil.rmtree, "does not exist"),
        (lambda folder: (folder / "manifest.csv").write_text("file\n0.png,1\n"), "2 cells under 1 columns"),
        (lambda folder: (folder / "1.png").write_bytes(b"GIF89a"), "1.png cannot be read"),
        (lambda folder: (folder / "manifest.csv").write_text("file,split\n0.png,train\n"), "validation split"),
    ],
)
def test_a_folder_with_something_wrong(here, capfd, pictures, spoil, expected):
    spoil(pictures)
    status, lines = told(here, capfd, pictures)
    assert status == 1
    assert expected in broken(lines)[0]


def test_a_card_that_torch_cannot_use(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr(doctor.Path, "exists", lambda path: True)
    assert [finding.state for finding in doctor.devices()] == [doctor.State.broken, doctor.State.good]
