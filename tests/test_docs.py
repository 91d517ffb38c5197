"""What every README says is so: paths and places exist, commands have the options they are typed with, code runs."""

import contextlib
import importlib.util
import inspect
import io
import itertools
import json
import pkgutil
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from anime_gen.cli import LIGHTNING, PAGES, every_verb, main
from anime_gen.cli.sample import build_parser
from anime_gen.cli.train import suite
from anime_gen.contract import UserError
from anime_gen.families.diffusion.module import DiffusionSettings
from anime_gen.families.sketch2style.module import Sketch2StyleSettings
from anime_gen.families.stylegan2.module import StyleGAN2Settings

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("anime_gen", "experiments", "notebooks", "tests")
READMES = [ROOT / "README.md", *sorted(page for folder in FOLDERS for page in (ROOT / folder).rglob("README.md"))]
PAGES_READ = [*READMES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LANGUAGES = {"sh", "python", "json", "text"}
# What the data decides of a family: no key.
LINKED = {"image_size", "num_tags", "attribute_sizes", "num_landmarks", "text_width"}
# What a verb hands on to another program.
HANDED_ON = {"dashboard": {"--port"}}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """What stands in backticks."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


class Command(NamedTuple):
    page: str
    words: tuple[str, ...]


def command_of(page: Path, line: str) -> Command | None:
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return Command(name_of(page), tuple(words)) if words else None


def fenced(page: Path) -> list[Command]:
    commands = []
    for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if language == "sh":
            lines = text.replace("\\\n", " ").splitlines()
            commands += [command for line in lines if (command := command_of(page, line))]
    return commands


def mentioned(page: Path) -> list[Command]:
    """Commands in backticks that are whole: nothing in them stands for something else."""
    found = []
    for span in spans(page):
        if re.match(r"([A-Z_]+=\S+ )*(make|anime-gen) [a-z]", span) and not re.search(r"[|<\[]|\.\.\.", span):
            command = command_of(page, span)
            assert command is not None
            found.append(command)
    return found


def headed(page: Path) -> list[Command]:
    """What a YAML says of itself above its keys."""
    lines = re.findall(r"^# +((?:make|anime-gen) [a-z].*[^\\\\])$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [command for line in lines if (command := command_of(page, line))]


COMMANDS = list(dict.fromkeys(command for page in PAGES_READ for command in [*fenced(page), *mentioned(page)]))
COMMANDS += [command for page in sorted((ROOT / "experiments").rglob("*.yaml")) for command in headed(page)]


def check(words: tuple[str, ...]) -> None:
    """Fails where a command is none, or has an option that there is not. Nothing is trained, drawn or written."""
    if words[0] == "make":
        for line in made(words[1:]):
            check(tuple(line))
    elif words[0] == "anime-gen":
        typed(words[1], list(words[2:]))
    elif words[0] == "source":
        assert words[1:] == (".venv/bin/activate",)
    elif words[:2] == ("python", "-m"):
        assert importlib.util.find_spec(words[2]), f"there is no module {words[2]}"
    else:
        assert words[0] == "uv", f"what is {words[0]}?"


def made(words: tuple[str, ...]) -> list[list[str]]:
    """The commands of ours that a target would run."""
    done = subprocess.run(["make", "-n", "-o", ".venv/.complete", *words], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.replace("\\\n", " ").splitlines()
    ours = [line for line in lines if re.match(r"\s*(\w+=\S+ )*\.venv/bin/(anime-gen |python -m anime_gen)", line)]
    return [
        [word.removeprefix(".venv/bin/") for word in shlex.split(line) if not re.fullmatch(r"[A-Z_]+=.*", word)]
        for line in ours
    ]


def typed(verb: str, words: list[str]) -> None:
    verbs = every_verb()
    assert verb in verbs, f"there is no verb {verb}"
    options = [word.split("=")[0] for word in words if word.startswith("--")]
    if verb in LIGHTNING:
        keys(words)
    elif verb == "tagger" and words[1:]:
        printed(lambda: main(["tagger", *words, "--print_config"]))
    elif verb == "sample" and words:
        sampled(words)
    elif verb in ("tradeoff", "study", "resume"):
        page = (PAGES / f"{verb}.txt").read_text(encoding="utf-8")
        keys([f"{word}=1" for word in options if "." in word and f"{word} " not in page], values=False)
        known(verb, [word for word in options if "." not in word])
        if verb == "study":
            assert (ROOT / words[0]).exists() or words[0].isupper(), words[0]
    else:
        known(verb, options)


def known(verb: str, options: list[str]) -> None:
    page = (PAGES / f"{verb}.txt").read_text(encoding="utf-8")
    for option in set(options) - HANDED_ON.get(verb, set()):
        assert re.search(rf"{re.escape(option)}\b(?![.-])", page), f"{verb} has no {option}"


def keys(words: list[str], values: bool = True) -> None:
    """Settings of a run, read by the parser that `fit` reads them with."""
    family = ["-c", "experiments/shared.yaml", "-c", "experiments/family/diffusion.yaml"]
    if not values:  # a key that there is refuses its value, at most
        for word in words:
            with pytest.raises((UserError, SystemExit)) as refused:
                suite(["fit", *family, word, "--print_config"])
            assert "unrecognized" not in str(refused.value), word
        return
    files = [word for option, word in itertools.pairwise(words) if option in ("-c", "--config")]
    gone = [path for path in files if path.startswith("runs/")]  # a run's own settings, which a reader has
    rest = [word for word in words if word not in ("-c", "--config", *files)]
    files = [path for path in files if path not in gone]
    if not any(path.startswith("experiments/family/") for path in files):
        files = [*family[1::2], *files]
    printed(lambda: suite(["fit", *(word for path in files for word in ("-c", path)), *rest, "--print_config"]))


def printed(call: Callable[[], object]) -> None:
    """Settings were read and shown: a mistake is raised, or is what the command returns."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        try:
            status = call()
        except SystemExit as left:
            status = left.code
    assert not status, "refused"
    assert said.getvalue()


def sampled(words: list[str]) -> None:
    """A run of some family reads these options: which, its settings decide."""
    refused = []
    for settings in (None, DiffusionSettings(), StyleGAN2Settings(), Sketch2StyleSettings()):
        try:
            with contextlib.suppress(SystemExit):  # of --help
                build_parser(settings).parse_args(words)
            return
        except UserError as reason:
            refused.append(str(reason))
    pytest.fail("; ".join(refused))


@pytest.fixture(autouse=True)
def at_home(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("ANIME_GEN_RUN", "")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}: {' '.join(command.words)[:70]}")
def test_a_command_has_these_options(command):
    check(command.words)


@pytest.mark.parametrize(
    "line",
    [
        "make experiment MODEL=nobody",
        "make nothing",
        "make experiment MODEL=dcgan ARGS='--model.wide=3'",
        "make comparison ARGS='--data.epoch_pictures=3'",
        "anime-gen fit -c experiments/family/dcgan.yaml --model.loss=anime_gen.blocks.Nothing",
        "anime-gen sample RUN --tag 'blue hair' --eyes blue",
        "anime-gen show RUN --everything",
        "anime-gen tagger fit --data.sauce=1",
        "anime-gen tradeoff RUN --vary steps --over 1,2 --data.score_pictures 256",
        "anime-gen draw RUN",
    ],
)
def test_a_wrong_command_is_noticed(line):
    with pytest.raises((AssertionError, UserError, pytest.fail.Exception)):
        check(tuple(shlex.split(line)))


@pytest.mark.parametrize("page", PAGES_READ, ids=name_of)
def test_links_lead_somewhere(page):
    text = prose(page)
    for target in [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'src="([^"]+)"', text)]:
        if target.startswith(("http://", "https://")):
            continue
        path, _, place = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), f"{name_of(page)}: {target}"
        if place:
            titles = re.findall(r"^#+ (.*)$", FENCE.sub("", linked.read_text(encoding="utf-8")), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert place in slugs, f"{name_of(page)}: {target}"


@pytest.mark.parametrize("page", PAGES_READ, ids=name_of)
def test_named_files_and_classes_exist(page):
    names = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*")} | {"pyproject.toml"}
    for span in spans(page):
        word = span.partition("::")[0]
        if re.search(r"[<>*=\s(|]|NAME", word):
            continue
        if re.fullmatch(r"anime_gen(\.\w+)+", word):
            pkgutil.resolve_name(word)
        elif word.startswith(tuple(f"{folder}/" for folder in FOLDERS)):
            assert (ROOT / word).exists(), f"{name_of(page)}: {word}"
        elif re.fullmatch(r"[\w./-]+\.(py|ipynb|lock|toml)|[\w-]+/[\w./-]*\.(yaml|md)|\w+\.yaml", word):
            there = (page.parent / word).exists() or (ROOT / word).exists() or ("/" not in word and word in names)
            there = there or word == "config.yaml"  # of a run
            assert there, f"{name_of(page)}: {word}"


@pytest.mark.parametrize("page", PAGES_READ, ids=name_of)
def test_blocks_are_what_they_say(page):
    text = page.read_text(encoding="utf-8")
    blocks = FENCE.findall(text)
    assert len(re.findall(r"^```", text, re.MULTILINE)) == 2 * len(blocks)
    for language, block in blocks:
        assert language in LANGUAGES, f"{name_of(page)}: a block begins with ```{language}"
        if language == "json":
            json.loads(block)
        if language == "python":
            code = compile(block, name_of(page), "exec")
            if "import" in block:
                exec(code, {})


@pytest.mark.parametrize("page", PAGES_READ, ids=name_of)
def test_nothing_is_cited_that_others_lack(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"\.\./shared|/work/|/tmp/|/home/|systems\.md|house\.md", text)


def test_the_front_page_is_short_and_the_pictures_small():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
    pictures = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.png")]
    assert sum(path.stat().st_size for path in pictures) < 3_000_000
    shown = "".join(page.read_text(encoding="utf-8") for page in PAGES_READ)
    assert [path.name for path in pictures if f"pictures/{path.name}" not in shown] == []


FAMILY_PAGES = [page for page in READMES if page.parent.parent.name == "families"]


def test_every_family_has_a_page():
    assert {page.parent for page in FAMILY_PAGES} == {
        path.parent for path in (ROOT / "anime_gen" / "families").glob("*/module.py")
    }


@pytest.mark.parametrize("page", FAMILY_PAGES, ids=lambda page: page.parent.name)
def test_the_keys_of_a_family_are_its_constructors(page):
    tables = re.findall(r"^`(\w+)` \((\w+)\.py\):\n\n\| key .*\n\|---.*\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE)
    assert tables
    for name, module, rows in tables:
        found = pkgutil.resolve_name(f"anime_gen.families.{page.parent.name}.{module}:{name}")
        cells = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows.splitlines()]
        written = {row[0].strip("`"): row[2] for row in cells}
        there = {key: one.default for key, one in inspect.signature(found).parameters.items() if key not in LINKED}
        assert list(written) == list(there), name
        for key, default in there.items():
            if isinstance(default, bool | int | float | None):
                said = yaml.safe_load(written[key].strip("`"))
                assert (float(said) if isinstance(said, str) else said) == default, key  # 1e-06 is no number in YAML
            elif default is inspect.Parameter.empty:
                assert written[key] == "required", key
