"""The autoencoder: its errors against slow versions, its shapes, and that its latents are normalised."""

from __future__ import annotations

import math
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.utils.data import DataLoader, default_collate

from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.autoencoder.loss import absolute_error, edge_error, kl_to_normal, psnr
from anime_gen.families.autoencoder.module import Autoencoder


def pictures(count: int, size: int = 16) -> Tensor:
    """Smooth pictures of two colours each, so that a small network learns something in seconds."""
    stream = torch.Generator().manual_seed(3)
    ramp = torch.linspace(0, 1, size)[None, None, None]
    left, right = torch.rand(2, count, 3, 1, 1, generator=stream) * 2 - 1
    return (left * (1 - ramp) + right * ramp).expand(-1, -1, size, -1)


def trained(steps: int, **options: Any) -> tuple[Autoencoder, list[dict[str, float]]]:
    torch.manual_seed(0)
    module, said = Autoencoder(16, width=32, **options), []

    class Look(L.Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:  # type: ignore[no-untyped-def]
            said.append({name: float(value) for name, value in outputs.items()})

    rows = list(pictures(32 * steps))
    loader = DataLoader(
        rows, 32, collate_fn=lambda images: Batch(default_collate(images), Condition(), torch.arange(len(images)))
    )
    L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Look()],
    ).fit(module, loader)
    return module.eval(), said


@pytest.mark.parametrize(("factor", "channels"), [(2, 3), (4, 8), (8, 4)])
def test_a_round_trip_has_the_shapes_it_states(factor: int, channels: int) -> None:
    module = Autoencoder(16, channels, factor, width=8)
    assert (module.latent_channels, module.factor) == (channels, factor)
    with torch.no_grad():
        latent = module.encode(pictures(3))
        assert latent.shape == (3, channels, 16 // factor, 16 // factor)
        assert module.decode(latent).shape == (3, 3, 16, 16)
        torch.testing.assert_close(module.encode(pictures(3)), latent, rtol=0, atol=0)


def test_it_learns_and_says_how_well() -> None:
    module, said = trained(60, latent_channels=4)
    assert set(said[0]) == {"loss", "error", "edges", "kl", "psnr", "latent_deviation"}
    assert said[-1]["psnr"] > said[0]["psnr"] + 8
    image = pictures(32)
    with torch.no_grad():
        assert float(psnr(module.decode(module.encode(image)), image)) == pytest.approx(said[-1]["psnr"], abs=2.5)


def test_latents_are_normalised() -> None:
    """Over training pictures, whatever their own scale: the KL term is far too weak to set it."""
    module, _ = trained(60, latent_channels=4)
    with torch.no_grad():
        raw = module.network.posterior(pictures(512))[0]
        latent = module.encode(pictures(512))
    assert not torch.allclose(raw.std(dim=(0, 2, 3)), torch.ones(4), atol=0.3), "nothing to normalise"
    torch.testing.assert_close(latent.mean(dim=(0, 2, 3)), torch.zeros(4), rtol=0, atol=0.25)
    torch.testing.assert_close(latent.std(dim=(0, 2, 3)), torch.ones(4), rtol=0.2, atol=0)


def test_the_statistics_belong_to_what_is_averaged() -> None:
    module = Autoencoder(16, 4, width=8)
    assert {name for name, _ in module.averaged.named_buffers()} == {"latent_mean_C", "latent_square_C"}
    with torch.no_grad():
        raw = module.network.posterior(pictures(2))[0]
        module.network.measure(torch.tensor([[3.0] * 4, [25.0] * 4]), share=1.0)
        torch.testing.assert_close(module.encode(pictures(2)), (raw - 3) / 4)


def test_a_heavier_kl_makes_the_posterior_more_normal() -> None:
    (_, light), (_, heavy) = trained(40, kl=0.0), trained(40, kl=0.1)
    assert heavy[-1]["kl"] < 0.5 * light[-1]["kl"]


def test_errors_are_the_written_out_ones() -> None:
    made, image = torch.rand(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert float(absolute_error(made, image)) == pytest.approx(float((made - image).abs().sum()) / made.numel())
    across, down = [], []
    for b in range(2):
        for c in range(3):
            for y in range(4):
                for x in range(5):
                    difference = made - image
                    if x:
                        across.append(abs(float(difference[b, c, y, x] - difference[b, c, y, x - 1])))
                    if y:
                        down.append(abs(float(difference[b, c, y, x] - difference[b, c, y - 1, x])))
    expected = (sum(across) / len(across) + sum(down) / len(down)) / 2
    assert float(edge_error(made, image)) == pytest.approx(expected, rel=1e-5)
    assert float(edge_error(image + 0.3, image)) == pytest.approx(0, abs=1e-6)  # a shade has no edges


def test_the_divergence_is_torchs() -> None:
    mean, log_variance = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    exact = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum() / 3
    torch.testing.assert_close(kl_to_normal(mean, log_variance), exact)


def test_psnr_is_over_a_range_of_two_and_each_picture() -> None:
    image = torch.zeros(2, 3, 4, 4)
    made = torch.stack([torch.full((3, 4, 4), 0.2), torch.full((3, 4, 4), 0.02)])
    expected = (20 * math.log10(2 / 0.2) + 20 * math.log10(2 / 0.02)) / 2
    assert float(psnr(made, image)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 6}, "model.factor=6: give a power of two"),
        ({"factor": 1}, "model.factor=1"),
        ({"factor": 32}, "data.image_size=16: give a multiple of model.factor=32"),
        ({"latent_channels": 0}, "model.latent_channels=0: give at least 1"),
        ({"width": 12}, "model.width=12: give a multiple of 8"),
        ({"kl": -1.0}, "model.kl=-1"),
        ({"lr": 0.0}, "model.lr=0"),
        ({"cooldown": 0.0}, "model.cooldown=0"),
    ],
)
def test_refusals_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        Autoencoder(16, **options)
    assert "\n" not in str(caught.value)
