"""Published checkpoints are read and not run; weights come back where they belong."""

from __future__ import annotations

import io
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

from anime_gen.cli import main
from anime_gen.contract import UserError
from anime_gen.families.stylegan2.discriminator import LabelSelectHead, ProjectionHead
from anime_gen.families.stylegan2.layout import discriminator_state, generator_state
from anime_gen.families.stylegan2.mapping import ApartMapping, JoinedMapping
from anime_gen.families.stylegan2.module import StyleGAN2
from anime_gen.families.stylegan2.published import read, tensors

# The public code's names for one network of each kind at 8 px with labels and three dense layers, and their shapes.
WIDTH, LABELS = 4, 3


def published() -> tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]:
    w = WIDTH
    convolution = {"weight": (w, w, 3, 3), "noise_strength": (), "bias": (w,), "resample_filter": (4, 4)}
    affine = {"affine.weight": (w, w), "affine.bias": (w,)}
    to_rgb = {"weight": (3, w, 1, 1), "bias": (3,), **affine}
    mapping = {"embed.weight": (w, LABELS), "embed.bias": (w,), "fc0.weight": (w, 2 * w), "fc0.bias": (w,)}
    mapping |= {f"fc{k}.{part}": shape for k in (1, 2) for part, shape in (("weight", (w, w)), ("bias", (w,)))}
    generator: dict[str, tuple[int, ...]] = {"synthesis.b4.const": (w, 4, 4), "mapping.w_avg": (w,)}
    generator |= {f"mapping.{name}": shape for name, shape in mapping.items()}
    for side, layers in ((4, ("conv1",)), (8, ("conv0", "conv1"))):
        for layer in layers:
            parts = {**convolution, **affine, "noise_const": (side, side)}
            generator |= {f"synthesis.b{side}.{layer}.{name}": shape for name, shape in parts.items()}
        generator |= {f"synthesis.b{side}.torgb.{name}": shape for name, shape in to_rgb.items()}
    generator["synthesis.b8.resample_filter"] = (4, 4)
    discriminator: dict[str, tuple[int, ...]] = {
        **{"b8.fromrgb.weight": (w, 3, 1, 1), "b8.fromrgb.bias": (w,), "b8.skip.weight": (w, w, 1, 1)},
        **{f"b8.conv{k}.{part}": shape for k in (0, 1) for part, shape in (("weight", (w, w, 3, 3)), ("bias", (w,)))},
        **{"b8.conv1.resample_filter": (4, 4), "b4.conv.weight": (w, w + 1, 3, 3), "b4.conv.bias": (w,)},
        **{"b4.fc.weight": (w, 16 * w), "b4.fc.bias": (w,), "b4.out.weight": (w, w), "b4.out.bias": (w,)},
        **{f"mapping.{name}": shape for name, shape in mapping.items()},
        "mapping.fc0.weight": (w, w),
    }
    return generator, discriminator


def state(shapes: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def family(**settings: Any) -> StyleGAN2:
    return StyleGAN2(
        8,
        ApartMapping(3),
        ProjectionHead(3),
        num_tags=LABELS,
        width=WIDTH,
        channel_base=32,
        channel_max=WIDTH,
        **settings,
    )


def test_every_published_tensor_has_its_place_and_every_place_a_tensor() -> None:
    module = family()
    for network, names in (
        (module.generator, generator_state(state(published()[0]))),
        (module.discriminator, discriminator_state(state(published()[1]), 8)),
    ):
        assert {name: part.shape for name, part in names.items()} == {
            name: part.shape for name, part in network.state_dict().items()
        }
    with pytest.raises(UserError, match="belongs to no network of stylegan2-ada-pytorch's layout"):
        generator_state({"synthesis.input.freqs": torch.zeros(1)})


class EasyDict(dict[str, Any]):
    """A dictionary of a class of theirs, such as a network's arguments are kept in."""


class Tree(nn.Module):
    """A module with given tensors, some of them deep inside."""

    def __init__(self, content: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self._init_kwargs = EasyDict(width=4)
        inner: dict[str, dict[str, torch.Tensor]] = {}
        for name, value in content.items():
            head, _, rest = name.partition(".")
            if rest:
                inner.setdefault(head, {})[rest] = value
            elif "filter" in name or "noise_const" in name or "avg" in name:
                self.register_buffer(name, value)
            else:
                self.register_parameter(name, nn.Parameter(value))
        for name, part in inner.items():
            self.add_module(name, Tree(part))

    def __reduce__(self) -> tuple[Any, ...]:
        """As the public code's classes: a function of theirs, a dictionary with source code, and the state within."""
        meta = {"type": "class", "module_src": "raise SystemExit('executed')", "state": self.__dict__}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file like theirs; what it calls is only there while it is written."""
    theirs = ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(meta: object) -> object:
        raise AssertionError("executed")

    _reconstruct_persistent_obj.__module__ = theirs.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    theirs._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "torch_utils", ModuleType("torch_utils"))
        patch.setitem(sys.modules, "torch_utils.persistence", theirs)
        torch.manual_seed(0)
        trees = [Tree(state(shapes)) for shapes in published()]
        content = {"G": None, "D": trees[1], "G_ema": trees[0], "augment_pipe": None}
        path = tmp_path / "network-snapshot-000000.pkl"
        path.write_bytes(pickle.dumps(content))
    return path


def test_import_reads_tensors_and_runs_nothing(snapshot: Path, tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "weights.safetensors"
    assert main(["import", str(snapshot), "--out", str(out)]) == 0
    assert "8 px, 3 labels" in capsys.readouterr().out
    torch.manual_seed(0)
    wanted = state(published()[0])
    given = load_file(out)
    assert torch.equal(given["generator.mapping.embed.weight"], wanted["mapping.embed.weight"])
    settings = yaml.safe_load(out.with_suffix(".yaml").read_text())["model"]["init_args"]
    assert {name: settings[name] for name in ("width", "channel_base", "channel_max", "labels")} == {
        "width": WIDTH,
        "channel_base": 32,
        "channel_max": WIDTH,
        "labels": "everything",
    }
    assert settings["mapping"]["init_args"]["layers"] == settings["head"]["init_args"]["layers"] == 3
    module = family(start_from=out)
    for name, part in module.state_dict().items():
        if name in given:
            assert torch.equal(part, given[name]), name
    assert {name for name in module.state_dict() if name not in given} == {"path_mean"}


def test_a_transfer_keeps_all_but_what_the_labels_shape(snapshot: Path, tmp_path: Path) -> None:
    out = tmp_path / "weights.safetensors"
    main(["import", str(snapshot), "--out", str(out)])
    given = load_file(out)
    other = StyleGAN2(
        8,
        JoinedMapping(3),
        LabelSelectHead(),
        num_tags=9,
        width=WIDTH,
        channel_base=32,
        channel_max=WIDTH,
        start_from=out,
    )
    assert torch.equal(
        other.generator.synthesis.blocks[1].first.weight, given["generator.synthesis.blocks.1.first.weight"]
    )
    assert other.discriminator.head.out.weight.shape == (9, WIDTH)
    with pytest.raises(UserError, match=r"nothing in .* fits these networks"):
        StyleGAN2(
            8, JoinedMapping(1), LabelSelectHead(), num_tags=2, width=6, channel_base=48, channel_max=6, start_from=out
        )


class Danger:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("executed",)


def test_what_is_no_checkpoint_is_refused(tmp_path: Path, capsys: Any) -> None:
    content = read(io.BytesIO(pickle.dumps({"G_ema": Danger()})))
    assert "executed" not in capsys.readouterr().out
    with pytest.raises(UserError, match="has no tensors"):
        tensors(content["G_ema"])
    wrong = tmp_path / "wrong.pkl"
    for content, message in ((b"no pickle", "no checkpoint of"), (pickle.dumps([1]), "no networks by name"),
                             (pickle.dumps({"G": 1}), "lacks D, G_ema")):  # fmt: skip
        wrong.write_bytes(content)
        assert main(["import", str(wrong), "--out", str(tmp_path / "w.safetensors")]) == 2
        assert message in capsys.readouterr().err
    assert main(["import", str(tmp_path / "none.pkl"), "--out", str(tmp_path / "w.safetensors")]) == 2
    assert "there is no file" in capsys.readouterr().err
    with pytest.raises(UserError, match="is no whole safetensors file"):
        family(start_from=wrong)
