"""Settings that nobody would write: each builds and trains a step, or ends in one clear line, whatever the family."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.fabric.utilities.exceptions import MisconfigurationException

from anime_gen.cli import mistake, plain
from anime_gen.cli.describe import example
from anime_gen.cli.train import Begun, suite
from anime_gen.settings.parser import one_line
from tests.one_step import one_step

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = ("--data.image_size=16", "--data.batch_size=4", "--data.source.faces=20", "--trainer.accelerator=cpu")
# One of each way to be built, and what is small of it; the others differ in numbers.
FAMILIES = {
    "dcgan": ("--model.networks.width=4",),
    "mlpgan": (),
    "acgan": (),
    "vae": (),
    "autoencoder": (),
    "diffusion": ("--model.network.channels=[8, 8]",),
    "dit": ("--model.network.width=16", "--model.network.depth=1"),
    "cyclegan": (),
    "stylegan2_ada": ("--model.channel_base=64", "--model.channel_max=8", "--model.width=8"),
}
# Where something is written, and what asks for other processes or for a machine that is not here.
APART = re.compile(r"(default_root_dir|cache_dir|callbacks|logger|profiler|plugins|devices|num_nodes|class_path)$")

NUMBERS = st.one_of(
    st.integers(-3, 20),
    st.floats(-4, 4),
    st.sampled_from([10**15, -(10**15), 10**30, 10**400, 1e300, 1e-300, float("inf"), float("nan")]),
)
SCALARS = st.one_of(NUMBERS, st.sampled_from(["null", "true", "", "word", "{", "[", "a: b: c", "\x1b", "é"])).map(str)
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
    st.dictionaries(st.sampled_from(["a", "width", "tags"]), SCALARS, max_size=2).map(
        lambda parts: "{" + ", ".join(f"{name}: {value}" for name, value in parts.items()) + "}"
    ),
)


def arguments(family: str) -> list[str]:
    yamls = ["-c", f"{ROOT}/experiments/shared.yaml", "-c", f"{ROOT}/experiments/family/{family}.yaml"]
    return [*yamls, *SMALL, *FAMILIES[family]]


def typed(config: Any) -> Iterator[tuple[str, Any]]:
    """Every key that a user may type and its value; the names between that jsonargparse has are no part of one."""
    for part in ("model", "data", "scoring", "trainer"):
        for key, value in config[part].items():
            if not APART.search(key):
                yield f"{part}.{key}".replace(".init_args.", "."), value


def outcome(words: list[str]) -> str:
    """Builds what the words ask for and trains a step: "" where that runs, or the line that says why it does not."""
    begun = Begun()
    try:
        cli = suite(words, run=False)
        batch = example(cli.model, cli.datamodule, 4)
        one_step(cli.model, batch, begun)
    except Exception as error:
        if reason := mistake(error):
            return plain(str(reason))
        if begun.begun or not isinstance(error, ValueError | MisconfigurationException):
            raise
        return plain(one_line(str(error)))  # as `SuiteCLI` says what is refused before the first batch
    return ""


def tried(family: str, examples: int, always_the_same: bool) -> None:
    """Other values for some keys of a family, the number of examples times."""
    told = dict(typed(suite(arguments(family), run=False).config))
    numbers = [key for key, value in told.items() if isinstance(value, int | float) and "trainer" not in key]
    changes = st.one_of(
        st.tuples(st.sampled_from(numbers), NUMBERS.map(str)),
        st.tuples(st.sampled_from(numbers), st.integers(0, 8).map(str)),
        st.tuples(st.sampled_from([*told, "seed_everything"]), VALUES),
    )

    @settings(max_examples=examples, derandomize=always_the_same, database=None)
    @given(st.lists(changes, min_size=1, max_size=2))
    def each(changed: list[tuple[str, str]]) -> None:
        line = outcome([*arguments(family), *(f"--{key}={value}" for key, value in changed)])
        assert "\n" not in line
        assert len(line) < 600
        assert not line or re.search(r"\w: ?\S|;|=", line), f"says nothing: {line}"

    each()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_few(family, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_RUN", "")
    tried(family, 5, True)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_many(family, monkeypatch):
    monkeypatch.setenv("ANIME_GEN_RUN", "")
    tried(family, 120, False)


def test_a_line_about_true_and_false_says_so():
    assert outcome([*arguments("mlpgan"), "--trainer.benchmark=7"]) == "trainer.benchmark: Expected true or false"
    assert outcome([*arguments("mlpgan"), "--data.mirror=[]"]) == (
        "data.mirror: Expected a <class 'bool'>. Got value: []"
    )
