"""The pool's promises, and the losses by hand."""

from __future__ import annotations

import pytest
import torch

from anime_gen.families.cyclegan.loss import cycle_loss, identity_loss, landmark_loss, linear_decay
from anime_gen.families.cyclegan.pool import ImagePool


def numbered(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None, None].expand(-1, 3, 2, 2)


def numbers(pictures: torch.Tensor) -> list[int]:
    return [int(n) for n in pictures[:, 0, 0, 0]]


def test_while_it_fills_pictures_go_straight_on_and_stay() -> None:
    pool = ImagePool(4)
    assert numbers(pool(numbered(1, 2, 3))) == [1, 2, 3]
    assert numbers(pool.pictures) == [1, 2, 3]


def test_no_picture_is_lost_and_none_is_shown_twice() -> None:
    """What comes out and what stays are together what went in, whatever the sizes of batches."""
    torch.manual_seed(0)
    pool, seen, count = ImagePool(5), [], 0
    for rows in (3, 4, 1, 7, 2, 12, 1):
        fresh = list(range(count, count + rows))
        count += rows
        seen += numbers(pool(numbered(*fresh)))
    kept = numbers(pool.pictures)
    assert len(kept) == 5
    assert len(seen) == count
    # A picture that stays in while the pool fills has gone straight on, too: those are seen once, and may come again.
    assert set(seen) | set(kept) == set(range(count))


def test_half_of_the_pictures_are_old_ones() -> None:
    torch.manual_seed(0)
    pool = ImagePool(50)
    pool(numbered(*range(50)))
    fresh = [
        n for start in range(100, 4100, 4) for n in numbers(pool(numbered(*range(start, start + 4)))) if n >= start
    ]
    assert len(fresh) / 4000 == pytest.approx(0.5, abs=0.03)


def test_an_empty_pool_passes_everything_on_and_nothing_has_a_gradient() -> None:
    made = numbered(1, 2).clone().requires_grad_()
    for pool in (ImagePool(0), ImagePool(3)):
        shown = pool(made)
        assert numbers(shown) == [1, 2]
        assert not shown.requires_grad


def test_losses_by_hand() -> None:
    a, b = torch.zeros(2, 3, 2, 2), torch.full((2, 3, 2, 2), 0.25)
    b[0] = 0.75
    assert cycle_loss(a, b).item() == identity_loss(a, b).item() == pytest.approx(0.5)
    seen, wanted = torch.tensor([[[0.5, 0.5], [0.0, 0.0]]]), torch.tensor([[[0.8, 0.9], [0.0, 0.0]]])
    assert landmark_loss(seen, wanted).item() == pytest.approx(0.25)  # a 3-4-5 triangle, and 0


def test_the_rate_is_constant_and_then_falls_down_a_line() -> None:
    assert [linear_decay(done, 0.5) for done in (0, 0.5, 0.75, 1, 1.3)] == pytest.approx([1, 1, 0.5, 0, 0])
    assert linear_decay(0.1, 0.0) == pytest.approx(0.9)
