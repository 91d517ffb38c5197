"""Completion of labels, after Li & Han 2019: three distinct classifiers, and what they agree on.

The tagger, a linear classifier on features that nothing was trained for, and the nearest neighbours among the tagger's
own features. A label that is not given is filled

    ensemble        where all three say the same and none is less sure than `agree`; else
    neighbours      where the neighbours are surer than `alone` and the mean of all three says the same; else
    cooccurrence    where the picture's other labels, given or filled, are surer than `alone`, and likewise.

What none of them settles stays open. Given labels are never touched. Every probability is calibrated on pictures whose
labels none of the three has learned from. Classifiers that err alike agree on errors: that is the method's weakness.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from anime_gen import fitting
from anime_gen.tagging.calibration import calibrate
from anime_gen.tagging.examine import Labels
from anime_gen.tagging.network import Beliefs, Labeller, Seen
from anime_gen.tagging.patches import Patches
from anime_gen.vocabulary import Vocabulary

# Place in `Completed.tag_origin_NT`; 0 is what was given or stays open.
ORIGINS = ("", "tagger", "ensemble", "neighbours", "cooccurrence")
NEIGHBOURS = 64
# Shared pictures that every pair of labels is taken to have had beforehand.
SMOOTHING = 1.0


class Pool(NamedTuple):
    """N pictures, some of whose labels are given.

    The classifiers learn from those that are not held out, and are calibrated on the held-out ones.
    """

    image_NCHW: Tensor  # uint8
    seen: Seen  # by the tagger
    labels: Labels
    held_out_N: Tensor  # bool


class Completed(NamedTuple):
    """All labels, given, filled or open (NaN, -1), and what is known of each."""

    labels: Labels
    tag_confidence_NT: Tensor  # 1 given, 0 open
    tag_origin_NT: Tensor  # int8, place in ORIGINS
    class_confidence_NA: Tensor
    class_origin_NA: Tensor


class Scores(NamedTuple):
    """What one classifier says, as logits."""

    tags_NT: Tensor
    classes: tuple[Tensor, ...]


def by_linear(pool: Pool, seed: int) -> Scores:
    """A linear classifier on `Patches`."""
    features_ND = Patches(pool.image_NCHW, seed=seed).features(pool.image_NCHW)
    learned = ~pool.held_out_N
    centre_D, spread_D = features_ND[learned].mean(0), features_ND[learned].std(0) + 1e-3
    features_ND = (features_ND - centre_D) / spread_D
    sizes = [logits.shape[1] for logits in pool.seen.class_logits]
    widths = [pool.labels.tags_NT.shape[1], *sizes]
    layer = fitting.initialised(lambda: torch.nn.Linear(features_ND.shape[1], sum(widths)), seed)
    torch.nn.init.zeros_(layer.weight)
    rows_N = torch.nonzero(learned).flatten()

    def loss_of(batch: fitting.Rows) -> Tensor:
        rows = rows_N[batch.index_B]
        tags_BT, *groups = layer(features_ND[rows]).split(widths, 1)
        truth_BT = pool.labels.tags_NT[rows]
        given_BT = ~truth_BT.isnan()
        wrong_BT = F.binary_cross_entropy_with_logits(tags_BT, truth_BT.nan_to_num(0.0), reduction="none")
        loss: Tensor = (wrong_BT * given_BT).sum() / len(rows)
        for group, logits in enumerate(groups):
            class_B = pool.labels.classes_NA[rows, group]
            loss = loss + F.cross_entropy(logits, class_B, ignore_index=-1, reduction="sum") / len(rows)
        return loss

    passes, batch_size = max(10, 5_000 // len(rows_N)), min(128, len(rows_N))
    fitting.fit(
        layer,
        loss_of,
        fitting.shuffled(len(rows_N), batch_size, seed),
        torch.optim.AdamW(layer.parameters(), lr=1e-3, weight_decay=1.0),
        fitting.for_steps(passes * -(-len(rows_N) // batch_size)),
        title="a linear classifier",
    )
    with torch.no_grad():
        tags_NT, *groups = layer(features_ND).split(widths, 1)
    return Scores(tags_NT, tuple(groups))


def by_neighbours(pool: Pool) -> Scores:
    """Share of the nearest pictures that have a label, by the cosine of features; a picture is not its own neighbour.

    Neighbours of which nobody knows count as the average picture does.
    """
    learned_M = torch.nonzero(~pool.held_out_N).flatten()
    unit_ND = F.normalize(pool.seen.features_BD - pool.seen.features_BD[learned_M].mean(0), dim=1)
    has_MF, known_MF = _indicators(Labels(*(part[learned_M] for part in pool.labels)), _sizes(pool))
    prior_F = (has_MF.sum(0) + SMOOTHING * 0.5) / (known_MF.sum(0) + SMOOTHING)
    shares = []
    for start in range(0, len(unit_ND), 512):
        near_BM = unit_ND[start : start + 512] @ unit_ND[learned_M].T
        near_BM[learned_M[None, :] == torch.arange(start, start + len(near_BM))[:, None]] = -torch.inf
        close_BK, who_BK = near_BM.topk(min(NEIGHBOURS, near_BM.shape[1]))
        weight_BK = ((close_BK - close_BK[:, :1]) * 10).exp()
        weighed_BF = (weight_BK[:, :, None] * has_MF[who_BK]).sum(1) + prior_F
        shares.append(weighed_BF / ((weight_BK[:, :, None] * known_MF[who_BK]).sum(1) + 1))
    return _as_scores(torch.cat(shares), _sizes(pool))


def by_cooccurrence(pool: Pool, labels: Labels, vocabulary: Vocabulary) -> Scores:
    """What a picture's other labels say of each: naive Bayes over pairs of labels.

    A group's classes and the tags that say the same are one fact, and do not speak of each other.

    Args:
        pool: where pairs are counted.
        labels: what is known of each picture by now.
        vocabulary: of both.
    """
    learned = ~pool.held_out_N
    sizes = _sizes(pool)
    has_MF, known_MF = _indicators(Labels(*(part[learned] for part in pool.labels)), sizes)
    lacks_MF = known_MF - has_MF
    # log odds of a fact (there, or lacking) where the label is there, against where it is not
    weights = []
    for fact_MF in (has_MF, lacks_MF):
        with_FF = has_MF.T @ fact_MF
        without_FF = lacks_MF.T @ fact_MF
        both_FF = has_MF.T @ known_MF, lacks_MF.T @ known_MF
        p_with = (with_FF + SMOOTHING) / (both_FF[0] + 2 * SMOOTHING)
        p_without = (without_FF + SMOOTHING) / (both_FF[1] + 2 * SMOOTHING)
        weights.append((p_with / p_without).log())
    groups = range(len(sizes))
    owner_F = torch.tensor([*vocabulary.tag_group, *(group for group in groups for _ in range(sizes[group]))])
    separate_FF = (owner_F[:, None] != owner_F) | (owner_F < 0)[:, None] & (owner_F < 0)
    separate_FF.fill_diagonal_(False)
    there_FF, lacking_FF = (weight_FF * separate_FF for weight_FF in weights)
    has_NF, known_NF = _indicators(labels, sizes)
    prior_F = ((has_MF.sum(0) + SMOOTHING) / (lacks_MF.sum(0) + SMOOTHING)).log()
    odds_NF = has_NF @ there_FF.T + (known_NF - has_NF) @ lacking_FF.T + prior_F
    count = labels.tags_NT.shape[1]
    return Scores(odds_NF[:, :count], tuple(torch.split(odds_NF[:, count:], sizes, 1)) if sizes else ())


def _sizes(pool: Pool) -> list[int]:
    return [logits.shape[1] for logits in pool.seen.class_logits]


def _indicators(labels: Labels, sizes: list[int]) -> tuple[Tensor, Tensor]:
    """Float (N, F) twice: whether each tag and each class is there, and whether that is known."""
    has = [labels.tags_NT.nan_to_num(0.0)]
    known = [(~labels.tags_NT.isnan()).float()]
    for group, size in enumerate(sizes):
        class_N = labels.classes_NA[:, group]
        given_N1 = (class_N >= 0).float()[:, None]
        has.append(F.one_hot(class_N.clamp(min=0), size).float() * given_N1)
        known.append(given_N1.expand(-1, size))
    return torch.cat(has, 1), torch.cat(known, 1)


def _as_scores(share_NF: Tensor, sizes: list[int]) -> Scores:
    """Shares of present ones, as logits of tags and as log probabilities of classes."""
    count = share_NF.shape[1] - sum(sizes)
    tags_NT = share_NF[:, :count].clamp(1e-4, 1 - 1e-4).logit()
    groups = torch.split(share_NF[:, count:], sizes, 1) if sizes else ()
    return Scores(tags_NT, tuple(group.clamp(min=1e-4).log() for group in groups))


def calibrated(scores: Scores, pool: Pool) -> Beliefs:
    """Probabilities, by the held-out pictures."""
    held = pool.held_out_N
    found = calibrate(
        scores.tags_NT[held],
        pool.labels.tags_NT[held],
        [logits[held] for logits in scores.classes],
        pool.labels.classes_NA[held],
    )
    return Beliefs(
        found.tags(scores.tags_NT), tuple(found.classes(group, logits) for group, logits in enumerate(scores.classes))
    )


def of_tagger(labeller: Labeller, pool: Pool) -> Beliefs:
    """The tagger's own word, calibrated again on these pictures."""
    told = labeller.beliefs(pool.seen)
    odds = told.tags_NT.clamp(1e-4, 1 - 1e-4).logit()
    return calibrated(Scores(odds, tuple(group.clamp(min=1e-4).log() for group in told.classes)), pool)


class _Ballot(NamedTuple):
    """What each of several classifiers says of each label: which value, how surely. (S, N, columns)."""

    value: Tensor
    sure: Tensor


def _ballots(beliefs: list[Beliefs]) -> tuple[_Ballot, _Ballot]:
    """Of tags (0 or 1) and of classes."""
    p = torch.stack([belief.tags_NT for belief in beliefs])
    tags = _Ballot((p >= 0.5).long(), torch.maximum(p, 1 - p))
    values, sures = [], []
    for belief in beliefs:
        best = [group.max(1) for group in belief.classes]
        nothing = belief.tags_NT[:, :0]
        values.append(torch.cat([nothing.long(), *(found.indices[:, None] for found in best)], 1))
        sures.append(torch.cat([nothing, *(found.values[:, None] for found in best)], 1))
    classes = _Ballot(torch.stack(values), torch.stack(sures))
    return tags, classes


class _Column(NamedTuple):
    """Labels being filled: values with -1 where open."""

    value: Tensor
    sure: Tensor
    origin: Tensor

    def fill(self, where: Tensor, value: Tensor, sure: Tensor, origin: str) -> _Column:
        """Open labels among `where` take a value."""
        at = where & (self.value < 0)
        # Only what somebody wrote is certain.
        sure = sure.clamp(max=0.999)
        place = torch.full_like(self.origin, ORIGINS.index(origin))
        return _Column(value.where(at, self.value), sure.where(at, self.sure), place.where(at, self.origin))


def by_one(labeller: Labeller, seen: Seen, labels: Labels, least: float) -> Completed:
    """Fills labels that are not given by the tagger alone.

    Args:
        labeller: what has seen the pictures.
        seen: what it saw.
        labels: those that are given.
        least: how sure it must be. Where a tag's threshold is below 0.5, it may be present at a confidence below, too.
    """
    return by_beliefs(labeller.beliefs(seen), labeller.thresholds, labels, least)


def by_beliefs(told: Beliefs, thresholds_T: Tensor, labels: Labels, least: float) -> Completed:
    """As `by_one`, of what a tagger made of the pictures."""
    present_NT = told.tags_NT >= thresholds_T
    sure_NT = told.tags_NT.where(present_NT, 1 - told.tags_NT)
    (_, ballot) = _ballots([told])
    said = (present_NT.long(), sure_NT), (ballot.value[0], ballot.sure[0])
    return _completed(
        [
            column.fill(sure >= least, value, sure, "tagger")
            for column, (value, sure) in zip(_given(labels), said, strict=True)
        ]
    )


def complete(labeller: Labeller, pool: Pool, agree: float = 0.8, alone: float = 0.95, seed: int = 0) -> Completed:
    """Fills labels that are not given.

    Args:
        labeller: what has seen the pool.
        agree: how sure each of the three must be.
        alone: how sure the neighbours or the co-occurrence alone must be.
        seed: of the linear classifier and its features.
    """
    neighbours = calibrated(by_neighbours(pool), pool)
    beliefs = [of_tagger(labeller, pool), calibrated(by_linear(pool, seed), pool), neighbours]
    columns = _given(pool.labels)
    mean = Beliefs(
        torch.stack([belief.tags_NT for belief in beliefs]).mean(0),
        tuple(torch.stack(groups).mean(0) for groups in zip(*(belief.classes for belief in beliefs), strict=True)),
    )
    for kind, ballot in enumerate(_ballots(beliefs)):
        same = (ballot.value == ballot.value[0]).all(0) & (ballot.sure >= agree).all(0)
        columns[kind] = columns[kind].fill(same, ballot.value[0], ballot.sure.mean(0), "ensemble")
    for origin in ORIGINS[3:]:
        seen = neighbours
        if origin == "cooccurrence":
            seen = calibrated(by_cooccurrence(pool, _labels(columns), labeller.vocabulary), pool)
        for kind, ballot in enumerate(_ballots([seen, mean])):
            sure = (ballot.value[0] == ballot.value[1]) & (ballot.sure[0] >= alone)
            columns[kind] = columns[kind].fill(sure, ballot.value[0], ballot.sure[0], origin)
    return _completed(columns)


def _given(labels: Labels) -> list[_Column]:
    values = labels.tags_NT.nan_to_num(-1.0).long(), labels.classes_NA
    return [_Column(value, (value >= 0).float(), torch.zeros_like(value, dtype=torch.int8)) for value in values]


def _completed(columns: list[_Column]) -> Completed:
    tags, classes = columns
    return Completed(_labels(columns), tags.sure, tags.origin, classes.sure, classes.origin)


def _labels(columns: list[_Column]) -> Labels:
    tags, classes = columns
    return Labels(tags.value.float().where(tags.value >= 0, torch.nan), classes.value)
