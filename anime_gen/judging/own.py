"""A judge of anybody's pictures: `anime-gen judge fit DATA`.

The same network as the suite's own, trained on two kinds of pictures side by side. The user's: by the labels they have,
and without labels by telling each picture from all others through the same augmentations (SimCLR, Chen et al. 2020).
Painted faces: for landmarks, and for lost eyes. Its content is weighed on the user's pictures, so that a distance is in
units of how much those differ; what a face looks like without its own eyes is learnt of painted ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen import fitting, painter
from anime_gen.judging import train
from anime_gen.judging.content import Flaw, bent, paint_flawed, weigh
from anime_gen.judging.faces import SIZES, UNKNOWN, Faces, View, paint, view
from anime_gen.metrics.features import JudgeFeatures
from anime_gen.metrics.judge import FLAWS, Judge
from anime_gen.vocabulary import NUM_LANDMARKS, Vocabulary

# Of each kind, a step; the user's are seen twice.
BATCH = 64
TEMPERATURE = 0.2
# Pictures that the content is weighed on: more say nothing new of some hundred directions.
WEIGHED = 6_000


class Lesson(NamedTuple):
    """What a judge of one's own learns from."""

    own: Faces
    painted: Faces
    flaws: tuple[Flaw, ...]  # of painted faces


class Budget(NamedTuple):
    """What the training of one may cost."""

    minutes: float  # after painting
    painted: int  # faces to learn landmarks from
    weighed: int  # painted faces at each size to weigh the content by


class Learnt(NamedTuple):
    """A trained judge, with weights as they are stored, and what it took."""

    judge: Judge
    done: fitting.Done
    state: fitting.State  # to be removed when the weights are where they should be


def words_of(vocabulary: Vocabulary) -> Vocabulary:
    """What a judge of data with these words names: those, and the painter's where the data has none."""
    return vocabulary if vocabulary.tags or vocabulary.attributes else painter.VOCABULARY


def learn(name: str, vocabulary: Vocabulary, own: Faces, budget: Budget, out: Path) -> Learnt:
    """Paints faces beside one's own, and trains a judge.

    Args:
        name: of the judge: `judge_` and what tells these pictures from others.
        vocabulary: of the data.
        own: its training pictures, labelled in `words_of` it.
        budget: of the training.
        out: where the weights will be; a training that was killed goes on from a file beside it.
    """
    words = words_of(vocabulary)
    painted = paint(painter.JUDGE_TRAINING_SEED, budget.painted, SIZES, natural=0.5, workers=torch.get_num_threads())
    if words is vocabulary:
        # Words of another hand would be learnt from this one's pictures.
        nothing = unlabelled(painted.images, words)
        painted = painted._replace(tags_NT=nothing.tags_NT, attributes_NA=nothing.attributes_NA)
    flaws = paint_flawed(painter.JUDGE_WEIGHING_SEED, budget.weighed, train.WEIGHED_SIZES)
    version = str(painter.VERSION)
    pictures = {"name": name, "pictures": len(own.images), "painter_version": version}
    state = fitting.State(out, {**pictures, **budget._asdict()})
    seed = painter.JUDGE_TRAINING_SEED
    judge = fitting.initialised(lambda: Judge(words, painter_version=version, name=name), seed)
    done = fit(judge, Lesson(own, painted, flaws), fitting.for_minutes(budget.minutes), seed, state)
    return Learnt(judge, done, state)


def unlabelled(images: Tensor, vocabulary: Vocabulary) -> Faces:
    """Pictures, uint8 (N, 3, SIZE, SIZE), of which nothing else is known."""
    count = len(images)
    return Faces(
        images,
        torch.full((count, len(vocabulary.tags)), torch.nan),
        torch.full((count, len(vocabulary.attributes)), -1),
        torch.full((count, NUM_LANDMARKS, 2), UNKNOWN),
        torch.zeros(count, NUM_LANDMARKS, dtype=torch.bool),
    )


def told_apart(a_BD: Tensor, b_BD: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Normalised temperature-scaled cross entropy of two views of each picture (Chen et al. 2020, eq. 1), a scalar."""
    count = len(a_BD)
    z = F.normalize(torch.cat([a_BD, b_BD]).float(), dim=1)
    logits = (z @ z.T / temperature).fill_diagonal_(-torch.inf)
    return F.cross_entropy(logits, torch.arange(2 * count, device=z.device).roll(count))


def fit(
    judge: Judge, lesson: Lesson, length: fitting.Length, seed: int, state: fitting.State | None = None
) -> fitting.Done:
    """Trains a judge in place and weighs its content.

    Args:
        judge: untrained.
        lesson: from which it learns.
        length: when training ends.
        seed: of the order of the pictures and of their views.
        state: whence one that was killed goes on.
    """
    own, painted, flaws = lesson
    tag_mirror = judge.vocabulary.tag_mirror

    def loss_of(batch: fitting.Rows) -> Tensor:
        rows = own.rows(batch.index_B)
        drawn = painted.rows(torch.randint(len(painted.images), (len(batch.index_B),)))
        first, second, other = view(rows, tag_mirror), view(rows, tag_mirror, ruined=0), view(drawn, tag_mirror)
        wanted = _joined(first, second, other)
        with torch.autocast("cpu", torch.bfloat16):
            seen = judge(wanted.images.contiguous(memory_format=torch.channels_last))
        a_BD, b_BD, _ = seen.features_BD.split(len(batch.index_B))
        whole = first.is_face_B > 0
        return torch.stack([*train.loss(seen, wanted).values(), told_apart(a_BD[whole], b_BD[whole])]).sum()

    judge.to(memory_format=torch.channels_last)
    optimizer = fitting.adamw(judge, train.PEAK_RATE, weight_decay=0.02)
    batches = fitting.shuffled(len(own.images), min(BATCH, len(own.images)), seed)
    done = fitting.fit(judge, loss_of, batches, optimizer, length, seed=seed, state=state)
    judge.to(memory_format=torch.contiguous_format)
    # The weights that are stored are the ones to weigh by.
    judge.half().float().requires_grad_(False)
    images = own.images[torch.linspace(0, len(own.images) - 1, min(WEIGHED, len(own.images))).long()]
    # Any picture can be bent, and one's own say better than painted ones what that looks like.
    by_name = dict(zip(FLAWS, flaws, strict=True)) | {"warp": bent(images)}
    weigh(judge, images, [by_name[name] for name in FLAWS])
    return done


def _joined(*views: View) -> View:
    faces = Faces(*(torch.cat(columns) for columns in zip(*(one.faces for one in views), strict=True)))
    return View(torch.cat([one.images for one in views]), faces, torch.cat([one.is_face_B for one in views]))


def held_out(features: JudgeFeatures, faces: Faces) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """What it says of pictures that it has not learnt from: (numbers by name, by tag: F1, average precision ...)."""
    seen = features.look(faces.images)
    report = {
        "pictures": len(faces.images),
        **train.accuracies(features, seen, faces),
        "faces_found": float(seen.sees_face_B.double().mean()),
    }
    return report, train.of_tags(features, seen, faces)
