"""A run that leaves the house: loaded by torch alone, and by diffusers, it must draw what it drew here."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from anime_gen.contract import CAPTION_TOKENS, Condition, UserError
from anime_gen.data.captions import caption_tokens
from anime_gen.families.diffusion import (
    DDIM,
    DDPM,
    EDM,
    Cosine,
    Diffusion,
    DiffusionSettings,
    DiT,
    DPMSolverPP,
    Epsilon,
    Euler,
    Flow,
    FlowVelocity,
    LandmarkMask,
    Linear,
    Picture,
    Preconditioned,
    ThesisUNet,
    TrainedText,
    UNet,
    UniPC,
    Velocity,
    ZeroTerminalSNR,
)
from anime_gen.families.diffusion import export
from anime_gen.families.diffusion.guidance import KINDS, Told
from anime_gen.run import Trained
from anime_gen.vocabulary import LANDMARKS, Vocabulary

WORDS = Vocabulary(
    ["blue hair", "smile", "hat", "twin tails", "red hair"], {"hair": ["blue", "red", "grey"], "style": ["soft", "flat"]}
)
NETWORKS = {"unet": lambda: UNet([8, 16]), "thesis": ThesisUNet, "dit": lambda: DiT(width=32, depth=2, heads=2)}
SEEDS = [3, 11, 12]


def trained(network="unet", **changes) -> Trained:
    """An untrained family on every condition, in which every path counts."""
    torch.manual_seed(0)
    options = {"num_tags": 5, "attribute_sizes": [3, 2], "num_landmarks": 24, "text": TrainedText(16, 1, 2),
               "sketch": True, "network": NETWORKS[network](), **changes}  # fmt: skip
    module = Diffusion(16, **options).eval()
    for parameter in module.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return Trained(module, WORDS, None, 1234, Path("runs/diffusion/one/checkpoints/best.ckpt"))


@pytest.fixture(scope="module", params=NETWORKS)
def exported(request, tmp_path_factory):
    """(run, folder) of each network."""
    run = trained(request.param, **({"landmarks": LandmarkMask()} if request.param == "thesis" else {}))
    folder = tmp_path_factory.mktemp("exports") / request.param
    export.write(run, folder)
    return run, folder


def condition(count: int) -> Condition:
    generator = torch.Generator().manual_seed(count)
    tags = torch.randint(0, 2, (count, 5), generator=generator).float()
    tags[:, 0] = torch.nan
    attributes = torch.randint(-1, 2, (count, 2), generator=generator)
    caption = torch.nn.functional.pad(torch.randint(1, 99, (count, 6), generator=generator), (0, CAPTION_TOKENS - 6))
    landmarks = torch.rand(count, 24, 2, generator=generator)
    landmarks[-1] = torch.nan
    sketch = torch.rand(count, 1, 16, 16, generator=generator)
    return Condition(tags, attributes, landmarks, torch.ones(count, 24, dtype=torch.bool), sketch, caption)


# Runs where `import anime_gen` fails: with plain torch, the program and the weights are all there is.
ALONE = """
import json, sys
sys.modules["anime_gen"] = None
import torch
from safetensors.torch import load_file
folder, cases, out = sys.argv[1:]
config = json.load(open(folder + "/config.json"))
program = torch.export.load(folder + "/denoiser.pt2")
weights = load_file(folder + "/denoiser.safetensors")
assert {name: list(tensor.shape) for name, tensor in weights.items()} == config["tensors"]
assert {name.removeprefix("network.") for name in program.state_dict} == set(weights)
for name, tensor in program.state_dict.items():
    assert torch.equal(tensor, weights[name.removeprefix("network.")]), name
network = program.module()
with torch.no_grad():
    torch.save([network(**case) for case in torch.load(cases)], out)
assert not [name for name in sys.modules if name.startswith("anime_gen.")]
"""


def test_the_folder_holds_the_averaged_weights_and_says_what_they_are(exported):
    run, folder = exported
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "model_index.json", "pipeline.py", "scheduler/scheduler_config.json", "denoiser/config.json",
        "denoiser/denoiser.py", "denoiser/denoiser.pt2", "denoiser/denoiser.safetensors", "denoiser/vocabulary.json",
    }  # fmt: skip
    weights = load_file(folder / "denoiser" / "denoiser.safetensors")
    expected = run.module.averaged.state_dict()
    assert weights.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, rtol=0, atol=0)
    config = json.loads((folder / "denoiser" / "config.json").read_text(), parse_constant=pytest.fail)
    assert config["network"].endswith(type(run.module.network.backbone).__name__)
    assert config["options"]["attribute_sizes"] == [3, 2]
    assert config["defaults"] == {"steps": 20, "guidance": 2.0}


def test_the_program_computes_the_network_where_there_is_no_anime_gen(exported, tmp_path):
    run, folder = exported
    network, cases, expected = run.module.network, [], []
    for count in (1, 3):
        x, told = torch.randn(count, 3, 16, 16), torch.rand(count) * 999
        given = condition(count)
        for kinds in (KINDS, (), ("tags", "sketch")):
            flags = Told(*(torch.full((count,), kind in kinds) for kind in KINDS))
            parts = (given.attributes_BA, given.tags_BT, given.caption_BL, given.landmarks_BK2, given.sketch_B1HW)
            inputs = dict(zip(KINDS, parts, strict=True)) | {f"told_{k}": f for k, f in zip(KINDS, flags, strict=True)}
            cases.append({"x": x, "told": told, **inputs})
            with torch.no_grad():
                expected.append(network(x, told, given, flags))
    torch.save(cases, tmp_path / "cases.pt")
    done = subprocess.run(
        [sys.executable, "-c", ALONE, folder / "denoiser", tmp_path / "cases.pt", tmp_path / "out.pt"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = torch.load(tmp_path / "out.pt")
    assert not torch.allclose(expected[0], expected[1], atol=1e-2), "the conditions are of no consequence here"
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schedule": EDM(), "target": Picture()}, "no scheduler for EDM with Picture"),
        ({"schedule": Flow(), "target": Picture()}, "no scheduler for Flow with Picture"),
    ],
)
def test_what_diffusers_cannot_step_is_refused_before_anything_is_written(change, message, tmp_path):
    with pytest.raises(UserError, match=message):
        export.write(trained(**change), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_verb_says_what_is_wrong_in_one_line(tmp_path, monkeypatch):
    run = trained()
    monkeypatch.setattr(export, "load", lambda run, checkpoint: trained_or_not)
    trained_or_not = run
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UserError, match="full holds something already"):
        export.main("export", ["RUN", "--out", str(tmp_path / "full")])
    with pytest.raises(UserError, match="No such|not a directory|Not a directory|holds something"):
        export.main("export", ["RUN", "--out", str(tmp_path / "full" / "file" / "below")])
    with pytest.raises(UserError, match="out"):
        export.main("export", ["RUN"])
    trained_or_not = run._replace(module=torch.nn.Linear(1, 1))
    with pytest.raises(UserError, match="is a Linear; only diffusion"):
        export.main("export", ["RUN", "--out", str(tmp_path / "new")])
    monkeypatch.undo()
    with pytest.raises(UserError, match="is no run"):
        export.main("export", [str(tmp_path / "nothing"), "--out", str(tmp_path / "new")])


def test_words_are_those_of_the_vocabulary():
    words = export.words_of(WORDS)
    assert words["blue hair"] == words["hair=blue"] == {"tag": 0, "attribute": [0, 0]}
    assert words["soft"] == words["style=soft"] == {"attribute": [1, 0]}
    assert words["grey hair"] == {"attribute": [0, 2]}
    assert words["smile"] == {"tag": 1}


# From here on with diffusers.


def pipeline(folder: Path):
    diffusers = pytest.importorskip("diffusers")
    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, custom_pipeline=str(folder), trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(autouse=True)
def hub(tmp_path_factory, monkeypatch):
    """diffusers copies an exported page to its cache before it runs it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One exported program; a schedule changes nothing but two JSON files."""
    folder = tmp_path_factory.mktemp("shared") / "run"
    export.write(trained(), folder)
    return folder


ASKED = {"tags": "Blue_hair, twintails, -hat, style=soft", "caption": "1girl, silver hair, :d"}
POINTS = {name: (0.2 + 0.02 * i, 0.9 - 0.03 * i) for i, name in enumerate(LANDMARKS)}
LINES = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8))


def as_asked() -> Condition:
    """What ASKED, POINTS and LINES say, made by hand."""
    nan = torch.nan
    one = Condition(
        torch.tensor([[1.0, nan, 0.0, 1.0, nan]]),
        torch.tensor([[0, 0]]),
        torch.tensor([list(POINTS.values())]),
        torch.ones(1, 24, dtype=torch.bool),
        1 - torch.from_numpy(np.asarray(LINES)).float()[None, None] / 255,
        torch.from_numpy(caption_tokens(ASKED["caption"]).astype(np.int64))[None],
    )
    return one.map(lambda part: part.expand(len(SEEDS), *part.shape[1:]))


CASES = [
    # schedule, target, sampler, evaluations, largest difference of a value in [-1, 1]
    (Cosine(), Velocity(), DDIM(), 20, 1e-3),
    (Cosine(), Velocity(), DDIM(), 7, 1e-3),
    (Cosine(), Velocity(), DDIM(), 61, 1e-3),
    (Cosine(), Velocity(), DPMSolverPP(), 20, 1e-3),
    (Cosine(), Velocity(), DPMSolverPP(), 7, 1e-3),
    (Cosine(), Velocity(), DDPM(), 10, 1e-3),
    (Cosine(250), Picture(), DDIM(), 12, 1e-3),
    (Linear(), Epsilon(), DDIM(), 20, 1e-3),
    (Linear(), Epsilon(), DPMSolverPP(), 20, 1e-3),
    (ZeroTerminalSNR(), Velocity(), DDIM(), 13, 1e-3),
    (EDM(), Preconditioned(), Euler(), 12, 1e-3),
    (EDM(), Preconditioned(), DPMSolverPP(), 12, 1e-3),
    (Flow(), FlowVelocity(), Euler(), 10, 1e-3),
]


@pytest.mark.parametrize(
    ("schedule", "target", "sampler", "steps", "tolerance"),
    CASES,
    ids=[f"{type(a).__name__}-{type(b).__name__}-{c}-{n}" for a, b, c, n, _ in CASES],
)
def test_diffusers_draws_the_picture_that_we_draw(shared, tmp_path, monkeypatch, schedule, target, sampler, steps, tolerance):
    settings = DiffusionSettings(steps, {"tags": 3.0, "landmarks": 1.5, "attributes": 2.0, "text": 2.0}, sampler=sampler)
    run = trained(schedule=schedule, target=target, settings=settings)
    with monkeypatch.context() as patch:  # the program is the same, and takes seconds to export
        program = torch.export.load(shared / "denoiser" / "denoiser.pt2")
        patch.setattr(export, "program_of", lambda module, inputs: program)
        assert export.write(run, tmp_path / "run") == []
    drawn = pipeline(tmp_path / "run")(**ASKED, landmarks=POINTS, sketch=LINES, seeds=SEEDS, output_type="pt").images
    run.module.chunk = 3
    ours = run.module.sample(as_asked(), SEEDS)
    assert float(ours.std()) > 0.1
    difference = (drawn * 2 - 1 - ours).abs().max()
    print(f"largest difference {float(difference):.1e}")
    assert float(difference) < tolerance
