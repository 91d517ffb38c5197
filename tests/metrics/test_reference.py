"""What scores keep of real pictures can be put away and fetched again."""

import pytest

from anime_gen.metrics import reference
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.protocol import Role
from anime_gen.metrics.scores import Scores, judge_scores


def values(scores, pictures):
    scores.update(pictures(30, seed=3), Role.SAMPLE)
    told = {score.name: (score.value, score.protocol) for score in scores.compute()}
    scores.reset()
    return told


def test_scores_are_the_same_from_the_disk(judge, vocabulary, pictures, tmp_path):
    fresh, again = Scores(judge_scores(vocabulary, judge)), Scores(judge_scores(vocabulary, judge))
    fresh.update(pictures(30, seed=1), Role.TRAINING)
    for part in pictures(30, seed=2).split(7):
        fresh.update(part, Role.HELD_OUT)
    wanted = values(fresh, pictures)
    path = tmp_path / "deep" / "kept.safetensors"
    assert not reference.load(again, path)
    reference.save(fresh, path)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert reference.load(again, path)
    assert values(again, pictures) == wanted
    assert values(fresh, pictures) == wanted, "saving changes nothing"
    path.write_bytes(path.read_bytes()[:100])
    assert not reference.load(again, path), "half a file is none"


def test_each_thing_that_matters_changes_the_key(judge, vocabulary, monkeypatch, tmp_path):
    scores = Scores(judge_scores(vocabulary, judge))
    pictures = {"validation": "abc", "scored": 512}
    key = reference.key(scores, pictures)
    assert key == reference.key(Scores(judge_scores(vocabulary, judge)), dict(pictures))
    other = JudgeFeatures(judge.judge)
    other.weights_hash = "another"
    assert key != reference.key(Scores(judge_scores(vocabulary, other)), pictures)
    assert key != reference.key(Scores(judge_scores(vocabulary, judge)[1:]), pictures)
    assert key != reference.key(scores, {**pictures, "scored": 511})
    monkeypatch.setattr(reference, "SOURCES", tmp_path)
    assert key != reference.key(scores, pictures)


PAGE = '''"""What it is for."""

WINDOW = 11  # taps


class Mean(Score):
    total: Tensor

    def update(self, images: Tensor, weight: float = 0.5) -> None:
        "Counts."
        seen: Tensor = images * weight
        self.total = self.total + seen
'''


def keyed(page, judge, vocabulary, monkeypatch, folder):
    (folder / "score.py").write_text(page)
    monkeypatch.setattr(reference, "SOURCES", folder)
    return reference.key(Scores(judge_scores(vocabulary, judge)), {})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("What it is for.", "What it was meant for."),
        ('        "Counts."\n', ""),
        ("WINDOW = 11  # taps", "# Wang et al. 2004\nWINDOW = 11"),
        ("images: Tensor, weight: float", "images: torch.Tensor, weight: int"),
        ("-> None", "-> object"),
        ("seen: Tensor =", "seen ="),
        ("(self, images: Tensor, weight: float = 0.5)", "(\n        self, images, weight=0.5\n    )"),
    ],
)
def test_what_the_code_says_of_itself_does_not_change_the_key(old, new, judge, vocabulary, monkeypatch, tmp_path):
    assert PAGE.count(old) == 1
    key = keyed(PAGE, judge, vocabulary, monkeypatch, tmp_path)
    assert keyed(PAGE.replace(old, new), judge, vocabulary, monkeypatch, tmp_path) == key


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("11", "13"),
        ("= 0.5", "= 0.25"),
        ("images * weight", "images / weight"),
        ("    total: Tensor", "    sums: Tensor"),
        ("Mean(Score)", "Mean(Metric)"),
    ],
)
def test_what_it_computes_changes_the_key(old, new, judge, vocabulary, monkeypatch, tmp_path):
    key = keyed(PAGE, judge, vocabulary, monkeypatch, tmp_path)
    assert keyed(PAGE.replace(old, new), judge, vocabulary, monkeypatch, tmp_path) != key
