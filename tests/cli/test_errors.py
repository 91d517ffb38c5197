"""Every mistake of the user's is one clear line, and loses nothing."""

import time

import pytest

SHARED = ("-c", "experiments/shared.yaml")
DIFFUSION = (*SHARED, "-c", "experiments/family/diffusion.yaml")
DCGAN = (*SHARED, "-c", "experiments/family/dcgan.yaml")


def refused(result, *expected):
    """One line on stderr (beside the logs of libraries), status 2, with the words that help."""
    assert result.returncode == 2, result.stderr[-2000:]
    assert "Traceback" not in result.stderr
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("anime-gen: ")
    assert len(line) < 600
    for word in expected:
        assert word in line, line
    return line


def test_help_is_quick_and_names_every_verb(anime_gen):
    anime_gen("--help")  # the first start compiles bytecode
    began = time.monotonic()
    result = anime_gen("--help")
    assert time.monotonic() - began < 2
    assert result.returncode == 0
    for verb in ("fit", "resume", "validate", "test", "predict", "sample", "describe"):
        assert f"\n  {verb} " in result.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("fti",), ["fti", "did you mean 'fit'"]),
        (("fit", *DIFFUSION, "--data.imagesize=32"), ["imagesize"]),
        (("fit", *DIFFUSION, "--data.image_size=big"), ["data.image_size", "int"]),
        (("fit", *DIFFUSION, "--data.batch_size=0"), ["batch_size", "at least 1"]),
        (("fit", *DIFFUSION, "--data.image_size=30"), ["image_size=30", "multiple of 8"]),
        (("fit", *DIFFUSION, "--model.target=Epsilonn"), ["model", "Epsilonn"]),
        (("fit", *DIFFUSION, "--model.settings.guidance={sketch: 2}"), ["guidance", "labels, landmarks"]),
        (("fit", "-c", "no/such.yaml"), ["no/such.yaml"]),
        (("fit", *DCGAN, "--data.image_size=48"), ["48"]),
        (
            ("fit", *DIFFUSION, "--data.source=anime_gen.data.Folder", "--data.source.path=/no/such/folder"),
            ["/no/such/folder"],
        ),
        (("fit", *DIFFUSION, "--trainer.max_epoch=3"), ["max_epoch"]),
        (("sample",), ["name the run"]),
        (("sample", "runs/nothing/here"), ["is no run"]),
        (("describe", "experiments/family/nothing.yaml"), ["no file"]),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, tuple) else None,
)
def test_mistakes(here, words, expected, tmp_path):
    run = ("--run", tmp_path / "run") if words[0] == "fit" else ()
    refused(here(*words, *run), *expected)
