"""The heads against formulas written out, and who is judged by whom."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen.blocks.labels import Words
from anime_gen.contract import Condition, UserError
from anime_gen.families.acgan.game import (
    AuxiliaryClassifier,
    ClassifierHead,
    Concatenation,
    DataToData,
    DataToDataHead,
    Game,
    Projection,
    ProjectionHead,
)
from anime_gen.families.acgan.loss import data_to_data_loss

WORDS, WIDTH = Words(3, (4, 2)), 5
GAMES = [AuxiliaryClassifier(), DataToData(width=6), Projection(), Concatenation(4, 6)]


def told(rows: int = 4) -> Condition:
    stream = torch.Generator().manual_seed(1)
    return Condition(
        tags_BT=torch.randint(0, 2, (rows, 3), generator=stream).float(),
        attributes_BA=torch.stack([torch.arange(rows) % 4, torch.arange(rows) % 2], 1),
    )


def features(rows: int = 4) -> Tensor:
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("game", GAMES, ids=lambda game: type(game).__name__)
def test_logits_are_one_number_a_picture(game: Game) -> None:
    torch.manual_seed(0)
    head = game.head(WORDS, WIDTH)
    whole = head(features(), told())
    assert whole.shape == (4,)
    torch.testing.assert_close(head(features()[1:2], told().rows(slice(1, 2))), whole[1:2])
    with torch.autocast("cpu", torch.bfloat16):
        assert head(features(), told()).dtype == torch.float32


@pytest.mark.parametrize(
    ("game", "conditional"),
    [(AuxiliaryClassifier(), False), (DataToData(), False), (Projection(), True), (Concatenation(), True)],
    ids=["ac", "d2d", "projection", "concatenation"],
)
def test_which_games_judge_beside_the_labels(game: Game, conditional: bool) -> None:
    torch.manual_seed(0)
    head = game.head(WORDS, WIDTH)
    before = head(features(), told())
    for other in (
        told().replace(tags_BT=1 - told().tags_BT),
        told().replace(attributes_BA=1 - told().attributes_BA.clamp(max=1)),
    ):
        assert torch.equal(head(features(), other), before) != conditional
    labels = head.of_real(features(), told()), head.of_generator(features(), told())
    assert all((loss.item() == 0) == conditional for loss in labels)


def test_the_auxiliary_classifier_is_torchs() -> None:
    """Sum over groups of cross entropies, mean over tags of binary ones, each with its weight, for all three."""
    torch.manual_seed(0)
    head = AuxiliaryClassifier(attributes=0.5, tags=3.0).head(WORDS, WIDTH)
    assert isinstance(head, ClassifierHead)
    logits, labels = head.labels(features()), told()
    assert labels.tags_BT is not None
    assert labels.attributes_BA is not None
    groups = F.cross_entropy(logits[:, :4], labels.attributes_BA[:, 0])
    groups = groups + F.cross_entropy(logits[:, 4:6], labels.attributes_BA[:, 1])
    expected = 0.5 * groups + 3 * F.binary_cross_entropy_with_logits(logits[:, 6:], labels.tags_BT)
    for loss in (head.of_real, head.of_fake, head.of_generator):
        torch.testing.assert_close(loss(features(), labels), expected)


def test_made_pictures_can_be_left_unnamed() -> None:
    """Then the discriminator learns its labels from real pictures alone; the generator's loss stays."""
    torch.manual_seed(0)
    head = AuxiliaryClassifier(made=False).head(WORDS, WIDTH)
    assert head.of_fake(features(), told()) == 0
    assert head.of_real(features(), told()) == head.of_generator(features(), told()) > 0


def test_doubtful_labels_pull_less() -> None:
    torch.manual_seed(0)
    for game in (AuxiliaryClassifier(), DataToData(width=6)):
        head = game.head(WORDS, WIDTH)
        whole = head.of_real(features(), told())
        half = told().replace(
            tag_confidence_BT=torch.full((4, 3), 0.5), attribute_confidence_BA=torch.full((4, 2), 0.5)
        )
        torch.testing.assert_close(head.of_real(features(), half), whole / 2)
        # Each label has its own: of the second group of the third picture only.
        one = torch.zeros(4, 2)
        one[2, 1] = 1
        alone = told().replace(tag_confidence_BT=torch.zeros(4, 3), attribute_confidence_BA=one)
        seen = features().requires_grad_()
        (slope,) = torch.autograd.grad(head.of_real(seen, alone), seen)
        if isinstance(head, ClassifierHead):
            assert (slope.abs().sum(1) > 0).tolist() == [False, False, True, False]
        else:
            assert slope.any()


def test_projection_by_hand() -> None:
    """psi(f) + f . (v_hair + v_gender + a v for each known tag, by its presence or absence) / 5."""
    torch.manual_seed(0)
    head = Projection().head(WORDS, WIDTH)
    assert isinstance(head, ProjectionHead)
    torch.nn.init.normal_(head.embed.weight)
    table = head.embed.weight.T  # classes of both groups, tags present, tags absent
    condition = Condition(
        tags_BT=torch.tensor([[1.0, 0.0, torch.nan], [torch.nan] * 3]), attributes_BA=torch.tensor([[2, 1], [-1, 0]])
    )
    f = features(2)
    first = head.real(f[0]) + f[0] @ (table[2] + table[4 + 1] + table[6 + 0] + table[9 + 1]) / 5
    second = head.real(f[1]) + f[1] @ table[4 + 0] / 5
    torch.testing.assert_close(head(f, condition), torch.cat([first, second]))


def test_reacgan_compares_classes_and_names_tags() -> None:
    torch.manual_seed(0)
    head = DataToData(0.5, 2.0, 6, 0.7, 0.1, 0.3).head(WORDS, WIDTH)
    assert isinstance(head, DataToDataHead)
    labels = told()
    assert labels.attributes_BA is not None
    assert labels.tags_BT is not None
    expected = 2 * F.binary_cross_entropy_with_logits(head.tags(features()), labels.tags_BT)
    for group in range(2):
        embedding, proxies = head.groups[group](features()), head.proxies[group]
        expected = expected + 0.5 * data_to_data_loss(
            embedding,
            proxies,
            labels.attributes_BA[:, group],
            positive_margin=0.7,
            negative_margin=0.1,
            temperature=0.3,
        )
    torch.testing.assert_close(head.of_real(features(), labels), expected)
    torch.testing.assert_close(head.of_generator(features(), labels), expected)
    assert head.of_fake(features(), labels).item() == 0  # made pictures teach the discriminator no labels


@pytest.mark.parametrize("game", [AuxiliaryClassifier(), DataToData()], ids=["ac", "d2d"])
@pytest.mark.parametrize("words", [Words(3, ()), Words(0, (4, 2))], ids=["tags", "classes"])
def test_one_kind_of_label_is_enough(game: Game, words: Words) -> None:
    labels = Condition(**{name: getattr(told(), name) for name in words.needs})
    head = game.head(words, WIDTH)
    assert head(features(), labels).shape == (4,)
    assert head.of_real(features(), labels) > 0


@pytest.mark.parametrize(
    ("game", "options", "message"),
    [
        (AuxiliaryClassifier, {"attributes": -1.0}, "attributes is -1"),
        (AuxiliaryClassifier, {"tags": -1.0}, "tags -1"),
        (DataToData, {"tags": -1.0}, "tags -1"),
        (DataToData, {"temperature": 0.0}, "temperature 0"),
        (Concatenation, {"hidden": 0}, "hidden 0"),
    ],
)
def test_refusals_are_one_line(game: type[Game], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        game(**options)
    assert "\n" not in str(caught.value)
