"""Every mistake of the user's is one clear line, and loses nothing."""

import time
from pathlib import Path

import pytest
import torch

from anime_gen.cli import resume
from anime_gen.cli.machine import fastest_precision
from anime_gen.cli.train import suite

ROOT = Path(__file__).resolve().parent.parent.parent
SHARED = ("-c", "experiments/shared.yaml")
DIFFUSION = (*SHARED, "-c", "experiments/family/diffusion.yaml")
DCGAN = (*SHARED, "-c", "experiments/family/dcgan.yaml")
TINY = ("-c", "experiments/overlay/debug.yaml", "--data.source=anime_gen.data.PaintedFaces", "--data.source.faces=200")


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


def test_help_is_quick_and_names_every_verb(fresh):
    fresh("--help")  # the first start compiles bytecode
    began = time.monotonic()
    result = fresh("--help")
    assert time.monotonic() - began < 2
    assert result.returncode == 0
    for verb in ("fit", "resume", "validate", "test", "predict", "sample", "describe", "classifier"):
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
        (("fit", *DIFFUSION, "--model.settings.guidance={labels: 2}"), ["guidance", "attributes, tags, text"]),
        (("fit", "-c", "no/such.yaml"), ["no/such.yaml"]),
        (("fit", *DCGAN, "--data.image_size=48"), ["48"]),
        (
            ("fit", *DIFFUSION, "--data.source=anime_gen.data.Folder", "--data.source.path=/no/such/folder"),
            ["/no/such/folder"],
        ),
        (("fit", *DIFFUSION, "--trainer.max_epoch=3"), ["max_epoch"]),
        (("fit", *DCGAN, "--trainer.devices=two"), ["--trainer.devices=two"]),
        (("fit", *DCGAN, "--trainer.strategy=clever"), ["trainer", "clever"]),
        (("fit", *DCGAN, *TINY, "--trainer.gradient_clip_val=1"), ["gradient_clip_val"]),
        (("fit", *DCGAN, "--trainer.accelerator=tpu"), ["trainer", "torch_xla"]),
        (("fit", *DCGAN, "--trainer.precision=64"), ["precision", "32-true"]),
        (("fit", *DCGAN, "--ckpt_path", "no/such.ckpt"), ["no/such.ckpt"]),
        (("validate", *DCGAN), ["--ckpt_path runs/"]),
        (("test", *DCGAN, "--ckpt_path", "no/such.ckpt"), ["no/such.ckpt"]),
        (("predict", *DCGAN, "--ckpt_path", "README.md"), ["README.md is not a checkpoint"]),
        (("sample",), ["name the run"]),
        (("sample", "runs/nothing/here"), ["is no run"]),
        (("describe", "experiments/family/nothing.yaml"), ["no file"]),
    ],
    ids=lambda value: " ".join(value)[-40:] if isinstance(value, tuple) else None,
)
def test_mistakes(here, words, expected, tmp_path):
    run = ("--run", tmp_path / "run") if words[0] == "fit" else ()
    refused(here(*words, *run), *expected)


@pytest.mark.parametrize(
    ("family", "key", "expected"),
    [
        ("dcgan", "model.betas=null", "betas: Expected a <class 'tuple'>. Got value: None"),
        ("dcgan", "model.networks.width=null", "width: Expected"),
        ("dcgan", "data.source.faces=null", "faces: Expected"),
        ("dit", "model.network.heads=null", "heads: Expected"),
        ("dit", "model.network.heads=0", "heads 0"),
        ("diffusion", "model.optimizer=null", "optimizer: Expected"),
        ("diffusion", "model.network.blocks=1000000", "blocks is 1000000; give 0 to 1000"),
        ("stylegan2", "model.head.layers=1000000", "layers is 1000000"),
        ("dcgan", "model.z_dim=-1", "these settings cannot be built: Trying to create tensor with negative dimension"),
        ("dcgan", f"model.z_dim={10**15}", "out of memory: make data.batch_size"),
        ("dcgan", f"data.batch_size={10**12}", "it must be at most"),
        ("dcgan", f"data.source.faces={10**400}", "faces: no setting is 2**63 or more"),
        ("dcgan", f"model.lr_generator={10**400}", "int too large"),
        ("diffusion", f"model.network.channels=[{10**400}]", "channels: no setting is 2**63 or more"),
        ("dcgan", f"model.networks={'[' * 20_000}", "networks"),
        ("dcgan", "seed_everything=-1", "--seed_everything: give a number from 0 to 4294967295"),
        ("dcgan", f"trainer.devices={10**18}", "trainer"),
    ],
)
def test_absurd_numbers(here, family, key, expected, tmp_path):
    yaml = f"experiments/family/{family}.yaml"
    refused(here("fit", *SHARED, "-c", yaml, f"--{key}", "--run", tmp_path / "run"), expected)


def test_what_a_terminal_would_obey_is_spelt_out(here):
    assert refused(here("resume", "no\x1b[2Jrun\a")).startswith(r"anime-gen: no\x1b[2Jrun\x07 is no run")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("words", [("--trainer.accelerator=gpu",), ("--trainer.devices=0,1",)])
def test_without_a_gpu(here, words, tmp_path):
    refused(here("fit", *DCGAN, *words, "--run", tmp_path / "run"), "trainer")


@pytest.mark.parametrize("error", [ValueError, RuntimeError])
def test_a_bug_in_training_shows_its_traceback(here, error, tmp_path, monkeypatch):
    def step(*_):
        raise error("a bug")

    monkeypatch.setattr("anime_gen.families.dcgan.DCGAN.training_step", step)
    with pytest.raises(error, match="a bug"):
        here("fit", *DCGAN, *TINY, "--run", tmp_path / "run")


def test_only_the_first_rank_complains(here, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    result = here("resume", "no/such/run")
    assert (result.returncode, result.stderr) == (2, "")

    def lost(*_):
        raise RuntimeError("Connection closed by peer [127.0.0.1]")  # gloo, when rank 0 has failed

    monkeypatch.setattr(resume, "main", lost)
    assert here("resume").returncode == 2
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(RuntimeError):
        here("resume")


def test_who_starts_processes_elsewhere_names_the_folder(here, monkeypatch, tmp_path):
    """Each would take one of its own, by the time of its start."""
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "one")
    refused(here("fit", *DCGAN, *TINY, "--trainer.devices=2"), "say which run folder", "--run=")


def test_emulated_bfloat16_is_not_fast(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert fastest_precision("auto") == "32-true"


def test_a_machine_without_cuda_trains_on_its_cpu(monkeypatch):
    """Not on what Lightning would choose: Apple's GPU has no float64, which the scores need."""
    monkeypatch.setattr("lightning.pytorch.accelerators.mps.MPSAccelerator.is_available", lambda: True)
    monkeypatch.setattr("lightning.pytorch.accelerators.mps.MPSAccelerator.get_parallel_devices", lambda _: ["mps"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.chdir(ROOT)
    cli = suite([*DCGAN], run=False)
    assert type(cli.trainer.accelerator).__name__ == "CPUAccelerator"
    assert cli.config.trainer.accelerator == "auto", "a run may go on on another machine"
