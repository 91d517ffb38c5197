"""The alarm rings for samples that have become alike, once, and says since when."""

import warnings
from types import SimpleNamespace

import pytest
import torch

from anime_gen.callbacks import Collapse
from anime_gen.callbacks.collapse import collapsed_since
from anime_gen.metrics import diversity
from anime_gen.metrics.features import Extractor
from anime_gen.metrics.protocol import Record, Role, append, drop_after

EVERY = 10_000


class Pixels(Extractor):
    name = "pixels"
    num_features = 48
    resize = "none"
    weights_hash = "none"

    def forward(self, images):
        return images.flatten(1).float()


class Run:
    """A family that is scored every 10,000 images; `modes` are how many different pictures it draws."""

    def __init__(self, folder):
        self.folder = folder
        self.images = 0
        self.logged = {}
        self.score = diversity.Collapse(Pixels())
        self.score.update(self.draw(100, seed=1), Role.HELD_OUT)

    def draw(self, modes, seed, contrast=1.0):
        stream = torch.Generator().manual_seed(seed)
        faces = torch.randint(256, (modes, 3, 4, 4), generator=stream)[torch.arange(100) % modes]
        return (128 + contrast * (faces - 128)).to(torch.uint8)

    def go_on(self, alarm, *samples):
        """Scores each and returns the warnings."""
        log = SimpleNamespace(log_metrics=lambda scalars, step: self.logged.update({step: scalars["alarm/collapsed"]}))
        trainer = SimpleNamespace(
            state=SimpleNamespace(fn="fit"),
            sanity_checking=False,
            is_global_zero=True,
            default_root_dir=str(self.folder),
            loggers=[log],
        )
        said = []
        for images in samples:
            self.images += EVERY
            self.score.reset()
            self.score.update(images, Role.SAMPLE)
            value = self.score.compute()["collapse_pixels"].item()
            protocol = {**self.score.protocol(), "split": "validation"}
            others = [Record("fd_judge", 3.0, self.images, 1.0, {"split": "validation"})]
            others.append(Record("collapse_pixels", 1.0, self.images, 1.0, {"split": "test"}))  # not this run's course
            append(
                self.folder / "metrics.json", [Record("collapse_pixels", value, self.images, 1.0, protocol), *others]
            )
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                alarm.on_validation_end(trainer, SimpleNamespace(images_shown=self.images))
            said += [(self.images, str(warning.message)) for warning in caught]
        return said


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def alarm():
    return Collapse("collapse_pixels", forms_within=3 * EVERY)


def test_a_healthy_run_is_left_alone(run):
    unformed = [run.draw(100, seed, contrast=0.1 * seed) for seed in (1, 2)]
    assert run.go_on(alarm(), *unformed, *(run.draw(100, seed) for seed in range(5, 10))) == []
    assert list(run.logged) == [EVERY * i for i in range(1, 8)]
    assert not any(run.logged.values())


@pytest.mark.parametrize("modes", [1, 10])
def test_a_collapse_is_told_once_with_its_beginning(run, modes):
    healthy = [run.draw(100, seed) for seed in range(5, 8)]
    said = run.go_on(alarm(), *healthy, *(run.draw(modes, seed) for seed in range(5)))
    assert len(said) == 1
    images, text = said[0]
    assert images == 5 * EVERY
    assert text.startswith("samples have collapsed since about 40,000 images: they are 100% closer")
    assert "\n" not in text
    assert list(run.logged.values()) == [0, 0, 0, 0, 1, 1, 1, 1]


def test_survives_a_resume(run):
    healthy, alike = run.draw(100, 5), run.draw(1, 5)
    assert run.go_on(alarm(), healthy, alike) == []
    said = run.go_on(alarm(), alike)  # another sitting, another object
    assert [text[:47] for _, text in said] == ["samples have collapsed since about 20,000 images"[:47]]
    assert run.go_on(alarm(), alike) == []  # told already
    run.images = 2 * EVERY  # a crash: goes on from an older checkpoint, and the scoring forgets what came later
    drop_after(run.folder / "metrics.json", run.images)
    assert len(run.go_on(alarm(), alike)) == 1


def test_one_bad_scoring_is_a_fluke_and_a_second_collapse_is_told_again(run):
    healthy, alike = run.draw(100, 5), run.draw(1, 5)
    assert run.go_on(alarm(), healthy, alike, healthy, alike, healthy) == []
    assert len(run.go_on(alarm(), alike, alike, healthy, alike, alike)) == 2


def test_what_never_forms_is_told_in_the_end():
    grey = {EVERY * i: 0.9 for i in range(1, 6)}
    assert collapsed_since(grey, threshold=0.5, patience=2, forms_within=3 * EVERY) == 3 * EVERY
    assert collapsed_since({**grey, 2 * EVERY: 0.4}, threshold=0.5, patience=2, forms_within=9 * EVERY) == 3 * EVERY
    assert collapsed_since(grey, threshold=0.5, patience=2, forms_within=9 * EVERY) is None
