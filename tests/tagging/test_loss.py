import pytest
import torch
import torch.nn.functional as F

from anime_gen.contract import Condition
from anime_gen.tagging.loss import asymmetric, training_loss, weighted_class_loss, weighted_tag_loss
from anime_gen.tagging.network import Seen

NAN = float("nan")


def test_without_focus_it_is_cross_entropy():
    logits, present = torch.randn(5, 7) * 4, (torch.rand(5, 7) < 0.4).float()
    plain = F.binary_cross_entropy_with_logits(logits, present, reduction="none")
    torch.testing.assert_close(asymmetric(logits, present, 0.0, 0.0, 0.0), plain)


def test_the_papers_equations():
    logits, present = torch.tensor([-3.0, -0.5, 2.0, -3.0, -0.5, 2.0]), torch.tensor([1.0, 1, 1, 0, 0, 0])
    found = asymmetric(logits, present, gamma_present=1.0, gamma_absent=4.0, margin=0.2)
    for logit, there, value in zip(logits.double().tolist(), present.tolist(), found.tolist(), strict=True):
        p = 1 / (1 + 2.718281828459045**-logit)
        shifted = max(p - 0.2, 0.0)
        p_t, shifted_t = torch.tensor(p), torch.tensor(shifted)
        slow = -(1 - p_t) * p_t.log() if there else -(shifted_t**4) * (1 - shifted_t).log()
        assert value == pytest.approx(float(slow), rel=1e-5, abs=1e-9)
    assert found[3] == 0  # easily seen to be absent: below the margin


def test_what_is_not_given_teaches_nothing():
    logits = torch.randn(2, 3, requires_grad=True)
    tags, sure = torch.tensor([[1, NAN, 0], [NAN, NAN, 1]]), torch.tensor([[1.0, 1, 0], [1, 0, 0.5]])
    weighted_tag_loss(logits, tags, sure).backward()
    assert ((logits.grad != 0) == torch.tensor([[True, False, False], [False, False, True]])).all()
    nothing = weighted_tag_loss(logits, torch.full((2, 3), NAN), torch.zeros(2, 3))
    assert nothing == 0
    classes = torch.randn(3, 4, requires_grad=True)
    weighted_class_loss(classes, torch.tensor([2, -1, 0]), torch.tensor([1.0, 1, 0])).backward()
    assert classes.grad.abs().sum(1).gt(0).tolist() == [True, False, False]
    assert weighted_class_loss(classes, torch.tensor([-1, -1, -1]), torch.ones(3)) == 0


def test_a_label_weighs_as_much_as_it_is_sure():
    logits, tags = torch.tensor([[0.3], [-1.2]]), torch.tensor([[1.0], [0.0]])
    focus = {"gamma_absent": 2.0, "margin": 0.05}
    one, two = (float(asymmetric(logits[i], tags[i], **focus)) for i in (0, 1))
    found = float(weighted_tag_loss(logits, tags, torch.tensor([[1.0], [0.25]]), **focus))
    assert found == pytest.approx((one + 0.25 * two) / 1.25)
    assert found < float(weighted_tag_loss(logits, tags, torch.tensor([[1.0], [0.25]])))
    logits, classes = torch.randn(2, 3), torch.tensor([0, 2])
    one, two = (float(weighted_class_loss(logits[i : i + 1], classes[i : i + 1], torch.ones(1))) for i in (0, 1))
    assert float(weighted_class_loss(logits, classes, torch.tensor([0.5, 1.0]))) == pytest.approx(
        (0.5 * one + two) / 1.5
    )


def test_labels_without_a_confidence_are_sure():
    seen = Seen(torch.randn(4, 5), torch.randn(4, 2), (torch.randn(4, 3), torch.randn(4, 2)))
    tags, classes = [[1.0, 0], [NAN, 1], [0, 0], [1, 1]], [[0, 1], [2, -1], [1, 0], [1, 1]]
    labels = Condition(tags_BT=torch.tensor(tags), attributes_BA=torch.tensor(classes))
    sure = labels.replace(tag_confidence_BT=torch.ones(4, 2), attribute_confidence_BA=torch.ones(4, 2))
    assert training_loss(seen, labels) == training_loss(seen, sure) > 0
    other = sure.replace(attribute_confidence_BA=torch.tensor([[1.0, 1], [0, 1], [1, 1], [1, 1]]))
    assert training_loss(seen, other) != training_loss(seen, sure)
    assert training_loss(seen, Condition()) == 0
