"""Labels that are most likely wrong: confident learning (Northcutt, Jiang & Chuang 2021).

Two taggers each learn from half of the training pictures and look at the others; of pictures that neither has learned
from both are asked. So every probability is one of a picture that was not seen. What a tagger takes for another class
is not always that: estimates are too high by its own errors, the more so the less it has learned.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from anime_gen import fitting
from anime_gen.contract import Batch, UserError, mix, usable
from anime_gen.data import AnimeFaces
from anime_gen.data.cache import write_whole
from anime_gen.data.source import SPLITS, Split
from anime_gen.escape import in_csv
from anime_gen.tagging.calibration import calibrate
from anime_gen.tagging.examine import Labels, Looked, look_at
from anime_gen.tagging.network import Beliefs, Tagger
from anime_gen.tagging.train import budget, check_labels, endless, fit
from anime_gen.vocabulary import Vocabulary


class Doubt(NamedTuple):
    """A label that is likely to be wrong."""

    file: str
    label: str  # the group, or the tag
    given: str
    suggested: str
    probability_given: float
    probability_suggested: float


class Confident(NamedTuple):
    """What confident learning makes of one exclusive group."""

    likely_N: Tensor  # int64: the class that is confidently there; -1 where none is, or nothing was given
    joint_CC: Tensor  # float64, sums to 1: share of pictures with given class i that are truly j

    @property
    def noise(self) -> float:
        """Estimated share of labels that are wrong."""
        return float(1 - self.joint_CC.trace())


class Estimate(NamedTuple):
    """How many labels of a group or a tag are wrong, and how much its source knows."""

    wrong: float  # estimated share
    labels: int  # that were given
    agreement: float  # share of them that the taggers, which have not seen them, would have given too
    commonest: float  # the same of always saying the commonest class

    @property
    def can_tell(self) -> bool:
        """Whether the taggers know at least half of what there is to know beyond the commonest class.

        One that guesses disagrees with right labels as often as with wrong ones.
        """
        return self.agreement - self.commonest >= 0.5 * (1 - self.commonest)

    def __str__(self) -> str:
        if not self.labels:
            return "nothing given"
        knows = f"{self.labels} labels; the taggers agree with {self.agreement:.0%}, the commonest class with "
        knows += f"{self.commonest:.0%}"
        if not self.can_tell:
            return f"cannot tell ({knows})"
        # Of their number alone: how far off the taggers are is not in it.
        give = 1.96 * (self.wrong * (1 - self.wrong) / self.labels) ** 0.5
        return f"{self.wrong:.1%} +- {give:.1%} ({knows})"


def estimate(probability_NC: Tensor, given_N: Tensor, wrong: float) -> Estimate:
    """What an estimated share of wrong labels is worth.

    Args:
        probability_NC: out of sample.
        given_N: int64 class, -1 where none was given.
        wrong: the estimate.
    """
    given_N, said_N = given_N[given_N >= 0], probability_NC.argmax(1)[given_N >= 0]
    if not len(given_N):
        return Estimate(0.0, 0, 0.0, 0.0)
    commonest = float(given_N.bincount().max()) / len(given_N)
    return Estimate(wrong, len(given_N), float((said_N == given_N).float().mean()), commonest)


def confident_learning(probability_NC: Tensor, given_N: Tensor) -> Confident:
    """The confident joint, calibrated to how often each class was given (equations 1 to 3).

    Args:
        probability_NC: out of sample.
        given_N: int64 class, -1 where none was given.
    """
    classes = probability_NC.shape[1]
    known = given_N >= 0
    # A class's threshold is its mean probability where it was given; of one that never was, nothing is confident.
    threshold_C = torch.stack(
        [probability_NC[given_N == i, i].mean() if (given_N == i).any() else torch.tensor(2.0) for i in range(classes)]
    )
    confident_NC = probability_NC >= threshold_C
    likely_N = probability_NC.where(confident_NC, -1.0).argmax(1)
    likely_N = likely_N.where(confident_NC.any(1) & known, -1)
    counted = likely_N >= 0
    count_CC = torch.zeros(classes, classes, dtype=torch.float64)
    ones = torch.ones(int(counted.sum()), dtype=torch.float64)
    count_CC.index_put_((given_N[counted], likely_N[counted]), ones, accumulate=True)
    given_C = given_N[known].bincount(minlength=classes).double()
    # A class of which nothing is confident counts as right: there is no sign of the opposite.
    empty_C = count_CC.sum(1) == 0
    count_CC[empty_C, empty_C] = 1.0
    joint_CC = count_CC / count_CC.sum(1, keepdim=True) * given_C[:, None]
    return Confident(likely_N, joint_CC / joint_CC.sum().clamp(min=1))


def half(batches: Callable[[int], Iterable[Batch]], fold_N: Tensor, number: int) -> Callable[[int], Iterator[Batch]]:
    """Of each batch the pictures of one fold, from the beginning only: no position counts the pictures left out."""

    def kept(start: int) -> Iterator[Batch]:
        for batch in batches(start):
            own = fold_N[batch.index_B] == number
            yield Batch(batch.image_BCHW[own], batch.condition.rows(own), batch.index_B[own])

    return kept


def out_of_sample(
    data: AnimeFaces, minutes: float, images: int | None, seed: int, device: str
) -> tuple[list[str], Beliefs, Labels]:
    """Names, probabilities and labels of all pictures of all splits."""
    parts = frozenset({"tags_BT", "attributes_BA"}) & data.source.parts
    length = budget(minutes, images)
    fold_N = torch.randint(2, (data.count("train"),), generator=torch.Generator().manual_seed(seed))
    beliefs: dict[Split, list[Beliefs]] = {split: [] for split in SPLITS}
    looked: dict[Split, Looked] = {}
    for number in range(2):
        own = mix(seed, number)
        tagger = fitting.initialised(lambda: Tagger(data.vocabulary, data.image_size), own).to(usable(device))
        fit(tagger, half(endless(data, tagger.needs), fold_N, number), length, own)
        looked = {split: look_at(tagger, data.loader(split, parts, None)) for split in SPLITS}
        seen, labels = looked["validation"]
        tagger.calibration = calibrate(seen.tag_logits_BT, labels.tags_NT, seen.class_logits, labels.classes_NA)
        for split in SPLITS:
            beliefs[split].append(tagger.beliefs(looked[split].seen))
    first, second = (beliefs["train"][number] for number in (0, 1))
    both = {split: _paired(lambda a, b: (a + b) / 2, *beliefs[split]) for split in SPLITS}
    # A picture of fold 0 is looked at by the tagger of fold 1.
    both["train"] = _paired(lambda a, b: torch.where((fold_N == 1)[:, None], a, b), first, second)
    names = [name for split in SPLITS for name in data.names(split)]
    labels = Labels(*(torch.cat(columns) for columns in zip(*(looked[split].labels for split in SPLITS), strict=True)))
    tags = torch.cat([both[split].tags_NT for split in SPLITS])
    groups = zip(*(both[split].classes for split in SPLITS), strict=True)
    return names, Beliefs(tags, tuple(torch.cat(columns) for columns in groups)), labels


def _paired(change: Callable[[Tensor, Tensor], Tensor], first: Beliefs, second: Beliefs) -> Beliefs:
    return Beliefs(change(first.tags_NT, second.tags_NT), tuple(map(change, first.classes, second.classes)))


class Question(NamedTuple):
    """Exclusive classes of one of which each picture is."""

    label: str
    classes: list[str]
    probability_NC: Tensor
    given_N: Tensor


def questions(vocabulary: Vocabulary, beliefs: Beliefs, labels: Labels) -> Iterator[Question]:
    """Each group, then each tag that says no group's class."""
    for group, (label, names) in enumerate(vocabulary.attributes.items()):
        yield Question(label, list(names), beliefs.classes[group], labels.classes_NA[:, group])
    for column, (tag, owner) in enumerate(zip(vocabulary.tags, vocabulary.tag_group, strict=True)):
        if owner < 0:
            p_N, given_N = beliefs.tags_NT[:, column], labels.tags_NT[:, column].nan_to_num(-1.0).long()
            yield Question(tag, ["absent", "present"], torch.stack([1 - p_N, p_N], 1), given_N)


def find_doubts(
    vocabulary: Vocabulary, names: list[str], beliefs: Beliefs, labels: Labels
) -> tuple[list[Doubt], dict[str, Estimate]]:
    """Labels whose class is confidently another one, the surest first; and the noise rate of each group and tag.

    Sorted by the normalised margin: the probability of the given class less that of the best other one.
    """
    doubts: list[Doubt] = []
    noise: dict[str, Estimate] = {}
    for label, classes, probability_NC, given_N in questions(vocabulary, beliefs, labels):
        found = confident_learning(probability_NC, given_N)
        noise[label] = estimate(probability_NC, given_N, found.noise)
        for row in torch.nonzero((found.likely_N >= 0) & (found.likely_N != given_N)).flatten().tolist():
            given, likely = int(given_N[row]), int(found.likely_N[row])
            sure = probability_NC[row]
            words = names[row], label, classes[given], classes[likely]
            doubts.append(Doubt(*words, float(sure[given]), float(sure[likely])))
    return sorted(doubts, key=lambda doubt: doubt.probability_given - doubt.probability_suggested), noise


def list_doubts(
    data: AnimeFaces,
    out: Path | None = None,
    top: int = 50,
    minutes: float = 5.0,
    images: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Trains two taggers on halves, prints the most doubtful labels and the noise rates.

    Args:
        data: pictures and labels.
        out: a CSV file for the list.
        top: how many to list.
        minutes: how long to train each of the two.
        images: how many pictures to train each on instead.
        seed: of the halves and the weights.
        device: auto (a GPU where there is one), cpu or cuda.

    Raises:
        UserError: no labels, or nothing to list.
    """
    if top < 1:
        raise UserError(f"tagger doubts: --top={top}: at least 1")
    check_labels(data)
    doubts, noise = find_doubts(data.vocabulary, *out_of_sample(data, minutes, images, seed, device))
    width = max((len(doubt.file) for doubt in doubts[:top]), default=4) + 2
    print(f"{'file':<{width}}{'label':<20}{'given':<12}{'suggested':<12}{'p(given)':>9}{'p(suggested)':>14}")
    for doubt in doubts[:top]:
        print(
            f"{doubt.file:<{width}}{doubt.label:<20}{doubt.given:<12}{doubt.suggested:<12}"
            f"{doubt.probability_given:>9.3f}{doubt.probability_suggested:>14.3f}"
        )
    print("\nestimated share of wrong labels, by taggers that have not seen them:")
    for label, found in noise.items():
        print(f"  {label}: {found}")
    print(f"{len(doubts)} labels of {len(noise)} groups and tags are confidently another")
    if any(not found.can_tell for found in noise.values()):
        print("where it cannot tell, what is listed says little either: give more --minutes, or more pictures")
    if out is not None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(Doubt._fields)
        writer.writerows([*map(in_csv, doubt[:4]), *(f"{value:.4f}" for value in doubt[4:])] for doubt in doubts[:top])
        write_whole(out, text.getvalue())
