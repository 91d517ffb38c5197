"""What the network is told, and how scales combine its answers."""

import pytest
import torch

from anime_gen.contract import Condition, UserError
from anime_gen.families.diffusion import Dropping
from anime_gen.families.diffusion.guidance import Told, guided

NONE, LANDMARKS, BOTH = 1.0, 10.0, 100.0


def answer(asked: list[int]):
    """A network whose answer names what it was told."""

    def predict(told: Told, copies: int) -> torch.Tensor:
        asked.append(copies)
        values = torch.where(told.labels_B, BOTH, torch.where(told.landmarks_B, LANDMARKS, NONE))
        return values[:, None]

    return predict


@pytest.mark.parametrize(
    ("guidance", "expected", "copies"),
    [
        (1.0, BOTH, 1),
        (0.0, NONE, 1),
        (3.0, NONE + 3 * (BOTH - NONE), 2),
        ({"labels": 3.0}, LANDMARKS + 3 * (BOTH - LANDMARKS), 2),
        ({"labels": 0.0, "landmarks": 1.0}, LANDMARKS, 1),
        ({"labels": 2.0, "landmarks": 4.0}, NONE + 4 * (LANDMARKS - NONE) + 2 * (BOTH - LANDMARKS), 3),
    ],
)
def test_scales(guidance, expected, copies):
    """Scale 1 is the plain conditional branch, 0 the unconditional one; no branch is computed in vain."""
    asked: list[int] = []
    result = guided(answer(asked), 4, guidance, torch.device("cpu"))
    assert asked == [copies]
    torch.testing.assert_close(result, torch.full((4, 1), expected))


def test_unknown_kind():
    with pytest.raises(UserError, match="labels, landmarks"):
        guided(answer([]), 1, {"sketch": 2.0}, torch.device("cpu"))


def test_states_are_drawn_jointly():
    """The state that guidance subtracts is as frequent as was asked, not the product of two rare events."""
    torch.manual_seed(0)
    told = Dropping(none=0.1, labels_only=0.2, landmarks_only=0.3).draw(20000, torch.device("cpu"))
    share = lambda mask: float(mask.float().mean())  # noqa: E731
    assert share(~told.labels_B & ~told.landmarks_B) == pytest.approx(0.1, abs=0.01)
    assert share(told.labels_B & ~told.landmarks_B) == pytest.approx(0.2, abs=0.01)
    assert share(~told.labels_B & told.landmarks_B) == pytest.approx(0.3, abs=0.01)
    assert share(told.labels_B & told.landmarks_B) == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("wrong", [Dropping(none=-0.1), Dropping(0.5, 0.4, 0.3), Dropping(partial=2.0)])
def test_probabilities_are_checked(wrong):
    with pytest.raises(UserError, match="probabilities"):
        wrong.check()


def test_hidden_words_are_not_given_rather_than_absent():
    torch.manual_seed(0)
    condition = Condition(tags_BT=torch.ones(4000, 10), attributes_BA=torch.ones(4000, 2, dtype=torch.int64))
    hidden = Dropping(partial=0.5).hide_words(condition)
    assert hidden.tags_BT is not None
    assert hidden.attributes_BA is not None
    gone = hidden.tags_BT.isnan()
    assert bool((hidden.tags_BT[~gone] == 1).all())
    assert float(gone.float().mean()) == pytest.approx(0.25, abs=0.02)  # half the pictures lose half on average
    assert float((~gone).all(dim=1).float().mean()) == pytest.approx(0.5 + 0.5 / 11, abs=0.03)
    assert set(hidden.attributes_BA.unique().tolist()) == {-1, 1}
    untouched = Dropping(partial=0.0).hide_words(condition)
    torch.testing.assert_close(untouched.tags_BT, condition.tags_BT)
