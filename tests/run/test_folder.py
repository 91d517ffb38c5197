"""The layout of a run folder, which one page knows."""

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from anime_gen.contract import UserError
from anime_gen.run.folder import RunFolder, checkpoint_of, run_of

PACKAGE = Path(__file__).resolve().parent.parent.parent / "anime_gen"
# Names that mean something else there.
ELSEWHERE = {
    "metrics/weights.py": {"checkpoints"},  # torch hub's
    "cli/__init__.py": {"tradeoff"},  # a verb
    "prepare/apart.py": {".lock"},  # an environment's
}


def places(run):
    """All that the folder may hold, by the names that its class gives them."""
    named = (getattr(run, name) for name, part in vars(RunFolder).items() if isinstance(part, property))
    return [place for place in named if isinstance(place, Path)] + [run.tradeoff("steps").parent]


def words(source):
    """The parts of every path that is spelt in a page: docstrings and texts for people (they have spaces) are none."""
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    paths = [text.strip("\n") for text in texts if isinstance(text, str) and " " not in text]
    return {part for path in paths for part in path.split("/")}


def test_one_page_knows_the_layout():
    names = {part for place in places(RunFolder(Path("run"))) for part in place.relative_to("run").parts}
    assert {"config.yaml", "metrics.json", "provenance.json", "checkpoints", "best.ckpt", "grids"} <= names
    for path in PACKAGE.rglob("*.py"):
        page = path.relative_to(PACKAGE).as_posix()
        if page != "run/folder.py":
            found = words(path.read_text()) & names - ELSEWHERE.get(page, set())
            assert not found, f"{page} spells {sorted(found)}: anime_gen.run.folder.RunFolder says where it is"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('run / "grids" / name', {"grids"}),
        ('print(f"\\n{run}/grids/")', {"grids"}),
        ('glob("**/config.yaml")', {"config.yaml"}),
        ('"""Draws `grids/`, by config.yaml."""', set()),
        ('raise UserError(f"{run} has no checkpoints/last.ckpt yet")', set()),
    ],
)
def test_what_is_found(source, found):
    assert words(source) & {"grids", "config.yaml", "checkpoints", "last.ckpt"} == found


def test_where_a_trainer_writes():
    run = RunFolder.of(SimpleNamespace(default_root_dir="runs/dcgan/one"))
    assert run == RunFolder(Path("runs/dcgan/one"))
    assert run.last == Path("runs/dcgan/one/checkpoints/last.ckpt")
    assert run_of(run.last) == run.path


def test_settings_have_the_names_of_today(tmp_path):
    run = RunFolder(tmp_path)
    run.config.write_text("model: {class_path: x.Y, init_args: {augment: anime_gen.augment.ada.ADA}}\n")
    assert run.is_run
    assert run.settings()["model"]["init_args"]["augment"] == "anime_gen.blocks.augment.ADA"


@pytest.mark.parametrize("text", ["model: [", "3", ""])
def test_settings_that_are_none_are_told_in_a_line(tmp_path, text):
    RunFolder(tmp_path).config.write_text(text)
    with pytest.raises(UserError, match=r"config\.yaml is no"):
        RunFolder(tmp_path).settings()


def test_no_run(tmp_path):
    run = RunFolder(tmp_path / "none")
    assert not run.is_run
    for ask in (run.existing, run.settings):
        with pytest.raises(UserError, match=r"none is no run \(it has no config.yaml\); runs lie under runs/<family>/"):
            ask()


def test_pictures_by_what_is_in_them(tmp_path):
    run = RunFolder(tmp_path)
    run.grids.mkdir()
    for path in (run.grid(640), run.grid(64), run.grid(640, "translated"), run.grids / "mine.png"):
        path.touch()
    assert {what: list(files) for what, files in run.drawn().items()} == {"samples": [64, 640], "translated": [640]}
    assert run.drawn()["translated"] == {640: run.grids / "000000640_translated.png"}
    assert RunFolder(tmp_path / "none").drawn() == {}


def test_checkpoints(tmp_path):
    run = RunFolder(tmp_path)
    with pytest.raises(UserError, match="holds no checkpoint 'best' yet"):
        checkpoint_of(tmp_path)
    run.checkpoints.mkdir()
    run.last.touch()
    assert checkpoint_of(tmp_path) == run.last
    assert checkpoint_of(run.last) == run.last
    run.best.touch()
    assert checkpoint_of(tmp_path) == run.best
    with pytest.raises(UserError, match="holds no checkpoint 'middle'; it holds: best, last"):
        checkpoint_of(tmp_path, "middle")


def test_sittings(tmp_path):
    run = RunFolder(tmp_path)
    assert run.sittings() == []
    run.provenance.write_text('[{"images_shown": 0}]')
    assert run.sittings() == [{"images_shown": 0}]
    run.provenance.write_text('[{"images_sh')
    with pytest.raises(UserError, match=r"provenance.json is not JSON"):
        run.sittings()
    for other in ("{}", "[1]", '[{"git": 5}]', '[{"started": null}]'):
        run.provenance.write_text(other)
        with pytest.raises(UserError, match=r"provenance.json does not say when a run was started: move it away"):
            run.sittings()
