"""A run that leaves the house: loaded by torch alone, and by diffusers, it must draw what it drew here."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from anime_gen.blocks.adversarial import NonSaturating
from anime_gen.cli import family
from anime_gen.cli.family import keep
from anime_gen.conditions.kind import Words
from anime_gen.conditions.text import CAPTION_TOKENS, caption_tokens
from anime_gen.contract import Condition, UserError
from anime_gen.families.dcgan.module import DCGAN
from anime_gen.families.dcgan.network import Convolutional
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
    export,
)
from anime_gen.images import quantise
from anime_gen.reports.card import Card
from anime_gen.run.trained import Trained
from anime_gen.vocabulary import LANDMARKS, Vocabulary

WORDS = Vocabulary(
    ["blue hair", "smile", "hat", "twin tails", "red hair"],
    {"hair": ["blue", "red", "grey"], "style": ["soft", "flat"]},
)
NETWORKS = {"unet": lambda: UNet([8, 16]), "thesis": ThesisUNet, "dit": lambda: DiT(width=32, depth=2, heads=2)}
OPTIONS = {
    "_class_path": "anime_gen.families.diffusion.Diffusion",
    "network": {"class_path": "anime_gen.families.diffusion.UNet", "init_args": {"channels": [8, 16]}},
}
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


def written(run, folder):
    """The folder without its card; returns what differs."""
    files, differs = export.loadable(run, OPTIONS, folder)
    keep({folder / name: content for name, content in files.items()}, folder)
    return differs


@pytest.fixture(
    scope="module", params=[name if name == "unet" else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def exported(request, tmp_path_factory):
    """(run, folder) of each network."""
    run = trained(request.param, **({"landmarks": LandmarkMask()} if request.param == "thesis" else {}))
    folder = tmp_path_factory.mktemp("exports") / request.param
    written(run, folder)
    return run, folder


KINDS = ("attributes", "tags", "text", "landmarks", "sketch")


def condition(count: int) -> Condition:
    generator = torch.Generator().manual_seed(count)
    tags = torch.randint(0, 2, (count, 5), generator=generator).float()
    tags[:, 0] = torch.nan
    attributes = torch.randint(-1, 2, (count, 2), generator=generator)
    caption = torch.nn.functional.pad(torch.randint(1, 99, (count, 6), generator=generator), (0, CAPTION_TOKENS - 6))
    landmarks = torch.rand(count, 24, 2, generator=generator)
    landmarks[-1] = torch.nan
    sketch = torch.rand(count, 1, 16, 16, generator=generator)
    return Condition(
        tags_BT=tags,
        attributes_BA=attributes,
        landmarks_BK2=landmarks,
        visible_BK=torch.ones(count, 24, dtype=torch.bool),
        sketch_B1HW=sketch,
        caption_BL=caption,
    )


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
    assert config["options"] == {"network": OPTIONS["network"]}
    assert config["defaults"] == {"steps": 20, "guidance": 2.0}


def test_the_program_computes_the_network_where_there_is_no_anime_gen(exported, tmp_path):
    run, folder = exported
    network, cases, expected = run.module.network, [], []
    for count in (1, 3):
        x, noise_label = torch.randn(count, 3, 16, 16), torch.rand(count) * 999
        given = condition(count)
        for kinds in (KINDS, (), ("tags", "sketch")):
            active = {kind: torch.full((count,), kind in kinds) for kind in KINDS}
            parts = (given.attributes_BA, given.tags_BT, given.caption_BL, given.landmarks_BK2, given.sketch_B1HW)
            inputs = {"given": dict(zip(KINDS, parts, strict=True)), "active": active}
            cases.append({"x": x, "noise_label": noise_label, **inputs})
            with torch.no_grad():
                expected.append(network(x, noise_label, given, active))
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
        written(trained(**change), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_verb_says_what_is_wrong_in_one_line(tmp_path, monkeypatch, here):
    run = trained()
    monkeypatch.setattr("anime_gen.run.opened.load", lambda *_: run)
    monkeypatch.setattr(export, "read_checkpoint", lambda path: {"hyper_parameters": OPTIONS})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()

    def refused(*words):
        done = here("export", *words)
        assert done.returncode == 2
        return done.stderr.strip().splitlines()[-1]

    assert "full holds something already" in refused("RUN", "--out", tmp_path / "full")
    assert "full/file: File exists" in refused("RUN", "--out", tmp_path / "full" / "file" / "below")
    assert "out" in refused("RUN")
    run = run._replace(module=DCGAN(16, Convolutional(4), NonSaturating()))
    assert "is a DCGAN; only diffusion" in refused("RUN", "--out", tmp_path / "new")
    monkeypatch.undo()
    assert "is no run" in refused(tmp_path / "nothing", "--out", tmp_path / "new")


def test_words_are_those_of_the_vocabulary():
    words = export.words_of(WORDS)
    assert words["blue hair"] == words["hair=blue"] == {"tag": 0, "attribute": [0, 0]}
    assert words["soft"] == words["style=soft"] == {"attribute": [1, 0]}
    assert words["grey hair"] == {"attribute": [0, 2]}
    assert words["smile"] == {"tag": 1}


# From here on with diffusers.


@pytest.fixture(scope="module")
def pipe(tmp_path_factory):
    """What a user gets of an exported folder."""
    with pytest.MonkeyPatch.context() as patch:  # diffusers copies the pages to a cache of its own
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
        patch.setenv("HF_HUB_OFFLINE", "1")
        diffusers = pytest.importorskip("diffusers")
        folder = tmp_path_factory.mktemp("exports") / "run"
        assert written(trained(), folder) == []
        loaded = diffusers.DiffusionPipeline.from_pretrained(
            folder, custom_pipeline=str(folder), trust_remote_code=True
        )
    loaded.set_progress_bar_config(disable=True)
    return loaded


CARD = Card(
    "diffusion-one",
    "Diffusion",
    "Folder faces",
    16,
    1234,
    {"fd_judge": 12.3456},
    [("fd_judge", "12.3", ""), ("faces", "0.5", "0.9")],
)


@pytest.fixture
def exports(here, monkeypatch):
    """`anime-gen export` of a run as if it lay in a folder."""

    def export_(run, card, *words):
        monkeypatch.setattr("anime_gen.run.opened.load", lambda *_: run)
        monkeypatch.setattr(family, "card_of", lambda trained: card)
        monkeypatch.setattr(export, "read_checkpoint", lambda path: {"hyper_parameters": OPTIONS})
        done = here("export", "RUN", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return export_


def test_the_model_card_is_one_and_its_lines_run(pipe, exports, tmp_path, monkeypatch):
    ModelCard = pytest.importorskip("huggingface_hub").ModelCard
    folder = tmp_path / "faces"
    run = trained(settings=DiffusionSettings(2, sampler=UniPC()))
    assert "licence" not in exports(run, CARD, "--out", folder, "--license", "cc0-1.0")
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "cc0-1.0"
    assert card.data.pipeline_tag == "text-to-image"
    assert [(one.metric_type, one.metric_value) for one in card.data.eval_results] == [("fd_judge", 12.3456)]
    assert "faces" in card.text
    assert "0.9" in card.text
    assert "1,234 training images" in card.text
    with Image.open(folder / "samples.png") as sheet:
        assert np.asarray(sheet).std() > 10
    monkeypatch.chdir(folder)
    exec(re.search(r"```python\n(.*?)```", card.text, re.DOTALL)[1], {})
    with Image.open(folder / "face.png") as face:
        assert face.size == (16, 16)
        drawn = np.asarray(face, np.int16)
    ours = quantise(run.module.sample(run.asked({"tags": Words("blue hair")}).repeated(8), range(8)))
    assert abs(ours[0].permute(1, 2, 0).numpy().astype(np.int16) - drawn).max() <= 1


def test_a_card_says_what_nobody_has_said(exports, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "program_of", lambda *rest: torch.export.export(torch.nn.Identity(), (torch.zeros(1),)))
    run = trained(num_tags=0, attribute_sizes=[], settings=DiffusionSettings(2, sampler=DDIM(0.5)))
    said = exports(run, CARD._replace(scores={}, table=[]), "--out", tmp_path / "faces")
    assert "--license cc-by-4.0" in said
    page = (tmp_path / "faces" / "README.md").read_text()
    assert "license: unknown" in page
    assert "were not scored" in page
    assert "Not stated" in page
    assert "pipeline_tag: unconditional-image-generation" in page
    assert "it draws with steps of DPMSolverMultistepScheduler instead of" in page
    assert "tags=" not in page


ASKED = {"tags": "Blue_hair, twintails, -hat, style=soft", "caption": "1girl, silver hair, :d"}
POINTS = {name: (0.2 + 0.02 * i, 0.9 - 0.03 * i) for i, name in enumerate(LANDMARKS)}
LINES = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8))


def as_asked() -> Condition:
    """What ASKED, POINTS and LINES say, made by hand."""
    nan = torch.nan
    one = Condition(
        tags_BT=torch.tensor([[1.0, nan, 0.0, 1.0, nan]]),
        attributes_BA=torch.tensor([[0, 0]]),
        landmarks_BK2=torch.tensor([list(POINTS.values())]),
        visible_BK=torch.ones(1, 24, dtype=torch.bool),
        sketch_B1HW=1 - torch.from_numpy(np.array(LINES)).float()[None, None] / 255,
        caption_BL=torch.from_numpy(caption_tokens(ASKED["caption"]).astype(np.int64))[None],
    )
    return one.repeated(len(SEEDS))


def largest_difference(pipe, run, **options) -> float:
    drawn = pipe(**ASKED, landmarks=POINTS, sketch=LINES, seeds=SEEDS, output_type="pt", **options).images
    run.module.chunk = len(SEEDS)
    ours = run.module.sample(as_asked(), SEEDS)
    assert float(ours.std()) > 0.1
    difference = float((drawn * 2 - 1 - ours).abs().max())
    print(f"largest difference {difference:.1e}")
    return difference


def test_the_folder_draws_by_its_own_defaults(pipe):
    assert largest_difference(pipe, trained()) < 1e-4
    pictures = pipe(tags="smile", seeds=[5, 6]).images
    assert [picture.size for picture in pictures] == [(16, 16), (16, 16)]
    [alone] = pipe(tags="smile", seeds=[6]).images
    assert abs(np.asarray(alone, np.int16) - np.asarray(pictures[1], np.int16)).max() <= 1
    pipe.to("cpu")
    with pytest.raises(ValueError, match="float32"):
        pipe.to(torch.float16)


@pytest.fixture
def stepping(pipe, monkeypatch):
    """The pipeline with another schedule: its network is the same, and takes seconds to export."""

    def change(schedule, target, sampler):
        diffusers = pytest.importorskip("diffusers")
        twin = export.scheduler_of(schedule, target, sampler)
        config = json.loads(json.dumps(twin.config))
        monkeypatch.setattr(pipe, "scheduler", getattr(diffusers, config["_class_name"]).from_config(config))
        monkeypatch.setitem(pipe.denoiser.config, "noise_label_scale", twin.noise_label_scale)
        return twin.exact

    return change


EXACT = [
    # 7, 61 and 13 do not divide 1000; at 61 diffusers' own spacing has a level too many
    (Cosine(), Velocity(), DDIM(), 7),
    (Cosine(), Velocity(), DDIM(), 61),
    (Cosine(), Velocity(), DPMSolverPP(), 20),
    (Cosine(), Velocity(), DDPM(), 10),
    (Cosine(), Velocity(), UniPC(), 8),  # the default YAML's
    (Cosine(), Velocity(), UniPC(), 61),
    (Linear(), Epsilon(), UniPC(), 20),
    (Cosine(250), Picture(), DDIM(), 12),
    (Linear(), Epsilon(), DDIM(), 20),
    (Linear(), Epsilon(), DPMSolverPP(), 20),
    (ZeroTerminalSNR(), Velocity(), DDIM(), 13),
    (EDM(), Preconditioned(), Euler(), 12),
    (EDM(), Preconditioned(), DPMSolverPP(), 12),
    (Flow(), FlowVelocity(), Euler(), 10),
]


@pytest.mark.parametrize(
    ("schedule", "target", "sampler", "steps"),
    EXACT,
    ids=[f"{type(a).__name__} {type(b).__name__} {c} {n}" for a, b, c, n in EXACT],
)
def test_diffusers_draws_the_picture_that_we_draw(pipe, stepping, schedule, target, sampler, steps):
    guidance = {"tags": 3.0, "landmarks": 1.5, "attributes": 2.0, "text": 2.0}
    settings = DiffusionSettings(steps, guidance, sampler=sampler)
    run = trained(schedule=schedule, target=target, settings=settings)
    assert stepping(schedule, target, sampler)
    assert largest_difference(pipe, run, steps=steps, guidance=guidance) < 1e-3


@pytest.mark.parametrize(
    ("schedule", "target", "sampler"),
    [
        (Cosine(), Velocity(), DDIM(0.5)),
        (ZeroTerminalSNR(), Velocity(), DPMSolverPP()),
        (Flow(), FlowVelocity(), DPMSolverPP()),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_sampler_without_a_twin_is_replaced_and_said_to_be(pipe, stepping, schedule, target, sampler):
    run = trained(schedule=schedule, target=target, settings=DiffusionSettings(20, sampler=sampler))
    assert not stepping(schedule, target, sampler)
    assert largest_difference(pipe, run, steps=20, guidance=2.0) > 2e-5


def test_another_of_diffusers_schedulers_serves_too(pipe, monkeypatch):
    """The configuration says all that DDIMScheduler needs; it is exact where the steps divide the levels."""
    diffusers = pytest.importorskip("diffusers")
    monkeypatch.setattr(pipe, "scheduler", diffusers.DDIMScheduler.from_config(pipe.scheduler.config))
    run = trained(settings=DiffusionSettings(20, 2.0, sampler=DDIM()))
    assert largest_difference(pipe, run, steps=20, guidance=2.0) < 1e-3


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"tags": "blu hair"}, "near: blue hair"),
        ({"tags": "-style=soft"}, "not in this model's vocabulary"),
        ({"tags": "blue hair, red hair"}, "contradicts"),
        ({"tags": "smile, -smile"}, "contradicts"),
        ({"landmarks": {"tail": (0.5, 0.5)}}, "'tail' is none of"),
        ({"guidance": {"labels": 2.0}}, "'labels' is none of"),
        ({"steps": 1001}, "1000 noise levels"),
    ],
)
def test_the_pipeline_says_what_is_wrong(pipe, asked, message):
    with pytest.raises(ValueError, match=message):
        pipe(**asked)


def test_what_the_network_was_not_trained_with_is_refused(pipe, monkeypatch):
    monkeypatch.setitem(
        pipe.denoiser.config, "inputs", {k: v for k, v in pipe.denoiser.config["inputs"].items() if k != "sketch"}
    )
    with pytest.raises(ValueError, match="sketch: this network was trained without"):
        pipe(sketch=LINES)
