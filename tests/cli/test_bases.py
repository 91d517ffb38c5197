"""`base: NAME` in a file of settings."""

from pathlib import Path

import pytest
import yaml

from anime_gen.cli.bases import with_bases
from anime_gen.cli.train import suite
from anime_gen.contract import UserError

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        return tmp_path

    return write


DCGAN = (ROOT / "experiments" / "family" / "dcgan.yaml").read_text()


def test_a_file_stands_behind_its_bases(write):
    folder = write(a="base: b\n", b="# b\nbase: c\n", c="data:\n  seed: 1\n", empty="# nothing\n")
    assert with_bases(folder / "a.yaml") == [folder / "c.yaml", folder / "b.yaml", folder / "a.yaml"]
    assert with_bases(folder / "empty.yaml") == [folder / "empty.yaml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: dcgn", "own.yaml: base: there is no .*dcgn.yaml; there are: dcgan, round"),
        ("base: own", "circle: own -> own"),
        ("base: round", "circle: own -> round -> own"),
        ("base: [", "own.yaml is no YAML"),
    ],
)
def test_a_base_that_cannot_be(write, text, said):
    folder = write(dcgan=DCGAN, round="base: own\n", own=f"{text}\n")
    with pytest.raises(UserError, match=said):
        suite(["-c", str(folder / "own.yaml")], run=False)


def settings(capsys, *files):
    with pytest.raises(SystemExit):
        suite(["fit", *(word for file in files for word in ("-c", str(file))), "--print_config"])
    return yaml.safe_load(capsys.readouterr().out)


def test_differences_win_wherever_the_file_stands(write, capsys):
    """The base is read just before the file that names it: what a file before them says, both may change."""
    folder = write(
        dcgan=DCGAN,
        before="data:\n  epoch_images: 5\n  score_images: 7\n",
        own="base: dcgan\nmodel:\n  init_args:\n    z_dim: 9\n    networks:\n      init_args:\n        width: 11\n"
        "data:\n  seed: 3\n",
        twice="base: own\nmodel:\n  init_args:\n    loss:\n      class_path: anime_gen.blocks.Hinge\n",
    )
    found = settings(capsys, folder / "before.yaml", folder / "twice.yaml")
    assert "base" not in found
    assert found["data"]["seed"] == 3
    assert found["data"]["epoch_images"] == 51200
    assert found["data"]["score_images"] == 7
    model = found["model"]["init_args"]
    assert model["z_dim"] == 9
    assert model["networks"]["init_args"] == {"width": 11, "max_width": 512, "norm": "batch"}
    assert model["loss"]["class_path"].endswith("Hinge")
    assert model["betas"] == [0.5, 0.999]


def test_another_class_leaves_what_only_the_old_one_takes(write, capsys):
    network = "anime_gen.families.dcgan.FullyConnected"
    text = f"base: dcgan\nmodel:\n  init_args:\n    networks:\n      class_path: {network}\n"
    found = settings(capsys, write(dcgan=DCGAN, own=text) / "own.yaml")
    assert set(found["model"]["init_args"]["networks"]["init_args"]) == {"hidden", "layers", "batch_norm"}


def test_a_run_has_the_name_of_the_file_that_was_named(monkeypatch):
    """Not that of its base."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("ANIME_GEN_RUN", raising=False)
    cli = suite(["-c", "experiments/shared.yaml", "-c", "experiments/family/mlpgan.yaml"], run=False)
    assert Path(cli.config.run).parts[:2] == ("runs", "mlpgan")
