"""Confident learning finds labels that were made wrong."""

import csv

import pytest
import torch

from anime_gen.tagging.doubts import confident_learning, estimate, find_doubts
from anime_gen.tagging.examine import Labels
from anime_gen.tagging.network import Beliefs
from anime_gen.vocabulary import Vocabulary
from tests.tagging.conftest import truth


def test_the_confident_joint_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.4, 0.6], [0.5, 0.5]])
    given = torch.tensor([0, 0, 0, 1, 1, -1])
    # Thresholds: class 0 (0.9 + 0.7 + 0.2) / 3 = 0.6, class 1 (0.9 + 0.6) / 2 = 0.75.
    found = confident_learning(p, given)
    assert found.likely_N.tolist() == [0, 0, 1, 1, -1, -1]
    # Counts [[2, 1], [0, 1]], rows scaled to the 3 and 2 labels that were given.
    torch.testing.assert_close(found.joint_CC, torch.tensor([[2.0, 1], [0, 2]], dtype=torch.float64) / 5)
    assert found.noise == pytest.approx(1 / 5)


def test_classes_that_nobody_gave_are_never_likely():
    p = torch.tensor([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    found = confident_learning(p, torch.tensor([0, 0]))
    assert (found.likely_N < 1).all()
    assert found.noise == 0


def test_the_noise_rate_is_estimated():
    stream = torch.Generator().manual_seed(0)
    true = torch.randint(3, (5000,), generator=stream)
    logits = torch.randn(5000, 3, generator=stream)
    logits[torch.arange(5000), true] += 4
    flipped = torch.rand(5000, generator=stream) < 0.15
    given = torch.where(flipped, (true + 1) % 3, true)
    found = confident_learning(logits.softmax(1), given)
    assert found.noise == pytest.approx(0.15, abs=0.02)
    doubted = (found.likely_N >= 0) & (found.likely_N != given)
    assert (doubted & flipped).sum() > 0.85 * flipped.sum()
    assert (doubted & flipped).sum() > 0.9 * doubted.sum()


def test_doubts_are_sorted_and_colours_are_asked_once():
    words = Vocabulary(["blue hair", "smile"], {"hair": ["red", "blue"]})
    tags = torch.tensor([[0.9, 0.9], [0.1, 0.2], [0.95, 0.05], [0.1, 0.99]])
    beliefs = Beliefs(tags, (torch.stack([1 - tags[:, 0], tags[:, 0]], 1),))
    labels = Labels(torch.tensor([[1.0, 1], [0, 0], [0, 0], [0, 0]]), torch.tensor([[1], [0], [0], [0]]))
    doubts, noise = find_doubts(words, ["a", "b", "c", "d"], beliefs, labels)
    assert list(noise) == ["hair", "smile"]
    assert [doubt[:4] for doubt in doubts] == [("d", "smile", "absent", "present"), ("c", "hair", "red", "blue")]
    assert doubts[0].probability_given == pytest.approx(0.01)
    assert doubts[0].probability_suggested == pytest.approx(0.99)


def test_wrong_labels_of_a_folder_are_listed(here, coloured, tmp_path, monkeypatch):
    from anime_gen.tagging import network

    monkeypatch.setattr(network, "SLIM", {"channels": [16, 24, 32, 48], "stem_width": 8})
    folder = coloured(200, 200, wrong=True)
    done = here(
        "tagger", "doubts", "--data.source=anime_gen.data.Folder", f"--data.source.path={folder}",
        "--data.image_size=16", "--data.batch_size=16", "--images=2400", "--top=15", "--out", tmp_path / "doubts.csv",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "doubts.csv").open() as file:
        rows = list(csv.DictReader(file))
    told = truth(folder)
    made_wrong = {f"{number:03}.png" for number in range(0, 200, 10)}
    hair = [row for row in rows if row["label"] == "hair"]
    assert len(hair) >= 12
    assert sum(row["file"] in made_wrong for row in hair) >= len(hair) - 1
    assert all(row["suggested"] == told[row["file"]][0] for row in hair if row["file"] in made_wrong)
    assert "estimated share of wrong labels" in done.stdout
    share = float(done.stdout.split("  hair: ")[1].split("%")[0])
    assert 5 < share < 15
    assert "200 labels; the taggers agree with" in done.stdout


def test_taggers_that_guess_cannot_tell():
    """Of 300 labels, of which none is wrong, one that knows nothing would call three in four wrong."""
    stream = torch.Generator().manual_seed(0)
    given_N = torch.randint(5, (300,), generator=stream)
    guess = torch.rand(300, 5, generator=stream).softmax(1)
    knows = torch.nn.functional.one_hot(given_N, 5) * 0.8 + 0.04
    blind, sure = (estimate(p, given_N, confident_learning(p, given_N).noise) for p in (guess, knows))
    assert blind.wrong > 0.5
    assert not blind.can_tell
    assert "cannot tell (300 labels; the taggers agree with" in str(blind)
    assert sure.can_tell
    assert str(sure).startswith("0.0% +- 0.0% (300 labels; the taggers agree with 100%")
