"""What was best stays best, by what is shown and how, also when a run goes on elsewhere."""

import itertools
import math
import random
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from anime_gen.callbacks import Best
from anime_gen.callbacks.best import Candidate, candidates
from anime_gen.contract import UserError
from anime_gen.metrics.protocol import Record, append, write


class Trainer(SimpleNamespace):
    """Writes what was shown into its checkpoints."""

    def __init__(self, folder):
        super().__init__(
            default_root_dir=str(folder), sanity_checking=False, is_global_zero=True, callback_metrics={},
            state=SimpleNamespace(fn="fit"), images=0, strategy=SimpleNamespace(broadcast=lambda value: value),
        )  # fmt: skip

    def save_checkpoint(self, path, weights_only):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(self.images))


def score(best, trainer, images, content, rendering):
    trainer.images = images
    trainer.callback_metrics = {"fd_judge": torch.tensor(content), "fd_render": torch.tensor(rendering)}
    best.on_validation_end(trainer, SimpleNamespace(images_shown=images))


def kept(folder):
    found = folder / "checkpoints"
    return (found / "best.ckpt").read_text(), sorted(path.stem.lstrip("0") for path in found.glob("candidates/*"))


def test_content_decides_among_those_that_are_rendered_as_well(tmp_path):
    best, trainer = Best(), Trainer(tmp_path)
    score(best, trainer, 10, 9.0, 100.0)
    assert kept(tmp_path) == ("10", ["10"])
    score(best, trainer, 20, 5.0, 105.0)  # within a tenth
    assert kept(tmp_path) == ("20", ["10", "20"])
    score(best, trainer, 30, 4.0, 120.0)  # too far
    assert kept(tmp_path) == ("20", ["10", "20"])
    score(best, trainer, 40, 8.0, 92.0)  # now 20 is too far, and 10 no better in anything
    assert kept(tmp_path) == ("40", ["40"])
    score(best, trainer, 50, 7.0, 91.0)
    assert kept(tmp_path) == ("50", ["50"])


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 30)), min_size=1, max_size=12))
def test_nothing_is_thrown_away_that_turns_out_best(scorings):
    """Step by step, with what is kept alone, as all scorings at once would have it."""
    every = [Candidate(place, float(cost), float(beside)) for place, (cost, beside) in enumerate(scorings)]
    few: list[Candidate] = []
    for place, one in enumerate(every):
        few = candidates([*few, one], 0.1)
        near = [c for c in every[: place + 1] if c.beside <= 1.1 * min(c.beside for c in every[: place + 1])]
        assert few[0] == min(near, key=lambda c: (c.cost, c.beside, c.images))


def test_a_run_goes_on_elsewhere_and_after_a_kill(tmp_path):
    numbers = random.Random(0)
    scorings = [(place, numbers.uniform(1, 9), numbers.uniform(90, 110)) for place in range(10, 200, 10)]
    whole = Best()
    for one in scorings:
        score(whole, Trainer(tmp_path / "whole"), *one)
    for stop, repeated in itertools.product((4, 11), (0, 1)):
        best, folder = Best(), tmp_path / f"{stop}{repeated}"
        for one in scorings[:stop]:
            score(best, Trainer(folder), *one)
        state = best.state_dict()
        if repeated:  # scored once more before the kill, but last.ckpt does not know
            score(best, Trainer(folder), *scorings[stop])
        moved = folder.with_name(f"{folder.name} moved")
        folder.rename(moved)
        again = Best()
        again.load_state_dict(state)
        for one in scorings[stop:]:
            score(again, Trainer(moved), *one)
        assert kept(moved) == kept(tmp_path / "whole")
        assert again.state_dict() == whole.state_dict()


def test_one_score_alone_and_the_higher(tmp_path):
    best, trainer = Best("fd_judge", "max", None), Trainer(tmp_path)
    score(best, trainer, 10, 1.0, 1.0)
    score(best, trainer, 20, 3.0, 999.0)
    score(best, trainer, 30, 2.0, 1.0)
    assert kept(tmp_path) == ("20", ["20"])
    assert not math.isnan(best.kept[0].cost)


def test_what_cannot_be(tmp_path):
    trainer = Trainer(tmp_path)
    with pytest.raises(UserError, match="no score is called 'fid'; there are fd_judge, fd_render"):
        score(Best("fid"), trainer, 10, 1.0, 1.0)
    with pytest.raises(UserError, match="within is -1"):
        Best(within=-1)
    best = Best()
    score(best, trainer, 10, math.nan, 5.0)
    score(best, trainer, 20, 7.0, 5.0)
    assert kept(tmp_path)[0] == "20"
    trainer.state.fn = "validate"
    score(best, trainer, 30, 1.0, 1.0)
    assert kept(tmp_path)[0] == "20", "only training chooses"


def test_a_checkpoint_of_an_earlier_version_is_remembered(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.ckpt").write_text("of old")
    old = {"callbacks": {"Best{'monitor': 'fd_judge', 'mode': 'min'}": {"best_model_score": torch.tensor(3.0)}}}
    best = Best(beside=None)
    best.on_load_checkpoint(None, None, old)
    score(best, Trainer(tmp_path), 10, 5.0, 1.0)
    assert kept(tmp_path) == ("of old", [])
    score(best, Trainer(tmp_path), 20, 2.0, 1.0)
    assert kept(tmp_path) == ("20", ["20"])
    # Of two scores one is not known: the first scoring that has both takes its place.
    best = Best()
    best.on_load_checkpoint(None, None, old)
    score(best, Trainer(tmp_path), 30, 5.0, 1.0)
    assert kept(tmp_path)[0] == "30"


def test_a_run_that_goes_on_from_before_its_latest_scorings(tmp_path):
    """On a GPU what comes then may be rounded otherwise; what the later ones ruled out is not there any more."""
    best, trainer = Best(), Trainer(tmp_path)
    score(best, trainer, 10, 5.0, 100.0)
    score(best, trainer, 20, 6.0, 95.0)
    state = best.state_dict()
    score(best, trainer, 30, 4.0, 90.0)
    assert kept(tmp_path) == ("30", ["30"])
    again = Best()
    again.load_state_dict(state)
    score(again, trainer, 30, 9.0, 99.0)
    assert again.kept[0].images == 10, "best.ckpt has its name still"
    (tmp_path / "checkpoints" / "best.ckpt").unlink()
    again.load_state_dict(state)
    score(again, trainer, 30, 9.0, 99.0)
    assert kept(tmp_path) == ("30", ["30"])


def test_another_judge_chooses_anew(tmp_path):
    """Its numbers may be smaller for all pictures: the old best would stay for ever."""

    def written(images, weights):
        return Record("fd_judge", 1.0, images, 0.0, {"extractor_weights": weights, "system": {"ema": images}})

    best, trainer = Best(), Trainer(tmp_path)
    write(tmp_path / "metrics.json", [written(10, "old")])
    score(best, trainer, 10, 2.0, 1.0)
    append(tmp_path / "metrics.json", [written(20, "new")])
    score(best, trainer, 20, 30.0, 1.0)
    assert kept(tmp_path) == ("20", ["20"])
    append(tmp_path / "metrics.json", [written(30, "new")])
    score(best, trainer, 30, 40.0, 1.0)
    assert kept(tmp_path) == ("20", ["20"])
