"""What a run suggests works as it is typed, whatever families' runs lie beside it; so does what reads them all."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import nbformat
import pytest
import yaml
from PIL import Image

from anime_gen.cli import family_verbs
from anime_gen.cli.bases import with_bases
from anime_gen.contract import GenerativeModule, Translator
from anime_gen.run.trained import load

ROOT = Path(__file__).resolve().parent.parent.parent
FILES = {path.stem: with_bases(path) for path in sorted((ROOT / "experiments" / "family").glob("*.yaml"))}
YAMLS = {name: "".join(path.read_text() for path in files) for name, files in FILES.items()}
CLASSES = {name: yaml.safe_load(files[0].read_text())["model"]["class_path"] for name, files in FILES.items()}
# Of the files that share a class, the one that has the name of the family's folder.
ONE_OF_EACH = sorted({min((n for n in CLASSES if CLASSES[n] == c), key=lambda n: n not in c) for c in CLASSES.values()})


def small(family: str, style: Callable[..., Path]) -> list[str]:
    """Keys that make a run of seconds: the same small pictures for all, larger ones where two domains meet."""
    text = YAMLS[family]
    keys = ["--data.source=anime_gen.data.PaintedFaces", "--data.source.faces=80", "--data.image_size=16",
            "--data.batch_size=8", "--data.epoch_images=16", "--data.score_images=9",
            "--trainer.max_epochs=1", "--trainer.precision=32-true"]  # fmt: skip
    if "other_domain" in text:
        keys += ["--data.other_domain.people=60", "--data.image_size=32", "--trainer.callbacks.slices=[gender]"]
    if "finder_images" in text:
        keys.append("--model.landmarks.finder_images=64")
    if "channel_max: 512" in text:
        keys += ["--model.width=32", "--model.channel_max=32"]
    if "families.diffusion" in text:
        keys.append("--model.settings.steps=2")
    if "style: null" in text:
        keys.append(f"--model.style={style(*keys)}")
    return keys


# Options that are read before the run is, of verbs for which a place is not enough (or too much).
OUT = ("--out", "x")
OPTIONS = {"classifier": (), "along": (*OUT, "--tags", "x"), "project": ("x", *OUT), "sketch": ("x", *OUT)}


class Project(NamedTuple):
    """A folder with runs/<family>/one of each, what each run has said, and how a command is typed there."""

    folder: Path
    said: dict[str, str]
    type: Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(
    scope="module",
    params=[pytest.param(ONE_OF_EACH, id="one-of-each"), pytest.param(list(YAMLS), id="every", marks=pytest.mark.slow)],
)
def project(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    typed: Callable[..., subprocess.CompletedProcess[str]],
    style: Callable[..., Path],
) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("my project")  # a name that must be quoted
    said = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GenerativeModule, "chunk", 9)
        for family in request.param:
            yamls = ("-c", ROOT / "experiments/shared.yaml", "-c", ROOT / f"experiments/family/{family}.yaml")
            done = typed("fit", *yamls, *small(family, style), "--run", folder / "runs" / family / "one", folder=folder)
            assert done.returncode == 0, done.stderr
            said[family] = done.stdout
        # One that has only begun.
        (folder / "runs" / "begun" / "one").mkdir(parents=True)
        settings = folder / "runs" / request.param[0] / "one" / "config.yaml"
        (folder / "runs" / "begun" / "one" / "config.yaml").write_bytes(settings.read_bytes())
        yield Project(folder, said, partial(typed, folder=folder))


@pytest.fixture
def unserved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dashboard whose TensorBoard ends at once: a browser has tests of its own."""
    server = SimpleNamespace(poll=lambda: 0, wait=lambda: 0, terminate=lambda: None, returncode=0)
    processes = SimpleNamespace(Popen=lambda words: server, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr("anime_gen.cli.dashboard.subprocess", processes)


def commands(said: str) -> list[list[str]]:
    """The commands in what was said, each to the end of its line, its bracket or the gap behind it."""
    found = re.findall(r"\b((?:anime-gen|make) \S.*?)(?=\)?$|   )", said, re.M)
    return [shlex.split(command) for command in found]


def test_what_a_run_suggests_works(project: Project, unserved: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for family, said in project.said.items():
        suggested = commands(said)
        module = load(project.folder / "runs" / family / "one").module
        kind = "translate" if isinstance(module, Translator) else "sample"
        assert [words[1] for words in suggested] == ["dashboard", "dashboard", "show", kind], said
        for words in suggested:
            if words[0] == "make":
                subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, check=True, capture_output=True)
                continue
            done = project.type(*words[1:])
            assert done.returncode == 0, f"{family}: {words}: {done.stderr}"
        made = project.folder / ("grid.png" if kind == "sample" else "translations/sheet.png")
        with Image.open(made) as picture:
            assert min(picture.size) >= 96
        made.unlink()


def test_five_scores_come_first_and_the_rest_on_demand(project: Project) -> None:
    for family, said in project.said.items():
        run = project.folder / "runs" / family / "one"
        head, _, rest = said.partition("GiB\n")[2].partition("\n\n")
        lines = [line for line in head.splitlines() if "samples" not in line]
        assert len(lines) == 5, said
        assert lines[0].split()[:2] == ["fd_judge,", "render"]
        assert "--all" in rest
        assert project.type("show", run).stdout.splitlines()[1:] == head.splitlines()
        every = project.type("show", run, "--all").stdout
        names = {record["name"] for record in json.loads((run / "metrics.json").read_text())}
        assert {name for name in names if "_real" not in name} <= set(every.split())


def test_a_verb_of_another_kind_says_so_in_one_line(project: Project) -> None:
    for family in sorted(set(project.said) & set(ONE_OF_EACH)):
        run = project.folder / "runs" / family / "one"
        is_translator = isinstance(load(run).module, Translator)
        own = f"anime_gen.families.{CLASSES[family].split('.')[2]}."
        others = [name for name, (where, purpose) in family_verbs().items()
                  if purpose.startswith("RUN") and not where.startswith(own)]  # fmt: skip
        for verb in (*others, "sample" if is_translator else "translate"):
            done = project.type(verb, run, *OPTIONS.get(verb, OUT))
            (line,) = [line for line in done.stderr.splitlines() if line.startswith("anime-gen: ")]
            assert done.returncode == 2, (family, verb)
            assert CLASSES[family].rpartition(".")[2] in line, (family, verb)
        if is_translator:
            suggested = project.type("sample", run).stderr.split("anime-gen ")[1].strip()
            assert project.type(*shlex.split(suggested)).returncode == 0


def test_the_dashboard_shows_all_of_them(project: Project, unserved: None) -> None:
    done = project.type("dashboard")
    assert done.returncode == 0, done.stderr
    assert f"{len(project.said) + 1} runs of runs" in done.stdout


def test_they_are_compared(project: Project) -> None:
    """Those that can be; the rest is left out in one line."""
    done = project.type("compare", "--faces", 2, "--out", "comparison")
    assert done.returncode == 0, done.stderr
    table = json.loads((project.folder / "comparison" / "compare.json").read_text())
    left_out = [note for note in table["notes"] if note.startswith("Left out, because measured differently")]
    assert len(left_out) == 1, "all that translate were measured on pictures of two domains"
    assert set(table["systems"]) | set(re.findall(r"(\w+)/one", left_out[0])) == set(project.said)
    assert len(table["systems"]) > len(project.said) / 2
    assert "Left out, not scored yet: runs/begun/one" in done.stderr
    assert len(done.stdout.partition("At 16 images")[2].splitlines()) < len(table["systems"]) + 20, "notes are grouped"
    for name in ("images", "seconds", "control", "faces"):
        with Image.open(project.folder / "comparison" / f"{name}.png") as picture:
            assert picture.width > 500


@pytest.mark.parametrize("name", ["compare", "ablations"])
def test_notebooks_show_them(project: Project, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: that they run in a kernel is tested where their contents are."""
    displayed: list[object] = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    (project.folder / "notebooks").mkdir(exist_ok=True)
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    with contextlib.chdir(project.folder / "notebooks"), contextlib.redirect_stdout(io.StringIO()) as out:
        page: dict[str, object] = {}
        for cell in cells:
            if cell.cell_type == "code":
                exec(cell.source, page)
    assert "begun" in out.getvalue()
    if name == "compare":
        sheets = [one for one in displayed if isinstance(one, Image.Image)]
        assert len(sheets) >= 2, "at least one for each size of pictures"
    else:
        assert "there is nothing to draw" in out.getvalue()
