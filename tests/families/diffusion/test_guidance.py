"""What the network is told, and how scales combine its answers."""

import pytest
import torch

from anime_gen.contract import Condition, UserError
from anime_gen.families.diffusion import DiffusionSettings, Dropping
from anime_gen.families.diffusion.guidance import branches, guided, rescaled
from anime_gen.families.diffusion.schedule import Level

KINDS = ("attributes", "tags", "text", "landmarks", "sketch")
KNOWN = frozenset({"tags", "landmarks"})
NONE, LANDMARKS, BOTH = 1.0, 10.0, 100.0


def answer(asked: list[int]):
    """A network whose answer names what it was told."""

    def predict(active: dict[str, torch.Tensor], copies: int) -> torch.Tensor:
        asked.append(copies)
        assert not active["text"].any(), "nobody asked for text"
        values = torch.where(active["tags"], BOTH, torch.where(active["landmarks"], LANDMARKS, NONE))
        return values[:, None]

    return predict


@pytest.mark.parametrize(
    ("guidance", "expected", "copies"),
    [
        (1.0, BOTH, 1),
        (0.0, NONE, 1),
        (3.0, NONE + 3 * (BOTH - NONE), 2),
        ({"tags": 3.0}, LANDMARKS + 3 * (BOTH - LANDMARKS), 2),
        ({"tags": 0.0, "landmarks": 1.0}, LANDMARKS, 1),
        ({"tags": 2.0, "landmarks": 4.0}, NONE + 4 * (LANDMARKS - NONE) + 2 * (BOTH - LANDMARKS), 3),
        ({"text": 7.0}, BOTH, 1),
    ],
)
def test_scales(guidance, expected, copies):
    """Scale 1 is the plain conditional branch, 0 the unconditional one; no branch is computed in vain."""
    asked: list[int] = []
    result, _ = guided(answer(asked), KINDS, 4, branches(KNOWN, guidance), torch.device("cpu"))
    assert asked == [copies]
    torch.testing.assert_close(result, torch.full((4, 1), expected))


def test_the_branch_that_is_told_most_comes_beside():
    _, plain = guided(answer([]), KINDS, 4, branches(KNOWN, 3.0), torch.device("cpu"))
    torch.testing.assert_close(plain, torch.full((4, 1), BOTH))


def test_a_network_that_is_told_nothing_is_asked_once():
    assert branches(frozenset(), 5.0) == [(frozenset(), 1.0)]


def test_five_scales_nest():
    guidance = {kind: 2.0 + i for i, kind in enumerate(KINDS)}
    told = branches(frozenset(KINDS), guidance)
    assert len(told) == 6
    assert sum(weight for _, weight in told) == pytest.approx(1.0)
    assert [len(state) for state, _ in told] == list(range(6))
    assert told[1][0] == {"sketch"}


def test_unknown_kind():
    with pytest.raises(UserError, match=r"labels.*attributes, tags, text, landmarks, sketch"):
        DiffusionSettings(guidance={"labels": 2.0})


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"rescale": 1.5}, "rescale=1.5"), ({"interval": (2.0, 1.0)}, "the lower first"), ({"steps": 0}, "at least 1")],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(UserError, match=message):
        DiffusionSettings(**settings)


def test_guidance_in_an_interval_of_noise_levels():
    settings = DiffusionSettings(guidance=3.0, interval=(0.2, 5.0))
    assert settings.guidance_at(Level(0, 0.5, 0.5)) == 3.0
    assert settings.guidance_at(Level(0, 0.1, 0.9)) == 1.0
    assert settings.guidance_at(Level(0, 1.0, 0.1)) == 1.0
    assert settings.guidance_at(Level(0, 0.0, 1.0)) == 1.0  # pure noise is beyond every bound
    assert DiffusionSettings(guidance=3.0).guidance_at(Level(0, 0.1, 0.9)) == 3.0


def test_rescaling_takes_back_contrast():
    torch.manual_seed(0)
    plain = torch.randn(4, 3, 8, 8)
    strong = 3 * plain
    torch.testing.assert_close(rescaled(strong, plain, 0.0), strong)
    torch.testing.assert_close(rescaled(strong, plain, 1.0), plain)
    torch.testing.assert_close(rescaled(strong, plain, 0.5), 2 * plain)


def test_states_are_drawn_jointly():
    """The state that guidance subtracts is as frequent as was asked, not the product of five rare events."""
    torch.manual_seed(0)
    active = Dropping(nothing=0.1, subset=0.32).draw(KINDS, 40000, torch.device("cpu"))
    count = torch.stack([active[kind] for kind in KINDS], 1).sum(1)
    subset_of_any_one_size = 0.32 / 2 ** len(KINDS)
    assert float((count == 0).float().mean()) == pytest.approx(0.1 + subset_of_any_one_size, abs=0.006)
    assert float((count == 5).float().mean()) == pytest.approx(0.58 + subset_of_any_one_size, abs=0.01)
    assert float((count == 1).float().mean()) == pytest.approx(5 * subset_of_any_one_size, abs=0.006)


@pytest.mark.parametrize("wrong", [Dropping(nothing=-0.1), Dropping(0.8, 0.4), Dropping(words=2.0)])
def test_probabilities_are_checked(wrong):
    with pytest.raises(UserError, match="probabilities"):
        wrong.check()


def test_hidden_words_are_not_given_rather_than_absent():
    torch.manual_seed(0)
    condition = Condition(tags_BT=torch.ones(4000, 10), attributes_BA=torch.ones(4000, 2, dtype=torch.int64))
    hidden = Dropping(words=0.5).hide_words(condition)
    assert hidden.tags_BT is not None
    assert hidden.attributes_BA is not None
    gone = hidden.tags_BT.isnan()
    assert bool((hidden.tags_BT[~gone] == 1).all())
    assert float(gone.float().mean()) == pytest.approx(0.25, abs=0.02)  # half the pictures lose half on average
    assert float((~gone).all(dim=1).float().mean()) == pytest.approx(0.5 + 0.5 / 11, abs=0.03)
    assert set(hidden.attributes_BA.unique().tolist()) == {-1, 1}
    untouched = Dropping(words=0.0).hide_words(condition)
    torch.testing.assert_close(untouched.tags_BT, condition.tags_BT)
