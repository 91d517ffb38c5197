"""Lines of pictures, and drawing processes simulated on them."""

from __future__ import annotations

import torch
from torch import Tensor

from anime_gen.families.sketch2style.drawing import LEAST_INK, SIDE, begun, line_arts, roughly


def face() -> Tensor:
    """Two dark rings and a bar on a light ground, (1, 3, 32, 32)."""
    at = torch.arange(32.0)
    picture = torch.full((32, 32), 0.8)
    for x, y in ((9.0, 12.0), (22.0, 12.0)):
        away = ((at[None] - x) ** 2 + (at[:, None] - y) ** 2).sqrt()
        picture[(away > 3) & (away < 5)] = -0.9
    picture[24:26, 10:22] = -0.9
    return picture.expand(1, 3, 32, 32)


def test_lines_lie_where_it_is_darker_than_around() -> None:
    ink = line_arts(face())
    assert ink.shape == (1, 1, SIDE, SIDE)
    assert ink.min() >= 0
    assert ink.max() <= 1
    assert ink[0, 0, 25 * 4, 16 * 4] > 0.9, "in the bar"
    assert ink[0, 0, 12 * 4, 16 * 4] == 0, "between the rings"
    assert not line_arts(torch.full((1, 3, 32, 32), 0.3)).any()


def test_as_much_is_drawn_as_was_asked_for_and_nothing_else() -> None:
    ink = line_arts(face()).expand(5, -1, -1, -1)
    torch.manual_seed(0)
    drawn = begun(ink, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    whole = (ink > LEAST_INK).flatten(1).sum(1)
    shares = (drawn > 0).flatten(1).sum(1) / whole
    torch.testing.assert_close(shares, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]), rtol=0, atol=0.01)
    assert torch.equal(drawn[drawn > 0], ink[drawn > 0])
    assert not begun(torch.zeros(1, 1, SIDE, SIDE), torch.ones(1)).any(), "of nothing, nothing"


def test_what_is_drawn_stays_and_the_order_is_new_each_time() -> None:
    ink = line_arts(face())

    def stage(share: float, seed: int) -> Tensor:
        torch.manual_seed(seed)
        return begun(ink, torch.tensor([share])) > 0

    assert (stage(0.3, 1) <= stage(0.6, 1)).all()
    assert not torch.equal(stage(0.5, 1), stage(0.5, 2))


def test_a_stroke_is_a_connected_piece() -> None:
    """While the parts of the picture have their turns, too, early drawings leave whole strokes out."""
    ink = line_arts(face())
    torch.manual_seed(0)
    drawn = begun(ink.expand(64, -1, -1, -1), torch.full((64,), 0.3))
    bar = drawn[:, 0, 92:108, 36:92].flatten(1).sum(1) > 0
    assert 8 < bar.sum() < 56


def test_a_rough_hand_wavers_but_stays_near() -> None:
    ink = line_arts(face()).expand(16, -1, -1, -1)
    torch.manual_seed(0)
    assert torch.equal(roughly(ink, 0.0), ink)
    rough = roughly(ink, 1.0)
    assert rough.min() >= 0
    assert rough.max() <= 1
    assert ((rough - ink).abs().flatten(1).amax(1) > 0.1).all()
    near = torch.nn.functional.max_pool2d(ink, 13, 1, 6)  # 1 / 64 of the side, both ways, and a thick pen
    assert (rough <= near + 1e-5).all()
