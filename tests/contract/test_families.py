"""What every family promises, asked of every YAML in experiments/family: a new one is picked up without an edit."""

import ast
import dataclasses
from pathlib import Path

import lightning as L
import pytest
import torch

from anime_gen.callbacks import Scale
from anime_gen.callbacks.divergence import not_finite
from anime_gen.cli.bases import with_bases
from anime_gen.cli.describe import example
from anime_gen.cli.train import suite
from anime_gen.conditions import FIELDS
from anime_gen.contract import GenerativeModule, Translator
from tests.one_step import one_step

ROOT = Path(__file__).resolve().parent.parent.parent


def large(path: Path) -> bool:
    """Whether its pictures are so large that a step takes a minute."""
    return any("image_size: 256" in file.read_text() for file in with_bases(path))


YAMLS = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if large(path) else [])
    for path in sorted((ROOT / "experiments" / "family").glob("*.yaml"))
]


@pytest.fixture(scope="module", params=YAMLS)
def family(request, monkeypatch_module, style):
    """The family as `make experiment` builds it, with the painted data's words."""
    keys = [f"--model.style={style()}"] if "style: null" in request.param.read_text() else []
    cli = suite(["-c", str(ROOT / "experiments" / "shared.yaml"), "-c", str(request.param), *keys], run=False)
    module = cli.model
    if hasattr(module.settings, "steps"):  # two say as much about what is promised as twenty
        module.settings = dataclasses.replace(module.settings, steps=2)
    torch.manual_seed(1)
    for parameter in module.averaged.parameters():  # no path may hide behind a layer that begins at zero
        parameter.data += torch.randn_like(parameter) * 0.02
    return module, cli.datamodule


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ANIME_GEN_RUN", raising=False)
        yield patch


def batch_for(family, count):
    module, data = family
    torch.manual_seed(2)
    return example(module, data, count)


def test_is_a_family(family):
    module, _ = family
    assert isinstance(module, GenerativeModule)
    assert module.needs <= set(FIELDS)
    assert any(module.averaged is child for child in module.children()), "averaged is a property, not a second name"


def test_a_picture_depends_only_on_its_seed_and_condition(family):
    module, _ = family
    module.chunk = 4
    condition = batch_for(family, 6).condition
    seeds = [11, 12, 13, 14, 15, 16]
    together = module.sample(condition, seeds)
    assert together.shape == (6, 3, module.image_size, module.image_size)
    assert together.dtype == torch.float32
    assert float(together.min()) >= -1
    assert float(together.max()) <= 1
    order = torch.tensor([5, 0, 3])
    shuffled = module.sample(condition.rows(order), [seeds[i] for i in order.tolist()])
    torch.testing.assert_close(shuffled, together[order], rtol=0, atol=1e-5)  # products of matrices round by row
    one = module.sample(condition.rows(slice(4, 5)), [15])
    torch.testing.assert_close(one, together[4:5], rtol=0, atol=1e-5)
    other = module.sample(condition, [seed + 100 for seed in seeds])
    # A translation may be a function of its photo alone.
    assert isinstance(module, Translator) or not torch.allclose(other, together)


def test_what_it_is_told_matters(family):
    module, _ = family
    if not module.needs:
        pytest.skip("unconditional")
    module.chunk = 4
    condition = batch_for(family, 2).condition
    pictures = module.sample(condition, [1, 2])
    for name in module.needs - {"visible_BK"}:
        part = getattr(condition, name)
        other = 1 - part if part.is_floating_point() else (part == 0).to(part.dtype)  # another class
        assert not torch.allclose(module.sample(condition.replace(**{name: other}), [1, 2]), pictures), name


def test_sampling_leaves_training_mode_and_generators_alone(family):
    module, _ = family
    module.averaged.train()
    condition = batch_for(family, 2).condition
    before = torch.get_rng_state()
    module.sample(condition, [1, 2])
    assert module.averaged.training
    assert torch.equal(before, torch.get_rng_state())


def test_nothing_moves_where_all_rates_are_scaled_to_nothing(family):
    """A family that sets a rate of its own would."""
    module, _ = family
    before = {name: value.clone() for name, value in module.named_parameters()}
    shown = module.images_shown
    one_step(module, batch_for(family, 4), Scale(0.0))
    module.images_shown = shown
    assert [name for name, value in module.named_parameters() if not torch.equal(value, before[name])] == []
    assert not_finite(module) == []


def test_a_step_trains_counts_reports_and_is_saved(family, tmp_path):
    module, _ = family
    outputs = {}

    class Look(L.Callback):
        def on_train_batch_end(self, trainer, pl_module, result, batch, batch_idx):
            outputs.update(result)

    batch = batch_for(family, 4)
    before = {name: value.clone() for name, value in module.named_parameters()}
    shown = module.images_shown
    trainer = one_step(module, batch, Look())
    assert module.images_shown == shown + 4
    assert outputs
    assert all(torch.isfinite(torch.as_tensor(value)).all() for value in outputs.values())
    moved = [name for name, value in module.named_parameters() if not torch.equal(value, before[name])]
    assert moved
    # As `anime_gen.run.trained` opens it: by what the constructor was given, and the weights.
    trainer.save_checkpoint(tmp_path / "saved.ckpt")
    again = type(module).load_from_checkpoint(tmp_path / "saved.ckpt", map_location="cpu", weights_only=True)
    assert again.images_shown == module.images_shown
    for name, value in module.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def imports(source: str, package: str) -> set[str]:
    """Every module that a page of `package` may import, by its full name (and names inside modules, which harm not)."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
    return names


def imports_of(path: Path) -> set[str]:
    return imports(path.read_text(), ".".join(path.relative_to(ROOT).parent.parts))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import anime_gen.data.pack", "anime_gen.data.pack"),
        ("from anime_gen import cli", "anime_gen.cli"),
        ("from . import network", "anime_gen.families.diffusion.network"),
        ("from .network import UNet", "anime_gen.families.diffusion.network"),
        ("from ..dcgan import module", "anime_gen.families.dcgan.module"),
        ("from ...callbacks import EMA", "anime_gen.callbacks"),
    ],
)
def test_no_import_is_overlooked(line, found):
    assert found in imports(line, "anime_gen.families.diffusion")


def test_imports_go_one_way():
    """data -> families -> callbacks and metrics -> reports -> studies -> cli; families never import each other."""
    package = ROOT / "anime_gen"
    layers = {
        "__init__.py": (),
        "errors.py": (),
        "escape.py": (),
        "files.py": (),
        "noise.py": (),
        "reading.py": ("errors",),
        "settings": ("errors", "settings"),
        "vocabulary.py": ("errors",),
        "fitting.py": ("contract", "files", "noise"),
        "conditions": ("errors", "vocabulary", "conditions"),
        "contract.py": ("conditions", "errors", "noise", "settings"),
        "images.py": ("conditions", "vocabulary"),
        "decode.py": ("conditions",),
        "painter": ("contract", "vocabulary", "painter"),
        "data": ("conditions", "contract", "decode", "files", "reading", "vocabulary", "painter", "data"),
        "blocks": ("conditions", "contract", "noise", "blocks"),
        "metrics": ("conditions", "contract", "files", "images", "noise", "reading", "vocabulary", "metrics"),
        # What labels pictures is never what scores them.
        "tagging": (
            "conditions", "contract", "decode", "escape", "files", "fitting", "noise", "vocabulary", "painter", "data",
            "tagging",
        ),
        "prepare": (
            "contract", "data", "decode", "escape", "files", "fitting", "noise", "painter", "prepare", "tagging",
            "vocabulary",
        ),
        "run/folder.py": ("errors", "reading", "settings"),
        "run/checkpoints.py": ("errors", "files", "run"),
        "run/lock.py": ("errors", "run"),
        "run/trained.py": ("conditions", "contract", "run", "settings", "vocabulary"),
        "run": ("conditions", "contract", "data", "decode", "images", "noise", "run", "settings"),
        "families": (
            "blocks", "conditions", "contract", "decode", "families", "files", "fitting", "images", "noise", "run",
            "settings", "vocabulary",
        ),
        "judging": (
            "contract", "decode", "files", "fitting", "images", "metrics", "noise", "painter", "vocabulary", "judging",
        ),
        "callbacks": (
            "callbacks", "conditions", "contract", "data", "files", "images", "metrics", "run", "settings",
            "vocabulary",
        ),
        "reports": (
            "blocks", "contract", "decode", "escape", "images", "judging", "metrics", "run", "settings", "vocabulary",
            "reports",
        ),
        "studio": (
            "conditions", "contract", "decode", "images", "metrics", "noise", "reports", "run", "vocabulary", "studio",
        ),
        "studies": ("contract", "files", "reading", "reports", "run", "settings", "studies"),
        "cli": (
            "blocks", "callbacks", "conditions", "contract", "data", "decode", "escape", "files", "images", "judging",
            "metrics", "noise", "prepare", "reading", "reports", "run", "settings", "studies", "studio", "tagging",
            "vocabulary", "cli",
        ),
        "bench": (
            "callbacks", "cli", "conditions", "contract", "data", "decode", "files", "images", "metrics", "noise",
            "painter", "prepare", "run", "vocabulary", "bench",
        ),
        "__main__.py": ("cli",),
    }  # fmt: skip
    # A run that is ready to draw knows its data; what families read of a run does not.
    above_families = {"anime_gen.run.opened", "anime_gen.run.photos"}
    for top in [*package.glob("*.py"), *(init.parent for init in package.glob("*/__init__.py"))]:
        assert top.name in layers, f"say in this test what {top.name} may import"
        for path in [top] if top.is_file() else sorted(top.rglob("*.py")):
            ours = {name.split(".")[1] for name in imports_of(path) if name.startswith("anime_gen.")}
            extra = ours - set(layers.get(path.relative_to(package).as_posix(), layers[top.name]))
            assert not extra, f"{path.relative_to(ROOT)} imports {sorted(extra)}"
    for path in (package / "families").rglob("*.py"):
        assert not imports_of(path) & above_families, f"{path.relative_to(ROOT)} imports an opened run"
        own = path.relative_to(package / "families").parts[0]
        others = {
            name.split(".")[2]
            for name in imports_of(path)
            if name.startswith("anime_gen.families.") and own != "__init__.py"
        }
        assert others <= {own}, f"{path.relative_to(ROOT)} imports another family: {sorted(others)}"


def test_nothing_but_the_families_knows_a_family_by_name():
    names = [path.name for path in (ROOT / "anime_gen" / "families").iterdir() if (path / "__init__.py").exists()]
    assert names
    for path in (ROOT / "anime_gen").rglob("*.py"):
        if "families" not in path.parts:
            found = {name for name in imports_of(path) if name.startswith("anime_gen.families")}
            assert not found, f"{path.relative_to(ROOT)} imports {sorted(found)}"
