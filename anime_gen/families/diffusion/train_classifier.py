"""`anime-gen classifier RUN`: trains the classifier of noisy pictures on a run's own data and noise."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from anime_gen import fitting
from anime_gen.blocks.made import Curves, Made
from anime_gen.contract import Batch, UserError, usable
from anime_gen.families.diffusion.classifier import NoisedClassifier, training_loss
from anime_gen.families.diffusion.module import Diffusion
from anime_gen.families.diffusion.schedule import Level, Schedule
from anime_gen.files import rounded
from anime_gen.noise import normal
from anime_gen.run.folder import RunFolder
from anime_gen.run.trained import Trained
from anime_gen.vocabulary import Vocabulary

# Where it is examined: this many times from the picture to the noise, both ends included.
LEVELS = 11
# On the first so many validation pictures: eleven looks at each take their time on a CPU.
EXAMINED = 1024


class Data(Protocol):
    """What is asked of the suite's DataModule, which families do not import."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    def count(self, split: Literal["train", "validation"]) -> int: ...

    def stream(self, parts: frozenset[str], images: int, batch_size: int, start: int = 0) -> Iterable[Batch]: ...

    def stream_record(self) -> dict[str, Any]: ...

    def loader(self, split: Literal["validation"], parts: frozenset[str], limit: int | None) -> Iterable[Batch]: ...

    def record(self, *splits: Literal["train", "validation"]) -> dict[str, Any]: ...


class Examined(NamedTuple):
    """What the classifier gets right at each noise level, in [0, 1]; NaN where no picture says."""

    levels: list[Level]
    accuracy: dict[str, list[float]]  # by attribute group
    tag_f1: list[float]  # mean over the tags that are there or are seen

    def curves(self) -> dict[str, list[float]]:
        """Everything by name; no F1 where there are no tags."""
        return {**self.accuracy, **({} if all(map(math.isnan, self.tag_f1)) else {"tag F1": self.tag_f1})}


def train_classifier(
    trained: Trained,
    data: Data,
    run: Path,
    images: int = 64000,
    batch_size: int = 64,
    lr: float = 2e-3,
    seed: int = 0,
    device: str = "auto",
) -> Made:
    """Trains and examines at each noise level: `classifier.safetensors`, `.json` and `.png` for the run folder.

    What is trained by then is kept there, until all is done: after a Ctrl-C or a kill the same call goes on.

    Args:
        trained: the run's `Diffusion`, of which only the schedule counts.
        data: the run's.
        run: its folder.
        images: noisy pictures to learn from, rounded down to whole batches.
        batch_size: pictures a step.
        lr: peak learning rate of AdamW; it rises over a twentieth of the steps and falls along a cosine.
        seed: of the weights, the noise levels and the noise.
        device: auto (a GPU where there is one), cpu or cuda.

    Raises:
        UserError: the run is not one of diffusion or has no labels, or the numbers leave nothing to learn from.
    """
    module = trained.module
    if not isinstance(module, Diffusion):
        raise UserError(f"classifier: {run} is a run of {type(module).__name__}; only diffusion is guided by one")
    if module.space is not None:
        raise UserError(f"classifier: {run} works on latents; a classifier reads noisy pictures")
    words = data.vocabulary
    if not words.tags and not words.attributes:
        raise UserError(f"classifier: the data of {run} has neither tags nor attributes to learn")
    if not 1 <= batch_size <= images:
        raise UserError(f"classifier: --images={images} are fewer than one batch of {batch_size}; give more")
    if lr <= 0:
        raise UserError(f"classifier: --lr={lr}: give a number above 0")
    images = images // batch_size * batch_size
    settings = {"images": images, "batch_size": batch_size, "lr": lr, "seed": seed}
    schedule = {"name": type(module.schedule).__name__, **numbers(module.schedule)}
    device = usable(device)
    classifier = fitting.initialised(lambda: NoisedClassifier(len(words.tags), words.attribute_sizes), seed).to(device)

    def loss_of(batch: Batch) -> Tensor:
        there = Batch(batch.image_BCHW.to(device), batch.condition.map(lambda part: part.to(device)), batch.index_B)
        return training_loss(classifier, module.schedule, there)

    weights = RunFolder(run).classifier
    state = fitting.State(weights, {**data.stream_record(), **settings, "schedule": schedule})
    done = fitting.fit(
        classifier,
        loss_of,
        lambda start: data.stream(classifier.needs, images, batch_size, start),
        # Of everything: a classifier whose biases and norms did not decay was a little worse in 8 of 10 pairs of runs.
        torch.optim.AdamW(classifier.parameters(), lr=lr, weight_decay=0.05),
        fitting.for_images(images),
        seed=seed,
        state=state,
    )
    examining = time.monotonic()
    total = min(EXAMINED, data.count("validation"))
    with fitting.progress_bar(total=total, desc="examining", unit=" images") as progress:
        examined = examine(
            classifier, module.schedule, words, data.loader("validation", classifier.needs, EXAMINED), progress
        )
    report = {
        "schedule": schedule,
        "vocabulary": words.as_dict(),
        "data": data.record("train", "validation"),
        "training": settings,
        "seconds": {"training": round(done.seconds, 1), "examining": round(time.monotonic() - examining, 1)},
        "levels": [{"alpha": level.alpha, "sigma": level.sigma} for level in examined.levels],
        "accuracy": {group: [rounded(value) for value in values] for group, values in examined.accuracy.items()},
        "tag_f1": [rounded(value) for value in examined.tag_f1],
    }
    drawn_by = f"sample {shlex.quote(str(run))} --classifier_scale 1 --tags={shlex.quote(words.words()[0])}"
    files = classifier.files(run, report) | {weights.with_suffix(".png"): plot(examined)}
    return Made(files, f"{table(examined)}\n{weights}: draw with anime-gen {drawn_by}", state.remove)


def numbers(schedule: Schedule) -> dict[str, float]:
    """The options of a schedule."""
    return {name: value for name, value in vars(schedule).items() if isinstance(value, int | float)}


@torch.no_grad()
def examine(
    classifier: NoisedClassifier, schedule: Schedule, words: Vocabulary, batches: Iterable[Batch], progress: tqdm[Any]
) -> Examined:
    """Looks at every picture at `LEVELS` noise levels, with noise that is the same for every classifier."""
    device = next(classifier.parameters()).device
    levels = schedule.at(torch.linspace(0, 1, LEVELS, dtype=torch.float64))
    right_LA, given_LA = torch.zeros(2, LEVELS, len(words.attributes), dtype=torch.float64)
    hit_LT, wrong_LT = torch.zeros(2, LEVELS, len(words.tags), dtype=torch.float64)
    stream = torch.Generator().manual_seed(0)
    for batch in batches:
        count = len(batch.index_B)
        for i, level in enumerate(levels):
            eps = normal(*batch.image_BCHW.shape, generator=stream)
            x_t = (level.alpha * batch.image_BCHW + level.sigma * eps).to(device)
            a, s = (x_t.new_full((count, 1, 1, 1), scale) for scale in (level.alpha, level.sigma))
            *groups, tags_BT = (part.cpu() for part in classifier(x_t, x_t.new_full((count,), level.noise_label), a, s))
            if batch.condition.attributes_BA is not None:
                for column, (logits_BC, class_B) in enumerate(
                    zip(groups, batch.condition.attributes_BA.unbind(1), strict=True)
                ):
                    right_LA[i, column] += (logits_BC.argmax(1) == class_B).sum()
                    given_LA[i, column] += (class_B >= 0).sum()
            if batch.condition.tags_BT is not None:
                there_BT, seen_BT = batch.condition.tags_BT == 1, tags_BT > 0
                hit_LT[i] += (there_BT & seen_BT).sum(0)
                wrong_LT[i] += ((there_BT ^ seen_BT) & ~batch.condition.tags_BT.isnan()).sum(0)
        progress.update(count)
    accuracy_AL = (right_LA / given_LA).T.tolist()
    f1_LT: Tensor = 2 * hit_LT / (2 * hit_LT + wrong_LT)
    return Examined(levels, dict(zip(words.attributes, accuracy_AL, strict=True)), f1_LT.nanmean(1).tolist())


def ratio(level: Level) -> str:
    """The noise over the picture, sigma / alpha, in two digits."""
    return f"{level.sigma / level.alpha:.2g}" if level.alpha else "inf"


def table(examined: Examined) -> str:
    """One row a noise level."""
    curves = examined.curves()
    widths = [max(len(name), 5) + 2 for name in curves]
    head = "sigma/alpha" + "".join(f"{name:>{width}}" for name, width in zip(curves, widths, strict=True))
    rows = [
        f"{ratio(level):>11}"
        + "".join(f"{values[i]:>{width}.3f}" for values, width in zip(curves.values(), widths, strict=True))
        for i, level in enumerate(examined.levels)
    ]
    return "\n".join([head, *rows])


def plot(examined: Examined) -> Curves:
    """What it gets right against the noise."""
    return Curves(
        "What the classifier sees of validation pictures",
        "noise over picture, sigma / alpha",
        [ratio(level) for level in examined.levels],
        {
            f"{name}, accuracy" if name in examined.accuracy else name: values
            for name, values in examined.curves().items()
        },
    )
