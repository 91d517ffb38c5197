"""Notebooks run from top to bottom, and git holds them without outputs."""

import copy
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from anime_gen.images import tile

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert [path.stem for path in NOTEBOOKS] == ["ablations", "compare"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_in_git(path):
    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def run(cells: list[nbformat.NotebookNode], folder: Path) -> None:
    """Executes cells where a notebook lies beside the runs of `folder`; one kernel for all: it starts slowly."""
    (folder / "notebooks").mkdir(exist_ok=True)
    for number, cell in enumerate(cells):
        cell["id"] = str(number)  # some are there twice
    whole = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(whole, timeout=120, resources={"metadata": {"path": str(folder / "notebooks")}}).execute()


code = nbformat.v4.new_code_cell


def outputs(cells: list[nbformat.NotebookNode]) -> str:
    found = [output for cell in cells for output in cell.get("outputs", [])]
    for output in found:
        if "image/png" in output.get("data", {}):
            output["data"] = {"image/png": "a picture"}
    return str(found)


def test_they_run(make, tmp_path, monkeypatch):
    """With no run there are sentences; with runs, tables and faces; a run that has begun and a short one spoil none."""
    # The kernel must import the package that is tested, wherever another one is installed.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    for family in ("diffusion", "dcgan"):
        for seed in (0, 1, 2):
            draw(make(tmp_path / "later", family, seed))
    draw(make(tmp_path / "later", "dcgan", 0, "slow", lr=0.0001))
    make(tmp_path / "later", "dcgan", 1, "debug", images=(64,))
    (make(tmp_path / "later", "dit", 0) / "metrics.json").write_text("[]")
    (tmp_path / "runs").mkdir()
    notebooks = {path.stem: nbformat.read(path, as_version=4).cells for path in NOTEBOOKS}
    before, after = copy.deepcopy(notebooks), copy.deepcopy(notebooks)
    forget, arrive = "%reset -f", "!rmdir ../runs; mv ../later ../runs"
    parts = (
        before["ablations"],
        forget,
        before["compare"],
        forget,
        arrive,
        after["ablations"],
        forget,
        after["compare"],
    )
    run([cell for part in parts for cell in ([code(part)] if isinstance(part, str) else part)], tmp_path)
    for name, cells in before.items():
        said = outputs(cells)
        assert "There are no runs with scores yet" in said, name
        assert "image/png" not in said
        assert "text/html" not in said, "no empty table"
    for name, pictures in {"ablations": 2, "compare": 6}.items():
        said = outputs(after[name])
        assert said.count("'a picture'") == pictures, name
        assert "Left out, not scored yet: ../runs/dit/seed0" in said
    assert "dcgan: model.init_args.lr, 4 runs" in outputs(after["ablations"])
    assert "Left out at 3,000 images" in outputs(after["compare"])
    assert "fd_judge ↓" in outputs(after["compare"])


def draw(run: Path) -> None:
    """The grids of a run, of samples and of another thing."""
    (run / "grids").mkdir()
    pictures = torch.zeros(64, 3, 32, 32, dtype=torch.uint8)
    for name in ("000001000", "000003000", *(["000003000_translated"] if run.parent.name == "diffusion" and
                                              run.name == "seed0" else [])):  # fmt: skip
        tile(pictures, 8).save(run / "grids" / f"{name}.png")
