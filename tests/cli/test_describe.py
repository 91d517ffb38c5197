"""A family's cost is counted, not worked out."""

import pytest
import torch
import torch.nn.functional as F

from anime_gen.cli.describe import Saved, operations


def step(count):
    x = torch.rand(count, 3, 8, 8)
    w = torch.rand(4, 3, 3, 3, requires_grad=True)
    y = F.conv2d(x, w, padding=1).flatten(1)
    v = torch.rand(y.shape[1], 5, requires_grad=True)
    (slope,) = torch.autograd.grad((y @ v).square().sum(), w, create_graph=True)
    attended = F.scaled_dot_product_attention(*[(y @ v)[None, None]] * 3)
    (slope.square().sum() + attended.sum()).backward()
    return y, w.grad


@pytest.mark.parametrize("count", [2, 5])
def test_what_is_not_worked_out_is_counted_all_the_same(count):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as truth:
        worked_out, gradient = step(count)
    with operations() as counter:
        made, made_gradient = step(count)
    assert counter.get_total_flops() == truth.get_total_flops() > 0
    assert made.shape == worked_out.shape
    assert made_gradient.shape == gradient.shape
    assert not made.any()
    assert worked_out.all()


def test_what_is_kept_for_the_backward_pass_is_counted():
    kept = []
    for counting in (False, True):
        Saved.peak = Saved.alive = 0
        Saved.holders.clear()
        with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
            if counting:
                with operations():
                    step(3)
            else:
                step(3)
        kept.append(Saved.peak)
    assert kept[0] == kept[1] > 0
