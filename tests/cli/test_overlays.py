"""A file of settings that comes later changes what it means to change, and nothing that the user has chosen."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
OVERLAYS = sorted((ROOT / "experiments" / "overlay").glob("*.yaml"))


def keys(settings, *path):
    for name, value in settings.items():
        yield (*path, name)
        if isinstance(value, dict):
            yield from keys(value, *path, name)


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_overlays_choose_no_class(path):
    """A class is the family's or the user's: to name one takes it from him."""
    found = {name for parts in keys(yaml.safe_load(path.read_text())) for name in parts}
    assert not found & {"class_path", "source", "other_domain", "callbacks"}


def test_a_folder_stays_the_data_under_an_overlay(here, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(80):
        shade = np.full((20, 20, 3), 3 * number, np.uint8)
        Image.fromarray(shade).save(folder / f"{number}.png")
    own = ("--data.source=anime_gen.data.Folder", f"--data.source.path={folder}")
    yamls = ("-c", "experiments/shared.yaml", "-c", "experiments/family/mlpgan.yaml")
    run = tmp_path / "run"
    debug = ("-c", "experiments/overlay/debug.yaml", "--data.score_images=8")
    done = here("fit", *yamls, "--run", run, *own, *debug)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"pictures of {folder}" in done.stderr
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["data"]["source"]["init_args"]["path"] == str(folder)
