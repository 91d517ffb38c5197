"""The lower bound against torch's distributions, and the promise of `sample`."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from anime_gen.contract import Batch, Condition, UserError
from anime_gen.families.vae.loss import LEAST_VARIANCE, divergence, negative_log_likelihood
from anime_gen.families.vae.module import VAE


def labels_of(rows: int) -> Condition:
    stream = torch.Generator().manual_seed(6)
    return Condition(
        tags_BT=torch.randint(0, 2, (rows, 3), generator=stream).float(),
        attributes_BA=torch.stack([torch.arange(rows) % 4, torch.arange(rows) // 2 % 2], 1),
    )


def module_of(**options: Any) -> VAE:
    torch.manual_seed(0)
    sizes = {"image_size": 16, "num_tags": 3, "attribute_sizes": [4, 2], "width": 4, "z_dim": 5, "label_width": 6}
    return VAE(**(sizes | options))


def test_the_divergence_is_torchs() -> None:
    mean, log_variance, of_mean, of_log_variance = torch.randn(4, 7, 5, generator=torch.Generator().manual_seed(0))
    posterior = Normal(mean, (0.5 * log_variance).exp())
    exact = kl_divergence(posterior, Normal(of_mean, (0.5 * of_log_variance).exp())).sum() / 7
    torch.testing.assert_close(divergence(mean, log_variance, of_mean, of_log_variance), exact)


def test_the_divergence_to_the_standard_normal_by_hand() -> None:
    """-1/2 sum(1 + log s^2 - m^2 - s^2): Kingma and Welling 2014, appendix B."""
    mean, variance, zero = torch.tensor([[1.0, -2.0]]), torch.tensor([[4.0, 0.5]]), torch.zeros(1, 2)
    expected = -0.5 * ((1 + math.log(4) - 1 - 4) + (1 + math.log(0.5) - 4 - 0.5))
    assert divergence(mean, variance.log(), zero, zero).item() == pytest.approx(expected)
    assert divergence(zero, zero, zero, zero).item() == 0


def test_the_surprise_is_that_of_the_best_normal_distribution() -> None:
    """Torch's -log N(x; made, sigma) at sigma^2 = mean squared error; any other sigma is more surprised."""
    made, image = torch.rand(2, 4, 3, 2, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    best = float((made - image).square().mean().sqrt())

    def of(sigma: float) -> float:
        return -float(Normal(made, sigma).log_prob(image).sum()) / 4

    found = negative_log_likelihood(made, image).item()
    assert found == pytest.approx(of(best), rel=1e-5)
    assert found < min(of(1.05 * best), of(0.95 * best))


def test_a_perfect_copy_is_not_infinitely_good() -> None:
    image = torch.zeros(2, 3, 2, 2, requires_grad=True)
    loss = negative_log_likelihood(image, torch.zeros(2, 3, 2, 2))
    assert loss.item() == pytest.approx(6 * (math.log(2 * math.pi * LEAST_VARIANCE) + 1), rel=1e-5)
    loss.backward()
    assert image.grad is not None
    assert not image.grad.isnan().any()


def test_the_loss_is_the_lower_bound_for_each_number() -> None:
    module = module_of(label_dropout=0.0)
    image = torch.rand(6, 3, 16, 16) * 2 - 1
    said = module.training_step(Batch(image, labels_of(6), torch.arange(6)), 0)
    assert said["loss"].item() == pytest.approx(
        (said["negative_log_likelihood"] + said["divergence"]).item() / (3 * 16 * 16)
    )
    assert said["negative_log_likelihood"].item() == pytest.approx(
        3 * 16 * 16 * (0.5 * math.log(2 * math.pi) + math.log(said["deviation"].item()) + 0.5), rel=1e-4
    )
    said["loss"].backward()
    assert not any(said[name].requires_grad for name in ("negative_log_likelihood", "divergence", "deviation"))
    without = [name for name, parameter in module.named_parameters() if parameter.grad is None]
    assert not without


def test_both_sides_are_told() -> None:
    module = module_of()
    image, z = torch.rand(2, 3, 16, 16), torch.randn(2, 5)
    one, other = torch.zeros(2, module.words.codes), torch.ones(2, module.words.codes)
    assert not torch.allclose(module.encoder(image, one)[0], module.encoder(image, other)[0])
    assert not torch.allclose(module.encoder(image, one)[1], module.encoder(image, other)[1])
    assert not torch.allclose(module.decoder(z, one), module.decoder(z, other))
    assert not any(part.any() for part in module.decoder.moments(other)), "the prior does not begin as N(0, I)"
    assert module.averaged is module.decoder
    assert module.needs == {"tags_BT", "attributes_BA"}


def test_it_learns_what_it_is_told() -> None:
    """Pictures of one grey for each class: after some steps a class is drawn in its grey, whatever z."""
    module = module_of(num_tags=0, attribute_sizes=[2], label_dropout=0.0)
    optimizer = torch.optim.Adam(module.parameters(), 1e-2, (0.9, 0.99))
    losses = []
    for step in range(60):
        torch.manual_seed(step)
        classes = torch.randint(0, 2, (16, 1))
        image = (classes.float() - 0.5)[..., None, None].expand(16, 3, 16, 16) + 0.1 * torch.randn(16, 3, 16, 16)
        loss = module.training_step(Batch(image, Condition(attributes_BA=classes), torch.arange(16)), step)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 1
    made = module.sample(Condition(attributes_BA=torch.tensor([[0], [1]] * 4)), list(range(8)))
    assert made[::2].mean().item() == pytest.approx(-0.5, abs=0.15)
    assert made[1::2].mean().item() == pytest.approx(0.5, abs=0.15)


def test_latents_are_drawn_from_the_prior_of_the_labels() -> None:
    module = module_of(num_tags=0, attribute_sizes=[2])
    seen: list[torch.Tensor] = []
    module.decoder.trunk.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][:, :5]))
    condition, seeds = Condition(attributes_BA=torch.tensor([[0], [1]])), [7, 8]
    module.chunk = 2
    module.sample(condition, seeds)
    with torch.no_grad():
        for parameter in module.decoder.prior.parameters():
            parameter.normal_(std=0.3)
        mean, log_variance = module.decoder.moments(torch.eye(2))
    module.sample(condition, seeds)
    standard, drawn = seen
    torch.testing.assert_close(drawn, mean + (0.5 * log_variance).exp() * standard)


@pytest.mark.parametrize("size", [16, 32])
def test_a_picture_depends_on_its_condition_and_seed_alone(size: int) -> None:
    module = module_of(image_size=size)
    module.chunk = 4
    condition, seeds = labels_of(5), [3, 1, 4, 15, 9]
    together = module.sample(condition, seeds)
    assert together.shape == (5, 3, size, size)
    two = module.sample(condition.rows(torch.tensor([4, 1])), [9, 1])
    torch.testing.assert_close(two, together[[4, 1]], rtol=0, atol=1e-5)  # products of matrices round by row
    assert not torch.allclose(module.sample(condition, [seed + 50 for seed in seeds]), together)


def test_unknown_labels_are_no_hindrance() -> None:
    none = Condition(tags_BT=torch.full((4, 3), torch.nan), attributes_BA=torch.full((4, 2), -1))
    module = module_of()
    assert module.training_step(Batch(torch.rand(4, 3, 16, 16), none, torch.arange(4)), 0)["loss"].isfinite()
    assert module.sample(none, [1, 2, 3, 4]).isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_tags": 0, "attribute_sizes": []}, "no tags and no classes"),
        ({"z_dim": 0}, "model.z_dim=0"),
        ({"label_dropout": -0.1}, "model.label_dropout=-0.1"),
        ({"width": 0}, "width is 0"),
        ({"image_size": 20}, "image_size is 20"),
    ],
)
def test_refusals_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        module_of(**options)
    assert "\n" not in str(caught.value)
