"""One optimiser for matrices and for the rest: torch's own two, and what a checkpoint of it keeps."""

import copy

import pytest
import torch
from torch import nn

from anime_gen.blocks.muon import Muon, orthogonalised


@pytest.mark.parametrize("shape", [(16, 40), (40, 16), (24, 24)])
def test_every_direction_has_about_one_size(shape):
    torch.manual_seed(0)
    # Singular values over three orders of magnitude.
    rough = torch.randn(shape).double()
    u, _, v = torch.linalg.svd(rough, full_matrices=False)
    matrix = u * torch.logspace(0, -2, min(shape)).double() @ v
    sizes = torch.linalg.svdvals(orthogonalised(matrix))
    assert sizes.min() > 0.5
    assert sizes.max() < 1.3
    nearest = u @ v
    cosine = (orthogonalised(matrix) * nearest).sum() / orthogonalised(matrix).norm() / nearest.norm()
    assert cosine > 0.97
    iterated = matrix / matrix.norm()
    for _ in range(5):
        square = iterated @ iterated.T
        iterated = 3.4445 * iterated + (-4.775 * square + 2.0315 * square @ square) @ iterated
    torch.testing.assert_close(orthogonalised(matrix), iterated, atol=1e-6, rtol=0)
    torch.testing.assert_close(orthogonalised(matrix.float()).double(), iterated, atol=1e-3, rtol=0)
    assert torch.equal(orthogonalised(torch.zeros(shape)), torch.zeros(shape))
    assert orthogonalised(torch.ones(4, 4, dtype=torch.bfloat16)).dtype == torch.float32


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 2))


def optimiser(net, **options):
    hidden = [net[2].weight]
    return Muon(hidden, [weight for weight in net.parameters() if weight is not net[2].weight], **options)


def steps(net, own, others, first, last):
    for step in range(first, last):
        torch.manual_seed(step)
        x = torch.randn(64, 6)
        loss = (net(x) - torch.stack([x[:, 0] * x[:, 1], x[:, 2].sin()], 1)).square().mean()
        for one in (own, *others):
            one.zero_grad()
        loss.backward()
        for one in (own, *others):
            one.step()
    return loss.item()


def test_matrices_are_stepped_as_torch_does_and_the_rest_as_adamw():
    ours, theirs, start = network(), network(), network()
    own = optimiser(ours, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.1)
    others = [weight for weight in theirs.parameters() if weight is not theirs[2].weight]
    rest = torch.optim.AdamW(others, 1e-3, (0.9, 0.99), weight_decay=0.1)
    muon = torch.optim.Muon([theirs[2].weight], 1e-3, 0.1, adjust_lr_fn="match_rms_adamw")
    for step in range(4):
        # No gradients of a loss: those have next to no part in most directions, which torch's bfloat16 would make up.
        stream = torch.Generator().manual_seed(step)
        for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.grad = torch.randn(mine.shape, generator=stream)
            other.grad = mine.grad.clone()
        for one in (own, rest, muon):
            one.step()
    for place, (mine, other, was) in enumerate(
        zip(ours.parameters(), theirs.parameters(), start.parameters(), strict=True)
    ):
        difference = (mine - other).norm() / (other - was).norm()
        assert difference < (0.03 if place == 2 else 1e-4)


def test_a_convolution_is_a_matrix_of_its_outputs():
    torch.manual_seed(0)
    conv = nn.Conv2d(8, 16, 3).to(memory_format=torch.channels_last)
    flat = nn.Parameter(conv.weight.detach().flatten(1).clone())
    gradient = torch.randn(16, 8, 3, 3)
    conv.weight.grad, flat.grad = gradient.to(memory_format=torch.channels_last), gradient.flatten(1).clone()
    for weight in (conv.weight, flat):
        Muon([weight], [], lr=0.01).step()
    torch.testing.assert_close(conv.weight.flatten(1), flat)
    # Steps about as large as AdamW's are: 0.2 times the learning rate.
    moved = conv.weight - nn.Conv2d(8, 16, 3).weight
    assert moved.shape == conv.weight.shape


def test_it_goes_on_from_what_it_has_saved():
    whole, halves = network(), network()
    steps(whole, optimiser(whole, lr=1e-2), [], 0, 6)
    first = optimiser(halves, lr=1e-2)
    steps(halves, first, [], 0, 3)
    saved = copy.deepcopy(first.state_dict())
    second = optimiser(halves, lr=1e-2)
    second.load_state_dict(saved)
    steps(halves, second, [], 3, 6)
    for a, b in zip(whole.parameters(), halves.parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_learns_and_leaves_gradients_and_what_has_none_alone():
    net = network()
    own = optimiser(net, lr=1e-2)
    before = steps(net, own, [], 0, 1)
    assert steps(net, own, [], 1, 60) < before / 2
    assert all(weight.grad is not None for weight in net.parameters())
    own.zero_grad()
    still = [weight.detach().clone() for weight in net.parameters()]
    own.step()
    for weight, was in zip(net.parameters(), still, strict=True):
        assert torch.equal(weight, was)
