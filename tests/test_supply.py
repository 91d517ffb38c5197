"""What the suite imports is declared, and what is installed is what the lock has."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Of the environment itself, which `.ci/uv.txt` and venv put there.
OF_THE_ENVIRONMENT = {"anime-gen", "pip", "uv"}
# What is imported only in an environment of its own, which other pins make, or where what imports it is of no use
# without it.
ELSEWHERE = {
    "animeface": "anime_gen/prepare/animeface_finder.py",
    "diffusers": "anime_gen/families/diffusion/pipeline.py",
    "mmengine": "anime_gen/prepare/mmpose_runner.py",
    "mmpose": "anime_gen/prepare/mmpose_runner.py",
    "pycocotools": "anime_gen/prepare/mmpose_runner.py",
}


def imported(page: Path) -> Iterator[str]:
    """The first names of every package that a page imports, also within functions and for types alone."""
    for node in ast.walk(ast.parse(page.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def declared() -> set[str]:
    """Distributions that the suite asks for, for all or in an extra; `dev` is of those who change it."""
    extras = [lines for extra, lines in PROJECT["optional-dependencies"].items() if extra != "dev"]
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]
    return {canonicalize_name(Requirement(line).name) for line in lines}


def test_every_import_is_a_declared_dependency():
    by_import, allowed = packages_distributions(), declared()
    pages = {path: set(imported(path)) for path in (ROOT / "anime_gen").rglob("*.py")}
    assert len(pages) > 200
    undeclared = {}
    for path, names in pages.items():
        for name in names - sys.stdlib_module_names - {"anime_gen"}:
            found = {canonicalize_name(one) for one in by_import.get(name, [name])}
            if not found & allowed:
                undeclared.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert undeclared == {name: [page] for name, page in ELSEWHERE.items()}


def test_what_is_installed_is_what_the_lock_has():
    lines = (ROOT / ".ci/requirements.lock").read_text(encoding="utf-8").split("\n")
    pins = [re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", line) for line in lines]
    locked = {canonicalize_name(pin[1]): pin[2] for pin in pins if pin}
    installed = {canonicalize_name(one.name): one.version for one in distributions()}
    assert len(locked) > 100
    assert {
        name: version for name, version in installed.items() if name not in OF_THE_ENVIRONMENT
    }.items() <= locked.items()


def test_nothing_is_installed_without_a_hash():
    """`--require-hashes` refuses a file that is not one of those: each pin has some, and nothing is unpinned."""
    for name in ("requirements.lock", "requirements-oldest.lock", "uv.txt"):
        pins = re.split(r"\n(?=\S)", (ROOT / ".ci" / name).read_text(encoding="utf-8").strip())
        pins = [pin for pin in pins if not pin.startswith(("#", "--"))]
        assert all(re.match(r"[A-Za-z0-9._\[\]-]+==\S", pin) and "--hash=sha256:" in pin for pin in pins), name
    installs = re.findall(r"pip (?:install|sync).*", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert installs
    loose = [line for line in installs if "--require-hashes" not in line and "--no-deps" not in line]
    assert not loose
