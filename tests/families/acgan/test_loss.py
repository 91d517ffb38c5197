"""Label losses against slow loops, and what must have no gradient."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.families.acgan.loss import class_loss, data_to_data_loss, mode_seeking_loss, tag_loss


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_classes_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [5.0, 5.0, 5.0]])
    second = -math.log(math.exp(2) / (math.e + math.exp(2) + 1))
    assert class_loss(logits, torch.tensor([0, 1, -1])).item() == pytest.approx((math.log(3) + second) / 2)
    sure = torch.tensor([1.0, 0.5, 0.0])
    assert class_loss(logits, torch.tensor([0, 1, -1]), sure).item() == pytest.approx((math.log(3) + second / 2) / 2)


def test_tags_by_hand() -> None:
    logits = torch.tensor([[1.0, -2.0], [3.0, 0.5]])
    tags = torch.tensor([[1.0, 0.0], [torch.nan, 1.0]])
    each = [softplus(-1.0), softplus(-2.0), softplus(-0.5)]
    assert tag_loss(logits, tags).item() == pytest.approx(sum(each) / 3)
    sure = torch.tensor([[1.0, 0.25], [0.0, 0.5]])
    assert tag_loss(logits, tags, sure).item() == pytest.approx((each[0] + each[1] / 4 + each[2] / 2) / 3)


def test_unknown_labels_have_no_gradient() -> None:
    logits_BC = torch.randn(3, 4, requires_grad=True)
    (by_class,) = torch.autograd.grad(class_loss(logits_BC, torch.tensor([2, -1, 0])), logits_BC)
    assert (by_class.abs().sum(1) > 0).tolist() == [True, False, True]
    (by_tag,) = torch.autograd.grad(tag_loss(logits_BC, torch.tensor([[1.0, 0, 1, torch.nan]] * 3)), logits_BC)
    assert (by_tag.abs().sum(0) > 0).tolist() == [True, True, True, False]


def test_where_nothing_is_known_the_loss_is_zero() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    unknown = torch.full((2, 3), torch.nan)
    embedding = torch.randn(2, 4, requires_grad=True)
    none = torch.tensor([-1, -1])
    for loss in (class_loss(logits, none), tag_loss(logits, unknown), d2d(embedding, torch.randn(3, 4), none)):
        assert loss.item() == 0
        loss.backward()
    assert logits.grad is not None
    assert not logits.grad.any()
    assert embedding.grad is not None
    assert not embedding.grad.any()


MARGINS = {"positive_margin": 0.6, "negative_margin": 0.1, "temperature": 0.4}


def d2d(embedding: Tensor, proxies: Tensor, classes: Tensor, sure: Tensor | None = None) -> Tensor:
    return data_to_data_loss(embedding, proxies, classes, sure, **MARGINS)


def by_loop(embedding: Tensor, proxies: Tensor, classes: list[int], sure: list[float]) -> float:
    """Equation 6, term by term."""
    unit = [e / e.norm() for e in embedding]
    proxy = [p / p.norm() for p in proxies]
    total, known = 0.0, 0
    for i, own in enumerate(classes):
        if own < 0:
            continue
        known += 1
        positive = math.exp(min(float(unit[i] @ proxy[own]) - 0.6, 0) / 0.4)
        negative = 0.0
        for j, other in enumerate(classes):
            if other >= 0 and other != own:
                negative += math.exp(max(float(unit[i] @ unit[j]) - 0.1, 0) / 0.4)
        total += -sure[i] * math.log(positive / (positive + negative))
    return total / known


def test_data_to_data_is_a_loops() -> None:
    torch.manual_seed(0)
    embedding, proxies = torch.randn(9, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    # Near enough to their proxies, and to each other, that both margins are on both sides of some pair.
    classes = [0, 1, 1, -1, 3, 0, 2, 3, -1]
    for i in (0, 4):
        embedding[i] = proxies[classes[i]] + 0.1 * embedding[i]
    loss = d2d(embedding, proxies, torch.tensor(classes))
    assert loss.item() == pytest.approx(by_loop(embedding, proxies, classes, [1.0] * 9))
    sure = torch.linspace(0, 1, 9, dtype=torch.float64)
    weighted = d2d(embedding, proxies, torch.tensor(classes), sure)
    assert weighted.item() == pytest.approx(by_loop(embedding, proxies, classes, sure.tolist()))


def test_easy_pictures_push_no_more() -> None:
    """At its proxy and at a right angle to the others, a picture has no gradient: both margins are passed."""
    embedding = torch.eye(3, 4, requires_grad=True)
    loss = d2d(embedding, torch.eye(3, 4), torch.arange(3))
    assert loss.item() == pytest.approx(math.log(3))
    (slope,) = torch.autograd.grad(loss, embedding)
    assert not slope.any()


def test_alone_in_its_class_a_picture_loses_nothing() -> None:
    embedding = torch.randn(3, 4)
    assert d2d(embedding, torch.randn(2, 4), torch.tensor([1, 1, 1])).item() == pytest.approx(0, abs=1e-6)


def test_data_to_data_is_not_rounded_by_autocast() -> None:
    torch.manual_seed(0)
    embedding, proxies, classes = torch.randn(8, 16), torch.randn(3, 16), torch.arange(8) % 3
    plain = d2d(embedding, proxies, classes)
    with torch.autocast("cpu", torch.bfloat16):
        assert d2d(embedding, proxies, classes).item() == plain.item()
        assert F.linear(embedding, proxies).dtype == torch.bfloat16


def test_mode_seeking_by_hand() -> None:
    """Latents 2 apart on average and pictures 0.5: 4. Pictures that do not change at all: large, and no NaN."""
    z, other_z = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 2.0]])
    image = torch.zeros(1, 3, 2, 2)
    other = torch.full((1, 3, 2, 2), 0.5)
    assert mode_seeking_loss(image, other, z, other_z).item() == pytest.approx(4, rel=1e-3)
    still = image.clone().requires_grad_()
    loss = mode_seeking_loss(still, image, z, other_z)
    loss.backward()
    assert loss.item() == pytest.approx(2e5)
    assert still.grad is not None
    assert still.grad.isfinite().all()
