import math

import pytest
import torch

from anime_gen.files import rounded
from anime_gen.tagging.examine import Labels, average_precision, examine, table
from anime_gen.tagging.network import Beliefs
from anime_gen.vocabulary import Vocabulary

NAN = float("nan")


def test_average_precision():
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.95])
    assert average_precision(scores, torch.tensor([1, 0, 1, 0, NAN])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(scores, torch.tensor([0, 0, 0, 1, 1.0])) == pytest.approx((1 + 2 / 5) / 2)
    assert math.isnan(average_precision(scores, torch.zeros(5)))
    assert math.isnan(average_precision(scores, torch.full((5,), NAN)))
    # Where scores are equal, nobody's order in the file counts.
    assert average_precision(torch.tensor([0.5, 0.5]), torch.tensor([0.0, 1.0])) == pytest.approx(1 / 2)
    assert average_precision(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])) == pytest.approx(1 / 2)


def test_what_is_reported():
    words = Vocabulary(["smile", "hat"], {"hair": ["red", "blue"]})
    beliefs = Beliefs(
        torch.tensor([[0.9, 0.1], [0.2, 0.1], [0.7, 0.1], [0.4, 0.1]]),
        (torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.5, 0.5]]),),
    )
    labels = Labels(torch.tensor([[1, 0], [0, 0], [0, NAN], [1, 0.0]]), torch.tensor([[0], [1], [1], [-1]]))
    report = examine(words, beliefs, torch.tensor([0.3, 0.5]), labels)
    hair = report["groups"]["hair"]
    assert hair["accuracy"] == pytest.approx(2 / 3)
    assert hair["balanced_accuracy"] == pytest.approx((1 + 1 / 2) / 2)
    assert hair["most_frequent"] == pytest.approx(2 / 3)
    assert hair["pictures"] == 3
    smile = report["tags"]["smile"]
    assert smile["f1"] == pytest.approx(2 * 2 / (3 + 2))  # 0.4 is above this tag's threshold
    assert smile["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert smile["present"] == 2
    assert smile["prevalence"] == pytest.approx(0.5)
    assert math.isnan(report["tags"]["hat"]["average_precision"])
    assert report["mean_average_precision"] == smile["average_precision"]
    assert rounded(report)["tags"]["hat"]["average_precision"] is None
    lines = table(report).splitlines()
    assert [line.split()[0] for line in lines if line] == [
        "group",
        "hair",
        "tag",
        "smile",
        "hat",
        "mean",
        "calibration",
    ]
