"""Training labels that are not given, filled in by agreement; and how right that is, where the truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anime_gen import fitting
from anime_gen.contract import Condition, UserError, usable
from anime_gen.data import AnimeFaces, NoisyLabels
from anime_gen.data.cache import write_whole
from anime_gen.data.manifest import write_manifest
from anime_gen.files import rounded
from anime_gen.tagging.calibration import calibrate, calibration_error
from anime_gen.tagging.completion import ORIGINS, Completed, Pool, by_one, complete
from anime_gen.tagging.examine import Labels, joined
from anime_gen.tagging.network import Tagger
from anime_gen.tagging.train import budget, check_labels, endless, fit, state_of
from anime_gen.tagging.writing import as_manifest


def written(condition: Condition) -> Condition:
    """Without labels that are less than certain: an older guess is no label to learn from."""
    tags, classes = condition.tags_BT, condition.attributes_BA
    if tags is not None and condition.tag_confidence_BT is not None:
        tags = tags.where(condition.tag_confidence_BT == 1, torch.nan)
    if classes is not None and condition.attribute_confidence_BA is not None:
        classes = classes.where(condition.attribute_confidence_BA == 1, -1)
    return Condition(tags_BT=tags, attributes_BA=classes)


def gather(tagger: Tagger, data: AnimeFaces) -> Pool:
    """Training pictures, and after them validation pictures, which are held out."""
    images, seen, labels, held = [], [], [], []
    for split in ("train", "validation"):
        for batch in data.loader(split, tagger.needs, None):
            images.append(((batch.image_BCHW + 1) * 127.5).round().to(torch.uint8))
            seen.append(tagger.look(batch.image_BCHW))
            labels.append(Labels.of(written(batch.condition), len(batch.index_B)))
            held.append(torch.full((len(batch.index_B),), split == "validation"))
    every = Labels(*(torch.cat(columns) for columns in zip(*labels, strict=True)))
    return Pool(torch.cat(images), joined(seen), every, torch.cat(held))


def complete_and_report(
    data: AnimeFaces,
    out: Path = Path("labels.csv"),
    tagger: Path | None = None,
    minutes: float = 5.0,
    images: int | None = None,
    agree: float = 0.8,
    alone: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Fills training labels; leaves a manifest for `anime_gen.data.Relabelled` and a report beside it (.json).

    Args:
        data: pictures with labels of which some are not given. Where they are `NoisyLabels`, the report says how right
            the filled ones are.
        out: the manifest.
        tagger: a trained one of the same words; by default one is trained on the labels that are given.
        minutes: how long to train it.
        images: how many pictures to train it on instead.
        agree: how sure each of three classifiers must be.
        alone: how sure the neighbours or the co-occurrence alone must be.
        seed: of everything.
        device: auto (a GPU where there is one), cpu or cuda; of the tagger, the rest is on the CPU.

    Raises:
        UserError: no labels, or a tagger of other words.
    """
    for name, share in (("agree", agree), ("alone", alone)):
        if not 0 <= share <= 1:
            raise UserError(f"tagger complete: --{name}={share}: a confidence from 0 to 1")
    check_labels(data)
    state = None
    if tagger is None:
        length = budget(minutes, images)
        network = fitting.initialised(lambda: Tagger(data.vocabulary, data.image_size), seed).to(usable(device))
        state = state_of(out, data, minutes, images, seed)
        fit(network, endless(data, network.needs), length, seed, state)
        network.requires_grad_(False)
    else:
        network = Tagger.load(tagger).to(usable(device))
        if network.vocabulary != data.vocabulary:
            raise UserError(f"tagger complete: {tagger} knows other words than the data has: train one on this data")
    pool = gather(network, data)
    if tagger is None:
        held = pool.held_out_N
        seen = pool.seen
        network.calibration = calibrate(
            seen.tag_logits_BT[held],
            pool.labels.tags_NT[held],
            [logits[held] for logits in seen.class_logits],
            pool.labels.classes_NA[held],
        )
    filled = complete(network, pool, agree, alone, seed)
    report: dict[str, Any] = {
        "data": data.record("train", "validation"),
        "presentation": data.presentation(),
        "agree": agree,
        "alone": alone,
        "seed": seed,
    }
    report["origins"] = origins(filled, ~pool.held_out_N)
    for kind, shares in report["origins"].items():
        print(f"{kind}: " + ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
    if isinstance(data.source, NoisyLabels):
        truth = true_labels(data, data.source)
        single = by_one(network, pool.seen, pool.labels, 0.0)
        ways = {
            "completed": filled,
            "ensemble only": _only(filled, pool.labels, "ensemble"),
            "tagger alone, as many": _as_many(single, filled, pool.labels),
            f"tagger alone, {agree:g} sure": by_one(network, pool.seen, pool.labels, agree),
            "tagger alone, always": single,
        }
        report["truth"] = {way: judged(made, pool, truth) for way, made in ways.items()}
        print(table(report["truth"]))
    own = ~pool.held_out_N
    manifest = as_manifest(data.names("train"), data.vocabulary, _rows(filled, own))
    write_manifest(out, manifest)
    write_whole(out.with_suffix(".json"), json.dumps(rounded(report), indent=1) + "\n")
    if state is not None:
        state.remove()
    print(f"{out}: train on it with --data.source=anime_gen.data.Relabelled --data.source.manifest={out}")


def true_labels(data: AnimeFaces, noisy: NoisyLabels) -> Labels:
    """Of the training pictures of `data`, before any were hidden."""
    plain = AnimeFaces(noisy.source, data.image_size, data.batch_size, cache_dir=data.source.cache)
    parts = frozenset({"tags_BT", "attributes_BA"}) & noisy.source.parts
    batches = plain.loader("train", parts, None)
    labels = [Labels.of(batch.condition, len(batch.index_B)) for batch in batches]
    return Labels(*(torch.cat(columns) for columns in zip(*labels, strict=True)))


def origins(completed: Completed, rows_N: Tensor) -> dict[str, dict[str, float]]:
    """Share of all labels by where they are from: given, each origin, open."""
    shares = {}
    kinds = {
        "tags": (completed.tag_origin_NT, completed.labels.tags_NT.isnan()),
        "classes": (completed.class_origin_NA, completed.labels.classes_NA < 0),
    }
    for kind, (origin, still_open) in kinds.items():
        if origin.shape[1]:
            origin, still_open = origin[rows_N], still_open[rows_N]
            found = {name: float((origin == i).double().mean()) for i, name in enumerate(ORIGINS) if i}
            there = {name: share for name, share in found.items() if share}
            lost = float(still_open.double().mean())
            shares[kind] = {"given": 1 - lost - sum(there.values()), **there, "open": lost}
    return shares


def judged(completed: Completed, pool: Pool, truth: Labels) -> dict[str, dict[str, float]]:
    """Filled labels of training pictures against the truth.

    Of tags and of classes: `filled`, of those that were hidden; `right`, of those that were filled; the `calibration`
    error of their confidences. Of tags, of which most are absent: `present_right`, of those filled as present, and
    `present_found`, of those present that were hidden.
    """
    own = ~pool.held_out_N
    report = {}
    kinds = {
        "tags": (_whole(pool.labels.tags_NT), _whole(completed.labels.tags_NT), completed.tag_confidence_NT),
        "classes": (pool.labels.classes_NA, completed.labels.classes_NA, completed.class_confidence_NA),
    }
    truths = {"tags": _whole(truth.tags_NT), "classes": truth.classes_NA}
    for kind, columns in kinds.items():
        before, after, sure = (part[own] for part in columns)
        true = truths[kind]
        hidden = (before < 0) & (true >= 0)
        filled = hidden & (after >= 0)
        right = filled & (after == true)
        told = {
            "filled": _share(filled, hidden),
            "right": _share(right, filled),
            "calibration": calibration_error(sure[filled], right[filled]),
        }
        if kind == "tags":
            present = filled & (after == 1)
            told |= {
                "present_right": _share(present & right, present),
                "present_found": _share(present & right, hidden & (true == 1)),
            }
        report[kind] = told
    return report


def table(truth: dict[str, dict[str, dict[str, float]]]) -> str:
    """One line for each way and kind."""
    names = ("filled", "right", "calibration", "present_right", "present_found")
    lines = [f"{'':<32}" + "".join(f"{name:>15}" for name in names)]
    for way, kinds in truth.items():
        for kind, told in kinds.items():
            numbers = "".join(f"{told[name]:>15.3f}" if name in told else f"{'':>15}" for name in names)
            lines.append(f"{f'{way}: {kind}':<32}{numbers}")
    return "\n".join(lines)


def _whole(tags_NT: Tensor) -> Tensor:
    """1, 0, or -1 where not given."""
    return tags_NT.nan_to_num(-1.0).long()


def _share(part: Tensor, whole: Tensor) -> float:
    return float(part.sum() / whole.sum())


def _only(completed: Completed, given: Labels, origin: str) -> Completed:
    """Without what is from elsewhere."""
    kept_NT = completed.tag_origin_NT == ORIGINS.index(origin)
    kept_NA = completed.class_origin_NA == ORIGINS.index(origin)
    labels = Labels(
        completed.labels.tags_NT.where(kept_NT, given.tags_NT),
        completed.labels.classes_NA.where(kept_NA, given.classes_NA),
    )
    return completed._replace(labels=labels)


def _as_many(alone: Completed, like: Completed, given: Labels) -> Completed:
    """Of what the tagger alone fills, the surest: as many as another way fills, of tags and of classes."""
    tags_NT = _surest(alone.tag_confidence_NT, alone.tag_origin_NT > 0, int((like.tag_origin_NT > 0).sum()))
    classes_NA = _surest(alone.class_confidence_NA, alone.class_origin_NA > 0, int((like.class_origin_NA > 0).sum()))
    labels = Labels(
        alone.labels.tags_NT.where(tags_NT, given.tags_NT), alone.labels.classes_NA.where(classes_NA, given.classes_NA)
    )
    return alone._replace(labels=labels)


def _surest(sure: Tensor, among: Tensor, count: int) -> Tensor:
    """Bool of the same shape: which `count` of `among` are surest."""
    order = sure.masked_fill(~among, -1.0).flatten().argsort(descending=True, stable=True)
    chosen = torch.zeros(sure.numel(), dtype=torch.bool)
    chosen[order[:count]] = True
    return chosen.view_as(sure)


def _rows(completed: Completed, rows_N: Tensor) -> Completed:
    labels, *rest = completed
    return Completed(Labels(*(part[rows_N] for part in labels)), *(part[rows_N] for part in rest))
