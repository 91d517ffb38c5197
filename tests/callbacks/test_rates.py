"""A run that goes on is trained as its settings say now."""

import copy

import torch
from torch.optim.lr_scheduler import LambdaLR

from anime_gen.callbacks.rates import renew, told


def optimizer(lr, betas=(0.5, 0.9)):
    return torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))], lr, betas)


def restored(saved, lr, betas=(0.5, 0.9)):
    """An optimiser of other settings, after a checkpoint was loaded; and what it was told before that."""
    fresh = optimizer(lr, betas)
    now = told([fresh])
    fresh.load_state_dict(copy.deepcopy(saved))
    return fresh, now


def test_what_is_told_otherwise_is_taken():
    one = optimizer(1e-3)
    before = told([one])
    fresh, now = restored(one.state_dict(), 2e-3, (0.0, 0.9))
    assert fresh.param_groups[0]["lr"] == 1e-3
    renew([fresh], before, now)
    assert (fresh.param_groups[0]["lr"], fresh.param_groups[0]["betas"]) == (2e-3, (0.0, 0.9))


def test_what_a_family_made_of_its_rate_stays_where_it_is_told_the_same():
    one = optimizer(1e-3)
    before = told([one])
    one.param_groups[0]["lr"] = 7e-4
    fresh, now = restored(one.state_dict(), 1e-3, (0.0, 0.9))
    renew([fresh], before, now)
    assert (fresh.param_groups[0]["lr"], fresh.param_groups[0]["betas"]) == (7e-4, (0.0, 0.9))


def test_a_scheduled_rate_is_where_its_schedule_has_it():
    one = optimizer(1e-3)
    LambdaLR(one, lambda step: 0.1 * (step + 1))
    before = told([one])
    saved = one.state_dict()
    for lr, expected in ((1e-3, one.param_groups[0]["lr"]), (3e-3, 3e-4)):
        fresh = optimizer(lr)
        LambdaLR(fresh, lambda step: 0.7)
        now = told([fresh])
        fresh.load_state_dict(copy.deepcopy(saved))
        renew([fresh], before, now)
        assert fresh.param_groups[0]["initial_lr"] == lr
        assert abs(fresh.param_groups[0]["lr"] - expected) <= (0 if lr == 1e-3 else 1e-12)
