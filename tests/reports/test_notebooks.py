"""Notebooks run from top to bottom, and git holds them without outputs."""

import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["ablations", "compare"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_in_git(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize(("name", "pictures"), [("compare", 3), ("ablations", 1)])
def test_it_runs(make, tmp_path, monkeypatch, name, pictures):
    """Beside a folder of runs, as in the project."""
    for family in ("diffusion", "dcgan"):
        for seed in (0, 1, 2):
            make(tmp_path / "runs", family, seed)
    if name == "ablations":
        make(tmp_path / "runs", "dcgan", 0, "slow", lr=0.0001)
    (tmp_path / "notebooks").mkdir()
    path = Path(shutil.copy(next(path for path in NOTEBOOKS if path.stem == name), tmp_path / "notebooks"))
    # The kernel must import the package that is tested, wherever another one is installed.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == pictures
    said = "".join(str(output) for output in outputs)
    assert ("fd_judge ↓" if name == "compare" else "model.init_args.lr") in said
