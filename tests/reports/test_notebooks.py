"""Notebooks run from top to bottom, and git holds them without outputs."""

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


def test_they_run(make, tmp_path, monkeypatch):
    """Beside a folder of runs, as in the project; one after the other in one kernel, which starts slowly."""
    for family in ("diffusion", "dcgan"):
        for seed in (0, 1, 2):
            make(tmp_path / "runs", family, seed)
    ablations, compare = (nbformat.read(path, as_version=4) for path in NOTEBOOKS)
    second = make(tmp_path / "runs", "dcgan", 0, "slow", lr=0.0001)
    # The second finds each family with one system.
    forget = nbformat.v4.new_code_cell(f"%reset -f\nimport shutil\nshutil.rmtree({str(second)!r})")
    (tmp_path / "notebooks").mkdir()
    # The kernel must import the package that is tested, wherever another one is installed.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    both = nbformat.v4.new_notebook(cells=[*ablations.cells, forget, *compare.cells], metadata=compare.metadata)
    NotebookClient(both, timeout=120, resources={"metadata": {"path": str(tmp_path / "notebooks")}}).execute()
    outputs = [[output for cell in cells for output in cell.get("outputs", [])] for cells in (
        both.cells[: len(ablations.cells)], both.cells[len(ablations.cells) + 1 :])]  # fmt: skip
    assert [sum("image/png" in one.get("data", {}) for one in each) for each in outputs] == [1, 3]
    assert "dcgan: model.init_args.lr, 4 runs" in str(outputs[0])
    assert "fd_judge ↓" in str(outputs[1])
    assert "fd_judge: diffusion is best" in str(outputs[1])
