"""Labels as they are told: known, unknown, redrawn and hidden."""

from __future__ import annotations

import pytest
import torch

from anime_gen.blocks.labels import Words, code, partly_hidden, redrawn
from anime_gen.contract import Condition, UserError

WORDS = Words(2, (3, 2))


def rows(count: int = 500) -> Condition:
    """Two tags that are always together, and a class that says whether they are there."""
    present = torch.arange(count) % 3 == 0
    return Condition(
        tags_BT=torch.stack([present, present], 1).float(),
        attributes_BA=torch.stack([torch.where(present, 2, 0), torch.arange(count) % 2], 1),
    )


def test_code_by_hand() -> None:
    told = Condition(
        tags_BT=torch.tensor([[1.0, 0.0], [torch.nan, 1.0], [torch.nan, torch.nan]]),
        attributes_BA=torch.tensor([[2, 0], [-1, 1], [-1, -1]]),
    )
    expected = [
        [0, 0, 1, 1, 0, 1, 0, 0, 1],
        [0, 0, 0, 0, 1, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]
    assert code(told, WORDS).tolist() == expected
    assert WORDS.codes == 9
    assert (WORDS.labels, WORDS.logits) == (4, 7)


@pytest.mark.parametrize(("words", "needs"), [(Words(2, ()), {"tags_BT"}), (Words(0, (3,)), {"attributes_BA"})])
def test_data_with_one_kind_of_label(words: Words, needs: set[str]) -> None:
    assert words.needs == needs
    told = Condition(tags_BT=torch.ones(2, 2)) if words.num_tags else Condition(attributes_BA=torch.ones(2, 1).long())
    assert code(told, words).shape == (2, words.codes)
    assert code(partly_hidden(redrawn(told), 0.5), words).shape == (2, words.codes)


def test_without_labels_there_is_nothing_to_tell() -> None:
    with pytest.raises(UserError, match=r"no tags and no classes.*give the data some") as caught:
        Words.of(0, [])
    assert "\n" not in str(caught.value)
    assert Words.of(2, [3, 2]) == WORDS


def test_labels_are_redrawn_together() -> None:
    """Rows, not labels one by one: what always occurs together still does, as often, in another order."""
    torch.manual_seed(0)
    was, now = rows(), redrawn(rows())
    assert was.tags_BT is not None
    assert now.tags_BT is not None
    assert now.attributes_BA is not None
    assert torch.equal(now.tags_BT[:, 0], now.tags_BT[:, 1])
    assert torch.equal(now.attributes_BA[:, 0] == 2, now.tags_BT[:, 0] == 1)
    assert now.tags_BT.sum() == was.tags_BT.sum()
    assert (now.tags_BT != was.tags_BT).any(1).float().mean() > 0.3
    assert not torch.equal(redrawn(rows()).tags_BT, now.tags_BT)


def test_a_share_of_the_rows_is_told_in_part() -> None:
    torch.manual_seed(0)
    was = rows(4000)
    now = partly_hidden(was, 0.4)
    assert was.tags_BT is not None
    assert now.tags_BT is not None
    assert now.attributes_BA is not None
    hidden = torch.cat([now.tags_BT.isnan(), now.attributes_BA < 0], 1)
    # A row with u hides none of 4 labels with probability (1 - u)^4, 1/5 on average; and all of them as often.
    assert hidden.any(1).float().mean() == pytest.approx(0.4 * 4 / 5, abs=0.03)
    assert hidden.all(1).float().mean() == pytest.approx(0.4 / 5, abs=0.02)
    assert hidden.float().mean(0).tolist() == pytest.approx([0.2] * 4, abs=0.03)
    kept = ~now.tags_BT.isnan()
    assert torch.equal(now.tags_BT[kept], was.tags_BT[kept])
    assert torch.equal(was.tags_BT, rows(4000).tags_BT), "the batch itself was changed"


def test_hiding_can_be_none_and_leaves_unknown_unknown() -> None:
    told = Condition(tags_BT=torch.tensor([[1.0, torch.nan]]), attributes_BA=torch.tensor([[-1, 1]]))
    same = partly_hidden(told, 0.0)
    assert torch.equal(code(same, WORDS), code(told, WORDS))
    for _ in range(20):
        less = partly_hidden(told, 1.0)
        assert (code(less, WORDS) <= code(told, WORDS)).all()
