"""`--help` answers at once, and says what the parsers say."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from anime_gen.cli import LIGHTNING, PAGES, every_verb

ROOT = Path(__file__).resolve().parent.parent.parent

AT_ONCE = """
import sys
for heavy in ("torch", "lightning", "jsonargparse", "numpy"):
    sys.modules[heavy] = None  # an import of it fails
from anime_gen.cli import every_verb, main
for name in every_verb():
    assert main([name, "--help"]) == 0, name
for action in ("fit", "doubts", "complete"):
    assert main(["tagger", action, "--help"]) == 0
"""


def test_help_of_every_verb_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", AT_ONCE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in every_verb():
        assert f"usage: anime-gen {'VERB' if name in LIGHTNING else name}" in done.stdout, name


def test_pages_say_what_the_parsers_say():
    pinned = (ROOT / ".ci" / "requirements.lock").read_text()
    if f"jsonargparse=={version('jsonargparse')} " not in pinned or sys.version_info[:2] != (3, 12):
        pytest.skip("another version of the parsers words its help otherwise")
    written = {path.stem: path.read_text(encoding="utf-8") for path in PAGES.glob("*.txt")}
    tell = "import json; from anime_gen.cli.help_pages import pages; print(json.dumps(pages()))"
    # A process of its own: parsers list all classes that somebody has imported.
    done = subprocess.run([sys.executable, "-c", tell], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(written) == set(found), "run `make help-pages`"
    for name, text in found.items():
        assert written[name] == text, f"{name}: run `make help-pages`, and look at what it writes"
