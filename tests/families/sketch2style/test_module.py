"""Sketches to styles: what nothing drawn gives, what a reference decides, and that a run is whole by itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from anime_gen.contract import Condition, UserError
from anime_gen.families.sketch2style.loss import negative_log_likelihood, pyramid_error
from anime_gen.families.sketch2style.module import Sketch2Style, Sketch2StyleSettings
from anime_gen.noise import Noise, normal
from anime_gen.run.trained import load, load_style_space

FACES = (
    "--data.source=anime_gen.data.PaintedFaces",
    "--data.source.faces=80",
    "--data.image_size=16",
    "--data.batch_size=8",
    "--data.epoch_images=16",
    "--data.score_images=9",
    "--trainer.max_epochs=1",
    "--trainer.precision=32-true",
)
SHARED = ("-c", "experiments/shared.yaml", "-c", "experiments/family/sketch2style.yaml")


@pytest.fixture(scope="module")
def styles(style: Callable[..., Path]) -> Path:
    return style(*FACES, "--model.labels=nothing")


@pytest.fixture
def module(styles: Path) -> Sketch2Style:
    torch.manual_seed(0)
    made = Sketch2Style(16, style=styles, structure=3, width=8, max_width=16)
    made.chunk = 4
    return made


def told(count: int, ink: float = 0.0) -> Condition:
    return Condition(sketch_B1HW=torch.full((count, 1, 16, 16), ink))


def learned(module: Sketch2Style) -> Sketch2Style:
    """An encoder that has an opinion."""
    torch.nn.init.normal_(module.network.moments.weight, 0.0, 0.1, generator=torch.Generator().manual_seed(1))
    return module


def heard(module: Sketch2Style, *arguments: Any) -> Tensor:
    """The styles that portraits are made of."""
    found: list[Tensor] = []
    synthesise = module.space.synthesise
    module.space.synthesise = lambda w, noise=None: found.append(w) or synthesise(w, noise)  # type: ignore[method-assign, assignment, func-returns-value]
    module.sample(*arguments)
    module.space.synthesise = synthesise  # type: ignore[method-assign]
    return torch.cat(found)


def test_where_nothing_is_known_the_portrait_is_a_face_as_the_styles_make_it(module: Sketch2Style) -> None:
    mean_LD, deviation_LD = module.space.moments(Condition(), 1)
    module.network.measure(mean_LD[:3], deviation_LD[:3])
    seeds = [1, 2, 3, 4]
    noise = Noise(seeds)
    structure, colours = (module.space.map(noise.normal(module.space.style_width), Condition()) for _ in range(2))
    w = heard(module, told(4), seeds, Sketch2StyleSettings(variety=1.0))
    torch.testing.assert_close(w, torch.cat([structure[:, :3], colours[:, 3:]], 1), rtol=0, atol=1e-5)


def test_the_noise_that_no_style_says_stays_out(module: Sketch2Style) -> None:
    for name, part in module.space.named_parameters():
        if name.endswith("noise_strength"):
            torch.nn.init.ones_(part)
    likeliest = Sketch2StyleSettings(variety=0.0, reference=7)
    portraits = learned(module).sample(told(2, 1.0), [1, 2], likeliest)
    torch.testing.assert_close(portraits[0], portraits[1], rtol=0, atol=1e-5)


def test_no_sketch_is_an_empty_one(module: Sketch2Style) -> None:
    assert torch.equal(learned(module).sample(told(2, float("nan")), [1, 2]), module.sample(told(2), [1, 2]))


def test_lines_decide_the_structure_and_the_reference_the_colours(module: Sketch2Style) -> None:
    learned(module)
    settings = Sketch2StyleSettings(reference=7)
    empty, full = heard(module, told(4), [1, 2, 3, 4], settings), heard(module, told(4, 1.0), [1, 2, 3, 4], settings)
    assert torch.equal(empty[:, 3:], full[:, 3:])
    assert not torch.allclose(empty[:, :3], full[:, :3])
    assert not full[:, 3:].diff(dim=0).any(), "all have those of one face"
    assert full[:, :3].diff(dim=0).any(), "what is left open goes with the seed"
    own = heard(module, told(4, 1.0), [1, 2, 3, 4])
    assert own[:, 3:].diff(dim=0).any()
    assert not torch.equal(
        own[:, 3:], heard(module, told(4, 1.0), [1, 2, 3, 4], Sketch2StyleSettings(reference=8))[:, 3:]
    )
    likeliest = heard(module, told(4, 1.0), [1, 2, 3, 4], Sketch2StyleSettings(variety=0.0))
    torch.testing.assert_close(likeliest[:, :3], likeliest[:1, :3].expand(4, -1, -1), rtol=0, atol=1e-5)


def test_a_known_style_costs_less_than_an_open_one_only_if_it_is_right() -> None:
    white = normal(4000, 3, 8, generator=torch.Generator().manual_seed(0))
    nothing = negative_log_likelihood(white, torch.zeros_like(white), torch.zeros(4000, 8))
    assert nothing.item() == pytest.approx(0.5, abs=0.01)
    sure = torch.full((4000, 8), -2.0)
    assert negative_log_likelihood(white, white, sure) < nothing
    assert negative_log_likelihood(white, torch.zeros_like(white), sure) > nothing


def test_pictures_are_compared_at_all_sizes() -> None:
    picture = torch.rand(2, 3, 16, 16)
    assert pyramid_error(picture, picture) == 0
    assert pyramid_error(picture, picture + 0.5).item() == pytest.approx(0.5)
    board = torch.ones(1, 3, 16, 16)
    board[..., ::2] = -1
    assert pyramid_error(board, -board).item() == pytest.approx(2 / 3), "at half the size they are the same"


def test_the_styles_are_frozen(module: Sketch2Style) -> None:
    module.train()
    assert module.network.training
    assert not any(part.training for part in module.space.modules())
    assert not any(parameter.requires_grad for parameter in module.space.parameters())


def test_a_run_is_whole_without_the_styles_run(styles: Path, here: Callable[..., Any], tmp_path: Path) -> None:
    shutil.copy(styles, tmp_path / "style.ckpt")
    run = tmp_path / "run"
    done = here("fit", *SHARED, *FACES, "--model.structure=3", f"--model.style={tmp_path / 'style.ckpt'}", "--run", run)
    assert done.returncode == 0, done.stderr[-3000:]
    (tmp_path / "style.ckpt").unlink()
    done = here("sample", run, "--seeds=0-3", "--reference=5", "--out", tmp_path / "faces.png")
    assert done.returncode == 0, done.stderr[-3000:]
    done = here("resume", run, "--trainer.max_epochs=2")
    assert done.returncode == 0, done.stderr[-3000:]
    trained = load(run, "last").module
    assert isinstance(trained, Sketch2Style)
    assert trained.images_shown == 32
    assert float(trained.network.style_deviation_KD.min()) > 0
    assert not torch.equal(trained.network.style_deviation_KD, torch.ones(3, 16)), "measured once"
    carried, _ = load_style_space(run)
    first, _ = load_style_space(styles)
    assert all(torch.equal(value, first.state_dict()[name]) for name, value in carried.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"style": None}, r"model.style: .* STYLE=runs/stylegan2/NAME"),
        ({"style": Path("nothing")}, "nothing is no run"),
        ({"image_size": 32}, "makes pictures of 16 pixels; give data.image_size=16"),
        ({"structure": 6}, "has 6 layers of styles; give from 1 to 5"),
        ({"structure": 0}, "give from 1 to 5"),
        ({"rough": 2.0}, "give a share from 0 to 1"),
        ({"lr": 0.0}, "give a number above 0"),
        ({"cooldown": 0.0}, "give a fraction of the run"),
    ],
)
def test_refusals_are_one_line(styles: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        Sketch2Style(**{"image_size": 16, "style": styles, "width": 8, "max_width": 16, **options})
    assert "\n" not in str(caught.value)


def test_styles_that_were_told_other_labels_are_refused(style: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="was told other labels than this data has"):
        Sketch2Style(16, num_tags=2, style=style(*FACES))


def test_another_kind_of_run_is_refused(styles: Path, module: Sketch2Style, tmp_path: Path) -> None:
    saved = torch.load(styles, weights_only=True)
    saved |= {"state_dict": module.state_dict(), "hyper_parameters": {**module.hparams, "style": str(styles)}}
    saved["family"] = "anime_gen.families.sketch2style.Sketch2Style"
    torch.save(saved, tmp_path / "sketch.ckpt")
    with pytest.raises(UserError, match="a run of Sketch2Style, whose pictures do not come of styles; give the run"):
        load_style_space(tmp_path / "sketch.ckpt")


def test_a_fit_without_styles_says_so_in_one_line(here: Callable[..., Any], tmp_path: Path) -> None:
    done = here("fit", *SHARED, *FACES, "--run", tmp_path / "run")
    assert done.returncode == 2
    assert "STYLE=runs/stylegan2/NAME" in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "run" / "config.yaml").exists()
